"""`brainmusic page`: where the running daemon's page is."""

from __future__ import annotations

from typing import Annotated

import typer

from brainmusic_daemon.cli import options


def page(
    open: Annotated[bool, typer.Option("--open", help="Open it in this computer's browser.")] = False,
    new_token: Annotated[
        bool, typer.Option("--new-token", help="Make another token: whoever has the old one is shut out.")
    ] = False,
    name: options.Name = None,
) -> None:
    """Print the address of the running daemon's page, with its token where one is asked for.

    The second line, if there is one, is for a phone: it is there where web.host lets the network in.

    Example: brainmusic page --open
    """
    import webbrowser

    from brainmusic_daemon.api import ConfigError
    from brainmusic_daemon.service import client

    answer = client.tell("page", ["new-token"] if new_token else [], name)
    typer.echo(answer.text.replace("; ", "\n"))
    if open and not webbrowser.open(answer.data["here"]):
        raise ConfigError("there is no browser to be opened here: type the address into one")
