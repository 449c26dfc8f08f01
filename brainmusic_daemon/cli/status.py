"""`brainmusic status`: how the running daemon is."""

from __future__ import annotations

from typing import Annotated

import typer

from brainmusic_daemon.cli import options, short


def status(
    json: Annotated[bool, typer.Option("--json", help="Everything, for machines.")] = False,
    healthy: Annotated[
        bool, typer.Option("--healthy", help="Only whether it is well: exit code 0; else 1, and why.")
    ] = False,
    name: options.Name = None,
) -> None:
    """Tell how the running daemon is: signal, mapper, what drives what, latency, glitches.

    Example: brainmusic status --json
    """
    if json and healthy:
        raise typer.BadParameter("--json and --healthy: one of them")
    typer.echo(short.healthy(name) if healthy else short.status(json, name))
