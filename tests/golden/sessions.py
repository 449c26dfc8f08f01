"""Nothing in; every session that is kept, out: all presets, all configurations that play by themselves, real people."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
SECONDS = 8.0
_QUICK = ("source.period_s=3", "baseline.settle_s=2")  # eyes open and close within the session
_PRESETS = ("arpeggio", "drone", "ensemble", "pulse", "slow-bells", "tides")
_CONFIGS = ("blend", "latent", "linear", "max", "neural", "puredata", "scenes", "semantic", "supercollider")
_RECORDINGS = {
    "eyes-closed": ("eyes_open_closed/S001R02.edf", 20.0),
    "rest": ("rest_vs_arithmetic/Subject03_1.edf", 30.0),
    "muse": ("xdf_muse/muse_P002.xdf", 0.0),
    "openbci": ("openbci_text/gui_v6_blinks_jaw_alpha.txt", 62.0),
}


@dataclass(frozen=True, slots=True)
class Session:
    """What is played for SECONDS of session time."""

    name: str
    config: str
    settings: tuple[str, ...]
    recording: str = ""  # below the folder of real recordings; empty: a simulated person
    start_s: float = 0.0
    needs: str = ""  # a module that may not be installed


def sessions() -> tuple[Session, ...]:
    """Return all of them."""
    simulated = [Session(f"preset-{name}", "default", (*_QUICK, f"music.preset={name}")) for name in _PRESETS]
    simulated += [
        Session(f"config-{name}", name, _QUICK, needs="torch" if name == "neural" else "") for name in _CONFIGS
    ]
    simulated.append(Session("config-duo", "duo", ("baseline.settle_s=2",)))
    real = [
        Session(f"real-{name}", "default", ("baseline.settle_s=2", "music.preset=ensemble"), path, start)
        for name, (path, start) in _RECORDINGS.items()
    ]
    return (*simulated, *real)


def recording(session: Session) -> Path | None:
    """Return the session's recording; None where the folder of recordings is not on this machine."""
    folder = Path(os.environ.get("BRAINMUSIC_TEST_DATA", CHECKOUT.parent / "shared" / "data"))
    path = folder / session.recording
    return path if path.is_file() else None
