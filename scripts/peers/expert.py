"""The honest opponent: the script an expert writes in an evening, with numpy, scipy, pylsl and python-osc."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import metadata

from peers.peer import PROGRAMS, Peer, Stage, by_position
from peers.stimulus import BEST_S

VERSION = f"numpy {metadata.version('numpy')}, scipy {metadata.version('scipy')}, pylsl {metadata.version('pylsl')}"


def _start(*method: str) -> Callable[[Stage], None]:
    def begin(stage: Stage) -> None:
        picks = ",".join(map(str, stage.indices()))
        stage.run(sys.executable, PROGRAMS / "expert_alpha.py", stage.stream, str(stage.port), picks, *method)

    return begin


def _peer(key: str, setting: str, about: str, *method: str) -> Peer:
    reading = by_position("/alpha")
    return Peer(
        *(key, "script", setting, about, "script", _start(*method), reading), power=False, version=VERSION, cores=0.03
    )


PEERS = (
    _peer("hann", "Hann window, 0.5 s", "FFT of the newest half second, every 20 ms", "hann", "0.5"),
    _peer(
        "hann-tuned",
        "Hann window, 0.4 s",
        "the window that serves best on these recordings, of 0.2 to 2 s (`--tune`)",
        *("hann", str(BEST_S)),
    ),
    _peer(
        "butterworth",
        "Butterworth, usual",
        "band-pass 8-13 Hz of order 2, rectifier, low-pass 3 Hz of order 2, at every sample; sent every 20 ms",
        *("butterworth", "2", "2", "3"),
    ),
    _peer(
        "butterworth-tuned",
        "Butterworth, tuned",
        "order 1, low-pass 4 Hz of order 2: of 36 combinations the soonest at 0.95 on both recordings (`--tune`)",
        *("butterworth", "1", "2", "4"),
    ),
)
