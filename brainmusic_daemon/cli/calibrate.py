"""`brainmusic calibrate`: the program gets to know a person."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from brainmusic_daemon.cli import options


def calibrate(
    name: Annotated[str, typer.Argument(help="Who it is: one word; an older profile of that name is replaced.")],
    config: options.ConfigFile = None,
    set: options.Settings = None,
    eyes_open: Annotated[
        float | None, typer.Option(metavar="S", min=0.0, help="With eyes open for so long.  [live: 30]")
    ] = None,
    eyes_closed: Annotated[
        float | None, typer.Option(metavar="S", min=0.0, help="With eyes closed for so long.  [live: 30]")
    ] = None,
    recording: Annotated[
        Path | None, typer.Option("--from", metavar="RECORDING", help="Take a recording instead of the headset.")
    ] = None,
    without: Annotated[
        str, typer.Option(metavar="CHANNELS", help="Leave out electrodes that have no contact, e.g. TP9,AF7.")
    ] = "",
    closed_from: Annotated[
        Path | None, typer.Option(metavar="RECORDING", help="With --from: eyes closed are in a file of their own.")
    ] = None,
) -> None:
    """Get to know a person: a minute with eyes open, then closed, or a recording of it.

    Which part of a recording is which: by its markers ("eyes open", "eyes closed"), or by --eyes-open and
    --eyes-closed, in that order from its start.  The profile is used with --set session.profile=NAME.

    Example: brainmusic calibrate anna --config muse
    """
    from brainmusic_daemon import config as configuration
    from brainmusic_daemon.api import ConfigError
    from brainmusic_daemon.clock import WallClock
    from brainmusic_daemon.features import profile_file
    from brainmusic_daemon.service import calibrate as calibration
    from brainmusic_daemon.service import conditions, contact
    from brainmusic_daemon.service.guide import Guide
    from brainmusic_daemon.service.screen import console, progress_bar
    from brainmusic_daemon.service.takes import Take

    options.log_to_terminal(logging.INFO if recording is None else logging.WARNING)
    profile_file.check_name(name)
    unknown = configuration.load(config, [*(set or ()), 'session.profile=""'])  # the one to be made is not there yet
    resolved = configuration.stranger(configuration.alone(unknown, name))
    resolved = contact.leaving(resolved, [wish.strip() for wish in without.split(",") if wish.strip()])
    if closed_from is not None and recording is None:
        raise ConfigError("--closed-from needs --from: the recording with eyes open")
    with options.interruptible() as interrupted:
        takes: dict[str, Take] | None
        if recording is not None:
            takes = conditions.takes(recording, closed_from, eyes_open, eyes_closed)
        else:
            seconds = {"open": 30.0 if eyes_open is None else eyes_open}
            seconds["closed"] = 30.0 if eyes_closed is None else eyes_closed
            with progress_bar("listening") as progress:
                guide = Guide(
                    resolved,
                    WallClock(),
                    say=partial(console.print, soft_wrap=True),
                    bell=console.bell,
                    progress=progress,
                    stop=interrupted.stop,
                )
                takes = guide.run({eyes: length for eyes, length in seconds.items() if length > 0})
        if takes is None:
            raise typer.Exit(interrupted.exit_code)
        options.log_to_terminal(logging.ERROR)  # what follows plays the takes again: all was said
        with progress_bar("calibrating") as progress:
            found = calibration.analyse(name, resolved, takes, progress)
    typer.echo(found.text(profile_file.save(found.profile)))
