"""Descriptions of streams in; the one that is EEG out, by evidence rather than by its `type` alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from brainmusic_daemon.acquisition import labels

_EEG = re.compile(r"(?i)eeg|exg|electroenceph")
_AMPLIFIER = re.compile(
    r"(?i)muse|openbci|obci|cyton|ganglion|daisy|biosemi|unicorn|enobio|starstim|acti-?champ|brain-?amp|liveamp|brainvision|"
    r"emotiv|epoc|smarting|mbraintrain|g\.?tec|usbamp|nautilus|dsi-?(7|24)|eego|explore|neurosity|crown|synamps|cgx|"
    r"quick-?\d|bitbrain|neurosky|mindwave|notion|freeeeg|brainflow|actiview|wearable sensing"
)
_OTHER = re.compile(
    r"(?i)ppg|pleth|photo|acc(el|$|_)|gyro|imu|motion|orientation|nirs|gaze|eye|pupil|audio|video|camera|marker|trigger|stim|"
    r"event|ecg|ekg|emg|gsr|eda|heart|\bhr\b|telemetry|battery|quality|impedance|band ?power|fft|focus|temperature|"
    r"keyboard|mouse|control|mocap"
)
_OTHER_LABEL = re.compile(
    r"(?i)ppg|lux|^ir$|^red$|^green$|infrared|ambient|acc|gyr|^[xyz]$|pleth|battery|temp|ecg|emg|gsr"
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """What a stream says about itself."""

    name: str
    type: str
    labels: Sequence[str]
    kinds: Sequence[str]
    units: Sequence[str]
    rate: float  # nominal, Hz; 0: none stated
    n_samples: int


def eeg_score(stream: Candidate) -> int:
    """Return how much speaks for EEG; above 0 it is taken for EEG.

    Name and type count the same: some programs swap them.  Labels outweigh both: some type their PPG as EEG.
    """
    score = 4 * any(_EEG.search(text) for text in (stream.name, stream.type))
    score += 1 * bool(_AMPLIFIER.search(f"{stream.name} {stream.type}"))
    score += 1 * any(text.strip().lower() in ("signal", "signals") for text in (stream.name, stream.type))
    score -= 6 * any(_OTHER.search(text) for text in (stream.name, stream.type))
    count = max(1, len(stream.labels))
    score += 4 * (sum(labels.is_electrode(labels.tidy(label)) for label in stream.labels) * 2 >= count)
    score -= 6 * (sum(bool(_OTHER_LABEL.search(label)) for label in stream.labels) * 2 > count)
    score += 2 * any(kind.strip().lower() == "eeg" for kind in stream.kinds)
    score += 1 * any(labels.microvolts(unit) is not None for unit in stream.units)
    score -= 2 * (0 < stream.rate < 80)
    return score


def best(streams: Sequence[Candidate], anything: bool = False) -> int | None:
    """Return the position of the stream that is EEG most likely, of equals the richest; None when none is.

    With `anything` the first of equals is returned even if nothing speaks for it: it was asked for by name.
    """
    ranked = sorted(
        range(len(streams)),
        key=lambda i: (eeg_score(streams[i]), len(streams[i].labels) * streams[i].n_samples),
        reverse=True,
    )
    if not ranked or (eeg_score(streams[ranked[0]]) <= 0 and not anything):
        return None
    return ranked[0]
