"""An XDF file in; the `Take` of its EEG stream out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from brainmusic_daemon.acquisition import labels
from brainmusic_daemon.acquisition.formats.choose import Candidate, best
from brainmusic_daemon.acquisition.formats.take import Take, estimate_rate, even, runs_of
from brainmusic_daemon.acquisition.formats.xdf_file import Stream, describe, streams
from brainmusic_daemon.acquisition.scrutiny import refuse_haste
from brainmusic_daemon.api import ConfigError


def read(path: Path, wanted: str = "") -> Take:
    """Read the EEG stream, or the stream `wanted` by name, type, source id or number.  Raises ConfigError."""
    every, remarks = streams(path)
    usable = [s for s in every if not s.text and len(s.times) and s.channels]
    there = "; ".join(describe(s) for s in every) or "no stream at all"
    pool = usable
    if wanted:
        key = wanted.strip().lower()
        pool = [s for s in usable if key in (s.name.lower(), s.type.lower(), s.source_id.lower(), str(s.number))]
        if not pool:
            raise ConfigError(f"the recording {path} has no stream '{wanted}' with numbers in it; there is {there}")
    index = best([candidate(s) for s in pool], anything=bool(wanted))
    if index is None:
        raise ConfigError(
            f"the recording {path} holds no EEG stream; there is {there}"
            + (" (the setting `stream` takes one of them all the same)" if pool else "")
        )
    return _take(path, pool[index], remarks)


def candidate(s: Stream) -> Candidate:
    """Return what speaks for or against EEG."""
    names = [label for label, _, _ in s.channels]
    kinds = [kind for _, _, kind in s.channels]
    units = [unit for _, unit, _ in s.channels]
    return Candidate(s.name, s.type, names, kinds, units, s.nominal_rate, len(s.times))


def _take(path: Path, stream: Stream, remarks: Sequence[str]) -> Take:
    names = [label for label, _, _ in stream.channels]
    keep = labels.eeg_columns(names, [kind for _, _, kind in stream.channels])
    samples = np.ascontiguousarray(np.asarray(stream.samples)[:, keep], dtype=np.float64)
    factors = [labels.microvolts(stream.channels[i][1]) for i in keep]
    stated = all(factor is not None for factor in factors)
    if any(factor not in (None, 1.0) for factor in factors):
        samples *= [1.0 if factor is None else factor for factor in factors]
    unknown = {stream.channels[i][1] for i, factor in zip(keep, factors, strict=True) if factor is None} - {""}
    factor, units = labels.scale(samples, stated)
    if factor != 1:
        samples *= factor
    samplerate, rate = estimate_rate(stream.times, stream.nominal_rate)
    if samplerate <= 0:
        raise ConfigError(f"the recording {path}: stream '{stream.name}' has neither a rate nor usable time stamps")
    refuse_haste(samplerate, f"recording {path.name}")
    if np.isfinite(stream.times).all():
        runs, gaps = runs_of(stream.times, samplerate)
    else:
        runs, gaps = even(len(samples), samplerate), "unusable time stamps: evenly spaced instead"
    details = {
        "file": str(path),
        "format": "XDF",
        "stream": describe(stream),
        "units": f"unknown unit {', '.join(sorted(unknown))}, taken as µV" if unknown and factor == 1 else units,
        "rate": rate,
        "gaps": gaps,
        "left out": ", ".join(names[i] or f"channel {i + 1}" for i in range(len(names)) if i not in set(keep)),
        "damage": "; ".join(remarks),
    }
    return Take(
        name=stream.name,
        channels=labels.unique([labels.tidy(names[i]) for i in keep]),
        samplerate=samplerate,
        samples=samples,
        runs=runs,
        uid=stream.source_id or stream.name,
        details={key: value for key, value in details.items() if value},
    )
