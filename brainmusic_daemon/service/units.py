"""A configuration and a name in; the text of a systemd user unit or of a launchd agent, and where it belongs, out."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from brainmusic_daemon.config import Config

SYSTEMD, LAUNCHD = "systemd", "launchd"
KINDS = (SYSTEMD, LAUNCHD)
RECORDINGS = "brainmusic"  # in the home folder: on a Mac no agent may write to Documents or Music without being asked

_UNIT = """\
# Written by `brainmusic service install`; `brainmusic service uninstall` removes it.
[Unit]
Description=brainmusic '{name}': live EEG into sound and OSC
After=sound.target bluetooth.target pipewire-pulse.service pulseaudio.service
# What crashes at every start is started 20 times in five minutes; then `systemctl --user reset-failed` lets it.
StartLimitIntervalSec=300
StartLimitBurst=20

[Service]
Type=notify
NotifyAccess=main
ExecStart={command}
ExecReload=/bin/kill -HUP $MAINPID
WorkingDirectory={folder}
# The first start compiles the synth: minutes on a slow machine.
TimeoutStartSec=10min
# The tick itself feeds the watchdog: music that stands still is started anew.
WatchdogSec=10
TimeoutAbortSec=5
TimeoutStopSec=5
KillMode=mixed
Restart=on-failure
RestartSec=200ms
# 2: a setting is wrong. Trying again does not mend it.
RestartPreventExitStatus=2
# As far as the limits of the user allow; systemd takes the highest that is.
LimitRTPRIO=70
LimitMEMLOCK=64M
# Ahead of other programs when the processor is short.
CPUWeight=500
TasksMax=512
# A dump of the memory would hold somebody's EEG.
LimitCORE=0
UMask=0077
NoNewPrivileges=true

[Install]
WantedBy=default.target
"""


@dataclass(frozen=True, slots=True)
class Service:
    """What is to run, and under which name."""

    name: str  # session.name
    config: Path | None = None  # absolute; None: the default configuration
    program: tuple[str, ...] = (sys.executable, "-P", "-m", "brainmusic_daemon")  # -P: no module of the folder it is in
    recordings: Path | None = None  # absolute, the folder for recordings by a bare name; None: the configuration says

    @property
    def command(self) -> list[str]:
        """Return the command line: a service waits for its headset for ever, and goes on where it was."""
        config = ["--config", str(self.config)] if self.config is not None else []
        settings = [f"session.name={self.name}", "session.patience_s=inf", "session.status=false"]
        settings += [f"control.folder={self.recordings}"] if self.recordings is not None else []
        return [*self.program, "run", *config, *(part for s in settings for part in ("--set", s)), "--resume"]

    @property
    def label(self) -> str:
        return f"org.brainmusic.{self.name}"

    @property
    def unit(self) -> str:
        return f"brainmusic-{self.name}.service"


def of(config: Config, file: Path) -> Service:
    """Return the service that plays `config` from `file`; its recordings do not lie about in the home folder."""
    named = "folder" in config.tables.get("control", {})
    return Service(config.session.name, file, recordings=None if named else Path.home() / RECORDINGS)


def text(service: Service, kind: str) -> str:
    """Return the file's text."""
    return systemd(service) if kind == SYSTEMD else launchd(service)


def place(service: Service, kind: str) -> Path:
    """Return where the file belongs, for this user."""
    if kind == LAUNCHD:
        return Path.home() / "Library" / "LaunchAgents" / f"{service.label}.plist"
    return _settings() / "systemd" / "user" / service.unit


def systemd(service: Service) -> str:
    """Return a systemd user unit (systemd.service(5))."""
    command = " ".join(_quoted(word) for word in service.command)
    return _UNIT.format(name=service.name, command=command, folder="~")


def launchd(service: Service) -> str:
    """Return a launchd agent's property list (launchd.plist(5)).

    launchd knows no readiness and no watchdog; it starts anew whatever ends otherwise than well.
    """
    import plistlib

    log = str(Path.home() / "Library" / "Logs" / "brainmusic" / f"{service.name}.log")
    agent = {
        "Label": service.label,
        "ProgramArguments": [*service.command, "--log", "json"],
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": 1,
        "ExitTimeOut": 5,
        "ProcessType": "Interactive",  # else the system slows it down, timers first
        "WorkingDirectory": str(Path.home()),
        "StandardErrorPath": log,
        "StandardOutPath": log,
        "Umask": 0o077,
        "SoftResourceLimits": {"Core": 0},
    }
    return plistlib.dumps(agent, sort_keys=False).decode()


def _settings() -> Path:
    """Return the folder for the settings of this user's programs, as systemd finds it."""
    named = os.environ.get("XDG_CONFIG_HOME", "")
    return Path(named) if Path(named).is_absolute() else Path.home() / ".config"


def _quoted(word: str) -> str:
    """Return a word as systemd reads it back: no specifier, no variable, no end of the word within."""
    for mark, written in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%"), ("$", "$$"), ("\n", "\\n"), ("\t", "\\t")):
        word = word.replace(mark, written)
    plain = word and not any(mark in word for mark in " '\"\\;")
    return word if plain else f'"{word}"'
