"""`brainmusic status`: how the running daemon is."""

from __future__ import annotations

from typing import Annotated

import typer

from brainmusic_daemon.cli import options


def status(
    json: Annotated[bool, typer.Option("--json", help="Everything, for machines.")] = False,
    name: options.Name = None,
) -> None:
    """Tell how the running daemon is: signal, mapper, what drives what, latency, glitches.

    Example: brainmusic status --json
    """
    from brainmusic_daemon.service import client

    answer = client.tell("status", (), name)
    typer.echo(client.as_json(answer) if json else answer.text.replace("; ", "\n"))
