"""`brainmusic record`: the live daemon, with everything written to a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brainmusic_daemon.cli import options


def record(
    out: Annotated[Path, typer.Argument(metavar="OUT.xdf", help="The recording: a new file.")],
    config: options.ConfigFile = None,
    set: options.Settings = None,
    seconds: options.Seconds = None,
) -> None:
    """Play as `run` does, and record: raw EEG, features, controls, notes, ratings, on one clock.

    Nothing is ever overwritten.  On a terminal, + and - (or 1 to 9) rate what you hear while it plays.

    Example: brainmusic record evening.xdf --config muse --for 600
    """
    from brainmusic_daemon import config as configuration
    from brainmusic_daemon.api import OutputLost
    from brainmusic_daemon.service.daemon import Daemon

    options.log_to_terminal()
    found = configuration.load(config, set or ())
    options.log_as_chosen(found.session.log, found.session.log_rate)
    daemon = Daemon(found)
    daemon.recorder.start(out)
    code = options.play(daemon, seconds)
    done = daemon.recorder.last
    if done is not None and done.lost:
        raise OutputLost(f"not all of it is in {out}: {done.lost} samples are lost; was the disk full, or too slow?")
    raise typer.Exit(code)
