"""`brainmusic check`: what a configuration comes to."""

from __future__ import annotations

import io
import sys

from brainmusic_daemon.cli import options


def check(
    config: options.ConfigFile = None,
    set: options.Settings = None,
) -> None:
    """Check a configuration and print what drives what, over which range, how fast.  No device is opened.

    Example: brainmusic check --config muse --set features.delay_ms=100
    """
    from rich.console import Console

    from brainmusic_daemon import config as configuration
    from brainmusic_daemon.service import describe

    found = describe.describe(configuration.load(config, set or ()))
    if isinstance(sys.stdout, io.TextIOWrapper):  # the name of a file or a channel may be more than a pipe can carry
        sys.stdout.reconfigure(errors="replace")
    Console(highlight=False).print(describe.render(found))
