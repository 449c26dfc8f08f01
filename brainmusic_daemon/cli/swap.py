"""`brainmusic swap`: another mapper for the running daemon."""

from __future__ import annotations

from typing import Annotated

import typer

from brainmusic_daemon.cli import options


def swap(
    mapper: Annotated[str, typer.Argument(help="A kind, a file, a bundled configuration or a scene.")],
    fade: Annotated[float | None, typer.Option(metavar="S", min=0.0, max=60.0, help="Cross-fade.")] = None,
    name: options.Name = None,
) -> None:
    """Let the running daemon play with another mapper; it is tried first, and the music never stops.

    Example: brainmusic swap semantic --fade 4
    """
    from brainmusic_daemon.service import client

    arguments = [mapper] if fade is None else [mapper, str(fade)]
    typer.echo(client.tell("mapper.load", arguments, name).text)
