"""A service in; its file put where the system's service manager finds it, or taken away, and what was done out."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from brainmusic_daemon.api import ConfigError
from brainmusic_daemon.service import units
from brainmusic_daemon.service.units import LAUNCHD, SYSTEMD, Service

_log = logging.getLogger(__name__)

_PATIENCE_S = 90.0  # with the manager: `enable --now` waits until the service is ready

Run = Callable[[Sequence[str]], tuple[int, str]]


def kind_here() -> str:
    """Return the service manager of this system.  Raises ConfigError where it has none that we know."""
    if sys.platform == "darwin":
        return LAUNCHD
    if sys.platform.startswith("linux"):
        return SYSTEMD
    raise ConfigError(
        "there is no systemd and no launchd on this system; on Windows the Task Scheduler does it: a task that runs "
        f'"{sys.executable}" with the arguments: -P -m brainmusic_daemon run --resume --set session.patience_s=inf'
    )


def run(command: Sequence[str]) -> tuple[int, str]:
    """Run a program of the manager; return its exit code (127: there is none) and what it said."""
    if shutil.which(command[0]) is None:
        return 127, f"there is no program '{command[0]}'"
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return 126, str(error)
    return done.returncode, (done.stderr or done.stdout).strip()


def install(service: Service, kind: str, manager: Run = run) -> list[str]:
    """Write the file and let the manager start it, now and at every login; return what to tell.

    Twice is as good as once.  Raises ConfigError where the file cannot be written.
    """
    file, wanted = units.place(service, kind), units.text(service, kind)
    before = _read(file)
    if before == wanted:
        said = [f"{file} is there already"]
    else:
        _write(file, wanted)
        said = [f"{'changed' if before is not None else 'wrote'} {file}"]
    if kind == LAUNCHD:
        (Path.home() / "Library" / "Logs" / "brainmusic").mkdir(parents=True, exist_ok=True)
        if before is not None and before != wanted:
            manager(["launchctl", "unload", str(file)])
        said += _managed(
            [["launchctl", "load", "-w", str(file)]], manager, f"{service.label} runs, and will at every login"
        )
        return [*said, _page(service)]
    again = before is not None and before != wanted
    said += _managed(
        [
            ["systemctl", "--user", "daemon-reload"],
            ["systemctl", "--user", "enable", "--now", service.unit],
            *([["systemctl", "--user", "restart", service.unit]] if again else []),
        ],
        manager,
        f"{service.unit} runs, and will at every login",
    )
    return [
        *said,
        _page(service),
        f"its log: journalctl --user -u {service.unit} -o cat -f",
        "without anybody logged in it runs after: loginctl enable-linger",
    ]


def _page(service: Service) -> str:
    """Return how to come to the service's page; the address itself is known when it runs."""
    return f"its page: brainmusic page --open --name {service.name}"


def uninstall(service: Service, kind: str, manager: Run = run) -> list[str]:
    """End the service and take its file away; return what to tell.  Raises ConfigError where that fails."""
    file = units.place(service, kind)
    if not file.exists():
        return [f"there is no {file}: nothing to remove"]
    if kind == LAUNCHD:
        said = _managed([["launchctl", "unload", "-w", str(file)]], manager, f"{service.label} has ended")
    else:
        said = _managed(
            [["systemctl", "--user", "disable", "--now", service.unit]], manager, f"{service.unit} has ended"
        )
    try:
        file.unlink()
    except OSError as error:
        raise ConfigError(f"cannot remove {file}: {error.strerror or error}") from error
    if kind == SYSTEMD:
        manager(["systemctl", "--user", "daemon-reload"])
    return [*said, f"removed {file}"]


def _managed(commands: Sequence[Sequence[str]], manager: Run, well: str) -> list[str]:
    """Run the manager's commands; return that all went well, or what to type where the manager is not to be had."""
    for number, command in enumerate(commands):
        code, why = manager(command)
        if code:
            rest = " && ".join(" ".join(left) for left in commands[number:])
            return [
                f"the service manager did not do it ({(why.splitlines() or ['no reason given'])[0]}); later: {rest}"
            ]
    return [well]


def _read(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {file}: {error}") from error


def _write(file: Path, wanted: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_name(f".{file.name}.new")
        temporary.write_text(wanted, encoding="utf-8", newline="\n")
        temporary.replace(file)
    except OSError as error:
        raise ConfigError(f"cannot write {file}: {error.strerror or error}") from error
