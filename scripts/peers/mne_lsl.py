"""mne-lsl reads the stream, MNE's `psd_array_welch` analyses, python-osc sends (https://mne.tools/mne-lsl)."""

from __future__ import annotations

from collections.abc import Callable

from peers import environments
from peers.peer import PROGRAMS, Peer, Stage, by_position
from peers.stimulus import BEST_S

VERSION = f"mne-lsl {environments.version('mne', 'mne-lsl')}, mne {environments.version('mne', 'mne')}"


def _start(window_s: float, period_s: float) -> Callable[[Stage], None]:
    def begin(stage: Stage) -> None:
        python = environments.python("mne")
        names = ",".join(stage.watched)
        program = PROGRAMS / "mne_lsl_alpha.py"
        stage.run(python, program, stage.stream, str(stage.port), names, str(window_s), str(period_s))

    return begin


def _peer(key: str, setting: str, about: str, window_s: float, period_s: float) -> Peer:
    return Peer(
        *(key, "mne-lsl + Welch", setting, about, "named", _start(window_s, period_s), by_position("/alpha")),
        environment="mne",
        version=VERSION,
        cores=0.06,
    )


PEERS = (
    _peer(
        "mne-lsl",
        "4 s, as in its example",
        "the buffer and the pause of its example of band power on a rolling window: 4 s, every 100 ms",
        *(4.0, 0.1),
    ),
    _peer("mne-lsl-2s", "2 s", "a window of 2 s, every 20 ms", 2.0, 0.02),
    _peer("mne-lsl-1s", "1 s", "a window of 1 s, every 20 ms", 1.0, 0.02),
    _peer("mne-lsl-tuned", "0.4 s", "a window of 0.4 s, every 20 ms", BEST_S, 0.02),
)
