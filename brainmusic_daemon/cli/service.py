"""`brainmusic service`: the daemon as a service of the system."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from brainmusic_daemon.cli import options


class Action(StrEnum):
    """What can be done about it."""

    install = "install"
    uninstall = "uninstall"
    print = "print"


class Manager(StrEnum):
    """Whose service it is."""

    systemd = "systemd"
    launchd = "launchd"


def service(
    action: Annotated[Action, typer.Argument(help="print: only show the file that would be written.")],
    config: options.ConfigFile = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Where several run; default: its session.name.")
    ] = None,
    manager: Annotated[
        Manager | None, typer.Option("--for", help="The service manager; default: this system's.")
    ] = None,
) -> None:
    """Let the daemon run as a service: from every login on, waiting for its headset, started anew after a crash.

    A systemd user unit on Linux, a launchd agent on a Mac.

    Example: brainmusic service install --config my.toml
    """
    from brainmusic_daemon import config as configuration
    from brainmusic_daemon.api import ConfigError
    from brainmusic_daemon.service import copies, install, units

    kind = manager.value if manager is not None else install.kind_here()
    if action is not Action.print and kind != install.kind_here():
        raise ConfigError(f"{kind} is not this system's: `print --for {kind}` shows the file")
    overrides = [f"session.name={name}"] if name is not None else []
    if action is Action.uninstall and name is not None:  # one whose configuration is gone can be removed by its name
        wanted = units.Service(name)
    else:
        file = configuration.locate(config).absolute()
        own = copies.place(file)
        wanted = units.of(configuration.load(own if own.is_file() else file, overrides), own)
    if action is Action.print:
        typer.echo(units.text(wanted, kind), nl=False)
        return
    said = copies.copy(file) if action is Action.install else []
    do = install.install if action is Action.install else install.uninstall
    for line in [*said, *do(wanted, kind)]:
        typer.echo(line)
