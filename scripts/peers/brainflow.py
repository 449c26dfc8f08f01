"""BrainFlow's band powers, fed over LSL, sent by python-osc (https://brainflow.readthedocs.io)."""

from __future__ import annotations

from collections.abc import Callable

from peers import environments
from peers.peer import PROGRAMS, Peer, Stage, by_position
from peers.stimulus import BEST_S

VERSION = environments.version("brainflow", "brainflow")


def _start(window_s: float, period_s: float) -> Callable[[Stage], None]:
    def begin(stage: Stage) -> None:
        picks = ",".join(map(str, stage.indices()))
        program = PROGRAMS / "brainflow_alpha.py"
        python = environments.python("brainflow")
        stage.run(python, program, stage.stream, str(stage.port), picks, str(window_s), str(period_s))

    return begin


def _peer(key: str, setting: str, about: str, window_s: float, period_s: float) -> Peer:
    start, reading = _start(window_s, period_s), by_position("/alpha")
    return Peer(
        *(key, "BrainFlow", setting, about, "named", start, reading, True, "brainflow"), version=VERSION, cores=0.04
    )


PEERS = (
    _peer(
        "brainflow",
        "as documented",
        "its example of band powers on 2 s: detrend, Welch with its power of two nearest the rate, Blackman-Harris",
        *(2.0, 0.02),
    ),
    _peer("brainflow-1s", "1 s", "one spectrum under a Hann window of 1 s, every 20 ms", 1.0, 0.02),
    _peer("brainflow-tuned", "0.4 s", "one spectrum under a Hann window of 0.4 s, every 20 ms", BEST_S, 0.02),
)
