"""`brainmusic status`: how the running daemon is."""

from __future__ import annotations

from typing import Annotated

import typer

from brainmusic_daemon.cli import options, short


def status(
    json: Annotated[bool, typer.Option("--json", help="Everything, for machines.")] = False,
    name: options.Name = None,
) -> None:
    """Tell how the running daemon is: signal, mapper, what drives what, latency, glitches.

    Example: brainmusic status --json
    """
    typer.echo(short.status(json, name))
