"""`brainmusic tell`: any command for the running daemon."""

from __future__ import annotations

from typing import Annotated

import typer

from brainmusic_daemon.cli import options, short

CONTEXT = {"ignore_unknown_options": True}  # `rate -0.5` is a number, not an option


def tell(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[COMMAND [ARGUMENTS]...]", help="Without any: list the commands.")
    ] = None,
    name: options.Name = None,
) -> None:
    """Have the running daemon carry out a command: scenes, routes, mute, gain, panic, ratings, recordings …

    Example: brainmusic tell route tempo gain 1.5
    """
    typer.echo(short.tell(words or (), name))
