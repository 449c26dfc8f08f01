"""`brainmusic run`: the live daemon."""

from __future__ import annotations

import typer

from brainmusic_daemon.cli import options


def run(
    config: options.ConfigFile = None,
    set: options.Settings = None,
    seconds: options.Seconds = None,
) -> None:
    """Listen to the brain and play it, until Ctrl-C.

    Without a configuration: a simulated person who opens and closes the eyes, sound, and OSC to 127.0.0.1:57120.

    Example: brainmusic run --config muse --set output.osc.targets='["127.0.0.1:7400"]'
    """
    from brainmusic_daemon import config as configuration
    from brainmusic_daemon.service.daemon import Daemon

    options.log_to_terminal()
    daemon = Daemon(configuration.load(config, set or ()))
    raise typer.Exit(options.play(daemon, seconds))
