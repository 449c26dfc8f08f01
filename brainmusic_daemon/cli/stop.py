"""`brainmusic stop`: the end of the running daemon."""

from __future__ import annotations

import typer

from brainmusic_daemon.cli import options, short


def stop(name: options.Name = None) -> None:
    """Let the running daemon fade out and end; returns when it has.

    Example: brainmusic stop
    """
    typer.echo(short.stop(name))
