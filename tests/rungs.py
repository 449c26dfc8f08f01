"""Runs daemons that are hit by a signal at one rung of the start or stop ladder each, and says how they ended.

`python -m tests.rungs FOLDER RUNG:SIGNAL …` loads the program once and forks it for each pair: a signal arrives exactly
before the named rung is climbed, `every` one of them where that is named.  STOP is followed by CONT from outside.
Prints a JSON object a line.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

SERVICE, ACQUISITION = "brainmusic_daemon.service.", "brainmusic_daemon.acquisition.supervisor"

START = {
    "log book": ("logbook", "LogBook", "start"),
    "control socket": ("control_socket", "ControlSocket", "start"),
    "acquisition": (ACQUISITION, "Acquisition", "start"),
    "outputs": ("host", "OutputHost", "start"),
    "tick": ("ticker", "Ticker", "run"),
    "mappers": ("mappers", "Mappers", "start"),
    "tutor": ("tutor", "Tutor", "start"),
    "control": ("control", "Control", "start"),
    "OSC control": ("control_osc", "ControlOsc", "start"),
    "page": ("web", "Web", "start"),
    "memory": ("memory", "Memory", "start"),
    "watchdog": ("notify", "Heart", "start"),
    "headset attached": ("session", "Session", "attach"),
}
STOP = {
    "farewell to the manager": ("notify", "Notify", "stopping"),
    "watchdog stops": ("notify", "Heart", "stop"),
    "fade": ("host", "OutputHost", "fade"),
    "memory stops": ("memory", "Memory", "stop"),
    "page stops": ("web", "Web", "stop"),
    "OSC control stops": ("control_osc", "ControlOsc", "stop"),
    "control stops": ("control", "Control", "stop"),
    "rehearsal stops": ("rehearsal", "Rehearsal", "stop"),
    "tutor stops": ("tutor", "Tutor", "stop"),
    "mappers stop": ("mappers", "Mappers", "stop"),
    "outputs stop": ("host", "OutputHost", "stop"),
    "acquisition stops": (ACQUISITION, "Acquisition", "stop"),
    "recording ends": ("recorder", "Recorder", "stop"),
    "control socket stops": ("control_socket", "ControlSocket", "stop"),
    "log book ends": ("logbook", "LogBook", "stop"),
}
EVERY = "every"
SECONDS = 0.5  # that each runs for
LONG_S = 60.0  # those that end before
RECORDED = 60_000  # bytes, of what a kill at a rung of the stop must leave: some flushes of all streams
SIDE_BY_SIDE = 4


def hit(rung: str, number: signal.Signals) -> None:
    """Let the signal arrive once, before the rung."""
    where, kind, method = {**START, **STOP}[rung]
    owner: Any = getattr(importlib.import_module(("" if "." in where else SERVICE) + where), kind)
    real = getattr(owner, method)
    done: list[float] = []

    def climbed(*arguments: Any, **settings: Any) -> Any:
        if not done:
            done.append(time.monotonic())
            os.kill(os.getpid(), number)
        return real(*arguments, **settings)

    setattr(owner, method, climbed)


def stop_when_recorded(file: Path) -> None:
    """Begin the stop as soon as there is something to lose, however slow the machine is."""
    while not (file.exists() and file.stat().st_size > RECORDED):
        time.sleep(0.02)
    os.kill(os.getpid(), signal.SIGTERM)


def child(folder: Path, rung: str, number: signal.Signals, place: int) -> None:
    """Be the program; does not return."""
    from brainmusic_daemon import cli

    os.setpgid(0, 0)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever started this may have it ignored
    said = os.open(folder / f"{place}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(said, stream)
    for one in {**START, **STOP} if rung == EVERY else (rung,):
        hit(one, number)
    settings = ["output.audio.enabled=false", "web.port=0", "control.osc_port=0", f"session.name=rung-{place}"]
    settings += ["session.status=false", 'output.osc.targets=["127.0.0.1:9"]', "control.explain_hz=0"]
    file = folder / f"{place}.xdf"
    killed_late = number == signal.SIGKILL and rung in STOP
    if killed_late:
        threading.Thread(target=stop_when_recorded, args=(file,), daemon=True).start()
    seconds = LONG_S if rung in START or killed_late else SECONDS
    sys.argv = ["brainmusic", "record", str(file), "--for", str(seconds)]
    sys.argv += [part for setting in settings for part in ("--set", setting)]
    code = 70  # neither is left by an exception
    try:
        cli.main()
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 71
    finally:
        os._exit(code)


def main() -> None:
    folder = Path(sys.argv[1])
    jobs = [(rung, signal.Signals[f"SIG{name}"]) for rung, name in (pair.rsplit(":", 1) for pair in sys.argv[2:])]
    for name in ("cli.record", "service.daemon", "service.screen", "service.keys", "service.scribe", "outputs.osc"):
        importlib.import_module(f"brainmusic_daemon.{name}")
    from brainmusic_daemon.service.session import load

    load()  # what a tick calls is compiled once, for all
    waiting, running = [*enumerate(jobs)], {}  # type: ignore[var-annotated]
    while waiting or running:
        while waiting and len(running) < SIDE_BY_SIDE:
            place, (rung, number) = waiting.pop(0)
            pid = os.fork()
            if not pid:
                child(folder, rung, number, place)
            running[pid] = place, rung, number, time.monotonic()
        pid, status = os.waitpid(-1, os.WUNTRACED)
        if os.WIFSTOPPED(status):
            time.sleep(0.05)
            os.kill(pid, signal.SIGCONT)
            continue
        place, rung, number, begun = running.pop(pid)
        left = True
        try:
            os.killpg(pid, 0)
        except ProcessLookupError:
            left = False
        print(
            json.dumps(
                {
                    "place": place, "rung": rung, "signal": number.name, "took": time.monotonic() - begun,
                    "code": os.waitstatus_to_exitcode(status), "left": left,
                }
            ),
            flush=True,
        )  # fmt: skip


if __name__ == "__main__":
    main()
