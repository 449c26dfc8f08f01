"""EEGsynth's modules: lsl2ft → buffer → spectral → Redis → outputosc, as they come, and tuned (https://eegsynth.org)."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable
from pathlib import Path

from benchmarks.common import Absent

from peers import environments
from peers.peer import Peer, Stage, by_address
from peers.stimulus import BEST_S

VERSION = environments.version("eegsynth", "eegsynth")

_INI = {
    "buffer": "[general]\ndebug=1\n{pace}\n[fieldtrip]\nport={fieldtrip}\n",
    "lsl2ft": """[general]
debug=1
[fieldtrip]
hostname=127.0.0.1
port={fieldtrip}
[redis]
hostname=127.0.0.1
port={redis}
[lsl]
name={stream}
type=EEG
timeout=30
""",
    "spectral": """[general]
debug=1
delay={delay}
[redis]
hostname=127.0.0.1
port={redis}
[fieldtrip]
hostname=127.0.0.1
port={fieldtrip}
timeout=60
[input]
{channels}
[processing]
window={window}
[band]
{bands}
[output]
prefix=spectral
""",
    "outputosc": """[general]
debug=1
delay=0.05
[redis]
hostname=127.0.0.1
port={redis}
[osc]
hostname=127.0.0.1
port={port}
[input]
{keys}
[output]
{addresses}
""",
}
_BANDS = "delta=2-5\ntheta=5-8\nalpha=9-11\nbeta=15-25\ngamma=35-45"  # of spectral.ini as it comes


def _start(window: float, delay: float, bands: str, pace: str = "") -> Callable[[Stage], None]:
    def begin(stage: Stage) -> None:
        server = shutil.which("redis-server")
        if server is None:
            raise Absent("needs the Debian package redis-server (program redis-server)")
        python = environments.python("eegsynth")
        names = {name.lower(): stage.channels.index(name) + 1 for name in stage.watched}
        ports = {"redis": _free(), "fieldtrip": _free()}
        filled = {
            **ports,
            "stream": stage.stream,
            "port": stage.port,
            "window": window,
            "delay": delay,
            "pace": pace,
            "bands": bands,
            "channels": "\n".join(f"{name}={number}" for name, number in names.items()),
            "keys": "\n".join(f"{name}=spectral.{name}.alpha" for name in names),
            "addresses": "\n".join(f"{name}=/alpha/{name}" for name in names),
        }
        stage.run(server, "--bind", "127.0.0.1", "--port", str(ports["redis"]), "--save", "", "--appendonly", "no")
        stage.wait_for_port(ports["redis"])
        modules = next((python.parent.parent / "lib").glob("python*/site-packages/module"))
        for name in ("buffer", "lsl2ft", "spectral", "outputosc"):
            file = stage.folder / f"{name}.ini"
            file.write_text(_INI[name].format(**filled), encoding="utf-8")
            stage.run(python, _program(modules, name), "-i", file)
            if name == "buffer":
                stage.wait_for_port(ports["fieldtrip"])

    return begin


def _program(modules: Path, name: str) -> Path:
    return modules / name / f"{name}.py"


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _peer(key: str, setting: str, about: str, start: Callable[[Stage], None]) -> Peer:
    reading = by_address("/alpha/")
    return Peer(
        *(key, "EEGsynth", setting, about, "named", start, reading, False, "eegsynth"), version=VERSION, cores=0.15
    )


PEERS = (
    _peer(
        "eegsynth",
        "as it comes",
        "spectral.ini as it is: window 2 s every 0.1 s, alpha 9-11 Hz, mean amplitude; Redis on a port of its own",
        _start(2.0, 0.1, _BANDS),
    ),
    _peer("eegsynth-1s", "window 1 s", "8-13 Hz, every 20 ms", _start(1.0, 0.02, "alpha=8-13", "delay=0.002")),
    _peer("eegsynth-tuned", "window 0.4 s", "8-13 Hz, every 20 ms", _start(BEST_S, 0.02, "alpha=8-13", "delay=0.002")),
)
