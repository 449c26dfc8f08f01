"""Families of samples in, Prometheus' text format 0.0.4 out."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from brainmusic_daemon.service.metrics import Histogram

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
_NO_LABELS: Mapping[str, str] = {}

Kind = Literal["counter", "gauge", "histogram"]
Sample = tuple[Mapping[str, str], float]


@dataclass(frozen=True, slots=True)
class Family:
    """All samples of one name; its samples differ in their labels."""

    name: str
    kind: Kind
    help: str
    samples: tuple[Sample, ...] = ()
    histograms: tuple[tuple[Mapping[str, str], Histogram], ...] = ()  # of a histogram, in place of samples

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or (self.kind == "counter") != self.name.endswith("_total"):
            raise ValueError(f"'{self.name}' is no name of a {self.kind}")


def gauge(name: str, about: str, value: float, /, **labels: str) -> Family:
    """Return a gauge of one sample."""
    return Family(name, "gauge", about, ((labels, value),))


def counter(name: str, about: str, value: float, /, **labels: str) -> Family:
    """Return a counter of one sample; its name gets its `_total`."""
    return Family(f"{name}_total", "counter", about, ((labels, value),))


def by_label(kind: Kind, name: str, about: str, label: str, values: Mapping[str, float]) -> Family:
    """Return a family with one sample per entry of `values`, whose key is the value of `label`."""
    name = f"{name}_total" if kind == "counter" else name
    return Family(name, kind, about, tuple(({label: key}, value) for key, value in values.items()))


def info(name: str, about: str, /, **labels: str) -> Family:
    """Return a gauge of value 1 whose labels are what it says."""
    return gauge(f"{name}_info", about, 1.0, **labels)


def histogram(name: str, about: str, durations: Histogram) -> Family:
    """Return durations, in seconds."""
    return Family(name, "histogram", about, histograms=((_NO_LABELS, durations),))


def histograms(name: str, about: str, label: str, durations: Mapping[str, Histogram]) -> Family:
    """Return durations, in seconds, of each entry, whose key is the value of `label`."""
    return Family(name, "histogram", about, histograms=tuple(({label: key}, each) for key, each in durations.items()))


def render(families: Iterable[Family]) -> str:
    """Return the text.  What is not finite is left out: nobody can draw it."""
    lines: list[str] = []
    for family in families:
        found = [*_lines(family)]
        if found:
            lines += [f"# HELP {family.name} {_help(family.help)}", f"# TYPE {family.name} {family.kind}", *found]
    return "\n".join([*lines, ""])


def _lines(family: Family) -> Iterable[str]:
    for labels, durations in family.histograms:
        total, edges = durations.total, durations.cumulative()
        for edge, count in edges:
            le = "+Inf" if math.isinf(edge) else f"{edge:.4g}"
            yield _line(f"{family.name}_bucket", {**labels, "le": le}, count)
        yield _line(f"{family.name}_sum", labels, total)
        yield _line(f"{family.name}_count", labels, edges[-1][1])
    for labels, value in family.samples:
        if math.isfinite(value):
            yield _line(family.name, labels, value)


def _line(name: str, labels: Mapping[str, str], value: float) -> str:
    text = ",".join(f'{key}="{text.translate(_ESCAPES)}"' for key, text in labels.items())
    number = int(value) if float(value).is_integer() and abs(value) < 2**53 else float(value)
    return f"{name}{{{text}}} {number!r}" if text else f"{name} {number!r}"


def _help(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")
