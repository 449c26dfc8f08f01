"""`brainmusic bench`: latency and cost on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from brainmusic_daemon.cli import options


def bench(
    json: Annotated[bool, typer.Option("--json", help="Everything, for machines.")] = False,
    seconds: Annotated[float, typer.Option("--seconds", metavar="S", min=5.0, max=300.0, help="Measure so long.")] = 20,
) -> None:
    """Measure latency and cost on this machine, from an LSL sample to OSC and sound; compare with the run before.

    The music is heard meanwhile. A poor figure is no failure: the exit code is 0.

    Example: brainmusic bench --seconds 60
    """
    import json as notation

    from brainmusic_daemon.service.bench import run, told
    from brainmusic_daemon.service.screen import progress_bar

    with options.interruptible() as interrupted, progress_bar("measuring") as progress:
        found = run.bench(seconds, interrupted.stop, progress)
    if found is not None:
        typer.echo(notation.dumps(found.as_dict()) if json else told.text(found))
    raise typer.Exit(interrupted.exit_code)
