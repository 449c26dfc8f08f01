"""`brainmusic render`: a recording to files, offline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brainmusic_daemon.cli import options


def render(
    recording: Annotated[Path, typer.Argument(help="XDF, EDF, BDF, FIF, BrainVision, EEGLAB, OpenBCI or BrainFlow.")],
    config: options.ConfigFile = None,
    set: options.Settings = None,
    wav: Annotated[Path | None, typer.Option(metavar="OUT", help="Write the sound: .wav or .flac.")] = None,
    controls: Annotated[Path | None, typer.Option(metavar="OUT.csv", help="One row per tick.")] = None,
    osc: Annotated[Path | None, typer.Option(metavar="OUT.jsonl", help="One line per OSC datagram.")] = None,
    midi: Annotated[Path | None, typer.Option(metavar="OUT.mid", help="The notes as a Standard MIDI File.")] = None,
    start: Annotated[float, typer.Option(metavar="S", min=0.0, help="Begin so many seconds into it.")] = 0.0,
    seconds: options.Seconds = None,
) -> None:
    """Play a recording through the whole daemon as fast as it goes, to files; the same bits each time.

    Example: brainmusic render me.xdf --wav me.wav --controls me.csv
    """
    from brainmusic_daemon.service import render as offline
    from brainmusic_daemon.service.screen import progress_bar

    options.log_to_terminal()
    with options.interruptible() as interrupted, progress_bar("rendering") as progress:
        done = offline.render_files(
            recording,
            config,
            set or (),
            files={"wav": wav, "csv": controls, "jsonl": osc, "smf": midi},
            start=start,
            seconds=seconds,
            stop=interrupted.stop,
            progress=progress,
        )
    typer.echo(offline.summary(done))
    raise typer.Exit(interrupted.exit_code)
