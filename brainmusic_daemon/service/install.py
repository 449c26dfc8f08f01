"""A service in; its file put where the system's service manager finds it, or taken away, and what was done out."""

from __future__ import annotations

import logging
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from brainmusic_daemon.api import ConfigError
from brainmusic_daemon.service import client, run_file, units
from brainmusic_daemon.service.units import LAUNCHD, SYSTEMD, Service

_log = logging.getLogger(__name__)

_PATIENCE_S = 90.0  # with the manager: `enable --now` waits until the service is ready
_AT_WORK = 124  # exit code in the place of a manager's that has not come to its end

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
    """Run a program of the manager; return its exit code (127: there is none; 124: no end yet) and what it said."""
    if shutil.which(command[0]) is None:
        return 127, f"there is no program '{command[0]}'"
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
    except subprocess.TimeoutExpired:  # what it was told to do it goes on doing
        return _AT_WORK, f"it has not answered within {_PATIENCE_S:.0f} s"
    except OSError as error:
        return 126, str(error)
    return done.returncode, (done.stderr or done.stdout).strip()


def install(service: Service, kind: str, manager: Run = run) -> list[str]:
    """Write the file and let the manager start it, now and at every login; return what to tell.

    Twice is as good as once.  Raises ConfigError where the file cannot be written, where a daemon that is not the
    service plays under its name, or where the manager could not start it.
    """
    _refuse_beside(service, kind, manager)
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
        service.unit,
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


def _refuse_beside(service: Service, kind: str, manager: Run) -> None:
    """Raise ConfigError where somebody else plays under this name: the service would end at once, and for good."""
    other = run_file.read(service.name)
    if other is None or not client.is_alive(other):
        return
    asked = ["launchctl", "list", service.label]
    if kind == SYSTEMD:
        asked = ["systemctl", "--user", "show", "--property=MainPID", service.unit]
    code, said = manager(asked)
    if code in (126, 127) or (code and kind == SYSTEMD):
        return  # nobody to start it now: what plays until then is no matter
    if re.search(rf'PID"?\s*=\s*{other.pid}\b', said) is None:
        raise ConfigError(
            f"a daemon named '{service.name}' runs already, and not as the service (process {other.pid}, since "
            f"{other.since}): end it with `brainmusic stop --name {service.name}`, or give the service another --name"
        )


def _managed(commands: Sequence[Sequence[str]], manager: Run, well: str, unit: str = "") -> list[str]:
    """Run the manager's commands; return that all went well, or what to type where the manager is not to be had.

    A `unit` is what a manager that has answered goes on to start: raises ConfigError where it could not.
    """
    for number, command in enumerate(commands):
        code, why = manager(command)
        reason = (why.splitlines() or ["no reason given"])[0]
        if code == _AT_WORK and number and unit:
            asked = f"systemctl --user status {unit}"
            return [f"{unit} is still starting; the first start may take minutes, as it compiles the synth: {asked}"]
        if code and number and unit:
            asked = f"journalctl --user -u {unit} -o cat -n 20"
            raise ConfigError(f"the file is there, but {unit} does not run ({reason}); why, its log says: {asked}")
        if code:
            rest = " && ".join(" ".join(left) for left in commands[number:])
            return [f"the service manager did not do it ({reason}); later: {rest}"]
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
