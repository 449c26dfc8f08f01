"""`brainmusic check`: what a configuration comes to."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Annotated

import typer

from brainmusic_daemon.cli import options


def check(
    config: options.ConfigFile = None,
    set: options.Settings = None,
    measure: Annotated[
        bool, typer.Option(help="Run the mapper and its smoothing on a simulated person, and say what it costs.")
    ] = True,
    recording: Annotated[
        Path | None, typer.Option("--from", metavar="RECORDING", help="Measure on a recording instead.")
    ] = None,
) -> None:
    """Check a configuration and print what drives what, over which range, how fast and how steadily.

    No device is opened.

    Example: brainmusic check --config muse --set features.delay_ms=100
    """
    from rich.console import Console

    from brainmusic_daemon import config as configuration
    from brainmusic_daemon.service import describe, printed, steadiness

    resolved = configuration.load(config, set or ())
    found = describe.describe(resolved)
    steady = steadiness.measure(resolved, recording) if measure else None
    if isinstance(sys.stdout, io.TextIOWrapper):  # the name of a file or a channel may be more than a pipe can carry
        sys.stdout.reconfigure(errors="replace")
    Console(highlight=False).print(printed.render(found, steady))
