"""`brainmusic devices`: what could be plugged together here."""

from __future__ import annotations

from typing import Annotated

import typer


def devices(json: Annotated[bool, typer.Option("--json", help="For machines.")] = False) -> None:
    """List boards, LSL streams, audio outputs and MIDI ports.

    Example: brainmusic devices --json
    """
    from brainmusic_daemon.service import discovery

    found = discovery.everything()
    typer.echo(discovery.as_json(found) if json else discovery.as_text(found))
