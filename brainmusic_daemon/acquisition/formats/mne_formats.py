"""An EDF, BDF, FIF, BrainVision, EEGLAB … file in, read by mne; a `Take` of its EEG channels out."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

from brainmusic_daemon.acquisition import labels
from brainmusic_daemon.acquisition.formats.take import Take, even
from brainmusic_daemon.api import ConfigError
from brainmusic_daemon.there import is_file

SUFFIXES = tuple(
    f".{name}"
    for name in "edf bdf gdf fif fif.gz vhdr ahdr set cnt mff nxe lay nedf cdt mefd ns3 dat dap rs3".split()  # noqa: SIM905
)
_DAMAGE = re.compile(r"(?i)file size|truncat|corrupt|damage|not stopped")  # of mne's many warnings, those that matter


def read(path: Path) -> Take:
    """Read the whole file into memory.  Raises ConfigError when it cannot be read or holds no EEG."""
    import mne

    if path.suffix.lower() in (".eeg", ".vmrk") and is_file(path.with_suffix(".vhdr")):
        path = path.with_suffix(".vhdr")  # the three files of one BrainVision recording
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            raw = mne.io.read_raw(path, preload=False, verbose="warning")
            kinds = raw.get_channel_types()
            columns = [i for i, kind in enumerate(kinds) if kind == "eeg"]
            data = raw.get_data(picks=columns, verbose="error") if columns else np.zeros((0, 0))
            samplerate = float(raw.info["sfreq"])
    except Exception as error:  # whatever a reader makes of a damaged file is one message to the user
        raise ConfigError(f"cannot read the recording {path}: {_reason(error)}") from error
    if not columns:
        there = ", ".join(f"{count} {kind}" for kind, count in Counter(kinds).items())
        raise ConfigError(f"the recording {path} holds no EEG channels (there is {there or 'no channel at all'})")
    given = [raw.ch_names[i] for i in columns]
    if all(labels.is_other(name) for name in given):  # EDF knows no types: mne takes all of it for EEG
        raise ConfigError(f"the recording {path} holds no EEG channels (there is {', '.join(given)})")
    keep = labels.eeg_columns(given)
    samples = np.ascontiguousarray(data[keep].T, dtype=np.float64) * 1e6
    if not 0 < samplerate < np.inf:
        raise ConfigError(f"the recording {path} states a sample rate of {samplerate:g} Hz: it is damaged")
    if samples.shape[0] == 0:
        raise ConfigError(f"the recording {path} holds no samples")
    details = {"file": str(path), "format": type(raw).__name__.removeprefix("Raw")}
    factor, remark = labels.scale(samples, stated=True)
    if factor != 1:
        samples *= factor
    if remark:
        details["units"] = remark
    damage = [str(warning.message) for warning in said if _DAMAGE.search(str(warning.message))]
    if damage:
        details["damage"] = damage[0]
    left = [given[i] for i in range(len(given)) if i not in set(keep)]
    if left:
        details["left out"] = ", ".join(left)
    return Take(
        name=path.name,
        channels=labels.unique([labels.tidy(given[i]) for i in keep]),
        samplerate=samplerate,
        samples=samples,
        runs=even(len(samples), samplerate),
        uid=path.name,
        details=details,
    )


def _reason(error: Exception) -> str:
    """Return what a reader says in one line; what was meant for programmers is replaced."""
    said = str(error).strip().splitlines()
    package = re.search(r"module (\w+) is needed", said[0]) if said else None
    if package:
        return f"its format needs one more package: pip install {package[1]}"
    if isinstance(error, OSError | RuntimeError | NotImplementedError) and said:
        return said[0]
    return f"it is damaged, or not what its name says ({said[0] if said else type(error).__name__})"
