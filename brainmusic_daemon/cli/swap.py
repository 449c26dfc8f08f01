"""`brainmusic swap`: another mapper for the running daemon."""

from __future__ import annotations

from typing import Annotated

import typer

from brainmusic_daemon.cli import options, short


def swap(
    mapper: Annotated[str, typer.Argument(help="A kind, a file, a bundled configuration or a scene.")],
    fade: Annotated[float | None, typer.Option(metavar="S", min=0.0, max=short.MOST_FADE_S, help="Cross-fade.")] = None,
    name: options.Name = None,
) -> None:
    """Let the running daemon play with another mapper; it is tried first, and the music never stops.

    Example: brainmusic swap semantic --fade 4
    """
    typer.echo(short.swap(mapper, fade, name))
