"""`brainmusic run`: the live daemon."""

from __future__ import annotations

import logging
from enum import StrEnum
from typing import Annotated

import typer

from brainmusic_daemon.cli import options


class Log(StrEnum):
    """What the log is written as."""

    auto = "auto"
    text = "text"
    json = "json"


def run(
    config: options.ConfigFile = None,
    set: options.Settings = None,
    seconds: options.Seconds = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Take up mapper, scene, preset and levels where the last run ended.")
    ] = False,
    log: Annotated[
        Log | None, typer.Option("--log", help="Lines for people, or JSON; default: JSON into a journal.")
    ] = None,
) -> None:
    """Listen to the brain and play it, until Ctrl-C.

    Without a configuration: a simulated person who opens and closes the eyes, sound, and OSC to 127.0.0.1:57120.

    Example: brainmusic run --config muse --set output.osc.targets='["127.0.0.1:7400"]'
    """
    overrides = [*(set or ()), *(["session.resume=true"] if resume else [])]
    overrides += [f"session.log={log.value}"] if log is not None else []
    with options.interruptible(running=False) as interrupted:
        from brainmusic_daemon import config as configuration
        from brainmusic_daemon.api import BrainmusicError
        from brainmusic_daemon.service.daemon import Daemon

        as_json = options.log_as_chosen("auto" if log is None else log.value, each=20)
        try:
            found = configuration.load(config, overrides)
            as_json = options.log_as_chosen(found.session.log, found.session.log_rate)
            code = options.play(Daemon(found), seconds, interrupted)
        except BrainmusicError as error:
            if not as_json:
                raise
            logging.getLogger(__name__).error("%s", error)
            code = error.exit_code
    raise typer.Exit(code)
