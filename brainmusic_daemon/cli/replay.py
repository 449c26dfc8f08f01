"""`brainmusic replay`: a recording as live LSL streams."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brainmusic_daemon.cli import options


def replay(
    recording: Annotated[Path, typer.Argument(help="An XDF file, or any other recording of EEG.")],
    speed: Annotated[float, typer.Option(metavar="X", min=0.01, help="Times real time.")] = 1.0,
    loop: Annotated[bool, typer.Option("--loop", help="Begin again at the end.")] = False,
    stream: Annotated[str | None, typer.Option(metavar="NAME", help="Publish the EEG under this name.")] = None,
) -> None:
    """Publish every stream of a recording over LSL, with the recording's own timing, as if the device were here.

    Example: brainmusic replay me.xdf --loop
    """
    from brainmusic_daemon.service.replay import Replay
    from brainmusic_daemon.service.screen import progress_bar

    options.log_to_terminal()
    publisher = Replay(recording, speed=speed, loop=loop, stream_name=stream)
    with options.interruptible() as interrupted, progress_bar("replaying") as progress:
        publisher.run(interrupted.stop, progress)
    raise typer.Exit(interrupted.exit_code)
