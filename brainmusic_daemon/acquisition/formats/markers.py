"""A recording's path in; the markers or annotations that are in it out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brainmusic_daemon.acquisition.formats.take import Take
from brainmusic_daemon.there import is_file


@dataclass(frozen=True, slots=True)
class Marker:
    """One marker."""

    time: float  # seconds since the recording's first EEG sample
    duration: float  # seconds; 0 where none is stated
    text: str


def read(path: Path, take: Take) -> tuple[Marker, ...]:
    """Return the markers beside the EEG `take` of the recording `path`, in order; none where the format has none."""
    name = path.name.lower()
    if name.endswith((".xdf", ".xdfz", ".xdf.gz")):
        found = _of_xdf(path, take)
    elif name.endswith((".txt", ".csv", ".tsv")):
        found = []
    else:
        found = _of_mne(path)
    return tuple(sorted(found, key=lambda marker: marker.time))


def _of_xdf(path: Path, take: Take) -> list[Marker]:
    from brainmusic_daemon.acquisition.formats import xdf_file

    streams, _ = xdf_file.streams(path)
    origin = next((s.times[0] for s in streams if s.name == take.name and len(s.times) == len(take.samples)), None)
    if origin is None or not np.isfinite(origin):
        return []
    return [
        Marker(float(time - origin), 0.0, str(row[0]))
        for stream in streams
        if stream.text and stream.channels
        for time, row in zip(stream.times, stream.samples, strict=True)
    ]


def _of_mne(path: Path) -> list[Marker]:
    import mne

    if path.suffix.lower() in (".eeg", ".vmrk") and is_file(path.with_suffix(".vhdr")):
        path = path.with_suffix(".vhdr")
    raw = mne.io.read_raw(path, preload=False, verbose="error")
    shift = raw.first_time if raw.annotations.orig_time is not None else 0.0
    return [
        Marker(float(each["onset"]) - shift, float(each["duration"]), str(each["description"]))
        for each in raw.annotations
    ]
