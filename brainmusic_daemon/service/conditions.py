"""Recordings in; the takes with open and with closed eyes that a calibration needs, out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from brainmusic_daemon import registry
from brainmusic_daemon.acquisition import formats
from brainmusic_daemon.acquisition.formats import markers
from brainmusic_daemon.acquisition.formats.markers import Marker
from brainmusic_daemon.api import ConfigError
from brainmusic_daemon.service.takes import Take, collect
from brainmusic_daemon.there import expanded

_OPEN = re.compile(r"(?i)eyes?[\s_-]*open(ed)?|open[\s_-]*eyes?|\beo\b|^open$")
_CLOSED = re.compile(r"(?i)eyes?[\s_-]*closed?|closed?[\s_-]*eyes?|\bec\b|^closed$")
_STATED_S = 2.0  # an annotation this long says itself how long its condition lasts

Span = tuple[float, float]  # start and duration, s


def takes(recording: Path, closed: Path | None, eyes_open: float | None, eyes_closed: float | None) -> dict[str, Take]:
    """Return `open` and `closed`, or `whole`, from one recording or two.

    A second recording is the closed eyes; else markers that name the eyes say which part is which; else the seconds
    that are given, open eyes first; else all of it is one condition.  Raises ConfigError.
    """
    if closed is not None:
        return {
            "open": _part(recording, (0.0, eyes_open or 0.0)),
            "closed": _part(closed, (0.0, eyes_closed or 0.0)),
        }
    if eyes_open is not None or eyes_closed is not None:
        first, second = eyes_open or 0.0, eyes_closed or 0.0
        spans = {"open": (0.0, first), "closed": (first, second)}
        return {eyes: _part(recording, span) for eyes, span in spans.items() if span[1] > 0}
    take = formats.load(recording)
    end = take.runs[-1].end if take.runs else 0.0
    marked = spans_of(markers.read(expanded(recording), take), end)
    if marked:
        return {eyes: _part(recording, span) for eyes, span in marked.items()}
    return {"whole": _part(recording, (0.0, 0.0))}


def spans_of(found: Sequence[Marker], end: float) -> dict[str, Span]:
    """Return the longest stretch of open and of closed eyes that markers tell of; empty where they tell nothing.

    A condition lasts as long as its annotation says, or until the eyes' next marker, or the end of the recording.
    """
    eyes = [(m, "closed" if _CLOSED.search(m.text) else "open") for m in found if _names_eyes(m.text)]
    spans: dict[str, Span] = {}
    for i, (marker, state) in enumerate(eyes):
        later = [other.time for other, kind in eyes[i + 1 :] if kind != state]
        until = marker.time + marker.duration if marker.duration >= _STATED_S else min([*later, end])
        span = (max(marker.time, 0.0), until - max(marker.time, 0.0))
        if span[1] > spans.get(state, (0.0, 0.0))[1]:
            spans[state] = span
    return spans


def _names_eyes(text: str) -> bool:
    return bool(_OPEN.search(text)) != bool(_CLOSED.search(text))


def _part(recording: Path, span: Span) -> Take:
    settings: dict[str, Any] = {"path": str(recording), "start_s": span[0], "duration_s": max(span[1], 0.0)}
    try:
        return collect(registry.build("source", "recording", settings, "--from"))
    except registry.SettingErrors as error:
        raise ConfigError(str(error)) from error
