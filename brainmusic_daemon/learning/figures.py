"""A result in; pictures as SVG texts out, that take their colours from the page they stand in.

matplotlib is only imported here.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from brainmusic_daemon.api import FloatArray
from brainmusic_daemon.learning.dataset import DataSet
from brainmusic_daemon.learning.fit import Result

INK, QUIET = "#010203", "#040506"  # stand for the page's own colours until the SVG is written
OURS, MEAN, DIRECT, OTHER = "#2f81d7", "#8a8f98", "#e0822b", "#2a9d63"  # readable on white and on black
COLOURS = {"mean": MEAN, "direct": DIRECT, "linear": OURS, "neural": OTHER}
_DOTS = 300  # of a scatter plot
_MOST = 12  # controls that get one
_BARS = 15


def scatters(data: DataSet, result: Result) -> list[str]:
    """Draw true against predicted targets, one small picture per control."""
    y, said = data.y[result.rows], result.predictions[result.plan.kind]
    drawn: list[str] = []
    for column, score in enumerate(result.scores[result.plan.kind]):
        rows = np.flatnonzero(np.isfinite(y[:, column]))
        if len(rows) < 2 or len(drawn) == _MOST:
            continue
        rows = np.random.default_rng(0).permutation(rows)[:_DOTS]
        true, predicted = y[rows, column], said[rows, column]
        low, high = _reach(true, predicted)
        wide = 0.02 * (high - low) if len(np.unique(true)) < 8 else 0.0  # conditions would lie on one line
        with _figure(2.4, 2.4) as (figure, out):
            axis = figure.subplots()
            axis.plot([low, high], [low, high], color=QUIET, lw=0.8, zorder=1)
            true = true + np.random.default_rng(1).uniform(-wide, wide, len(rows))
            axis.scatter(true, predicted, s=7, alpha=0.45, lw=0, color=COLOURS[result.plan.kind])
            title = f"{score.control}   R² {score.r2:.2f}" if np.isfinite(score.r2) else score.control
            axis.set(xlim=(low, high), ylim=(low, high), title=title, xlabel="wanted", ylabel="predicted")
            axis.locator_params(nbins=4)
        drawn += out
    return drawn


def curves(result: Result) -> str:
    """Draw the networks' error over the epochs."""
    with _figure(4.8, 2.6) as (figure, out):
        axis = figure.subplots()
        for number, network in enumerate(result.networks):
            epochs = np.arange(1, len(network.learned) + 1)
            axis.plot(epochs, network.learned, color=OURS, lw=1, alpha=0.6, label="" if number else "learned from")
            axis.plot(epochs, network.held, color=OTHER, lw=1.4, label="" if number else "held back")
            axis.plot(
                network.epochs,
                network.held[network.epochs - 1],
                "o",
                ms=5,
                color=OTHER,
                label="" if number else "kept",
            )
        axis.axhline(1.0, color=QUIET, lw=0.8, ls=":")
        top = min(2.0, 1.05 * max(max(n.held + n.learned) for n in result.networks))
        axis.set(xlabel="epoch", ylabel="error (1: the mean)", ylim=(0, max(top, 1.1)))
        axis.legend(frameon=False, fontsize=8, labelcolor=INK)
    return out[0]


def importance(data: DataSet, result: Result) -> str:
    """Draw what each feature is worth: the R² lost when it is shuffled."""
    order = np.argsort(-result.importance)[:_BARS][::-1]
    with _figure(4.8, 0.6 + 0.22 * len(order)) as (figure, out):
        axis = figure.subplots()
        axis.barh(np.arange(len(order)), result.importance[order], color=COLOURS[result.plan.kind], height=0.7)
        axis.set_yticks(np.arange(len(order)), [data.features[i] for i in order])
        axis.axvline(0, color=QUIET, lw=0.8)
        axis.set(xlabel="R² lost when shuffled, mean of the controls")
        axis.locator_params(axis="x", nbins=5)
    return out[0]


def over_time(data: DataSet, result: Result) -> str:
    """Draw wanted and predicted over time, for the control that is predicted best."""
    scored = result.scores[result.plan.kind]
    best = int(np.nanargmax([s.r2 if np.isfinite(s.r2) else -np.inf for s in scored]))
    order = np.lexsort((data.times[result.rows], data.session[result.rows]))
    rows = order[np.isfinite(data.y[result.rows[order], best])]
    rows = rows[:: max(1, len(rows) // 3000)]
    seconds = np.arange(len(rows)) * (60 * data.minutes * len(result.rows) / len(data.x) / max(len(rows), 1))
    with _figure(4.8, 2.1) as (figure, out):
        axis = figure.subplots()
        axis.plot(
            seconds,
            result.predictions[result.plan.kind][rows, best],
            color=COLOURS[result.plan.kind],
            lw=0.9,
            alpha=0.85,
            label="predicted",
        )
        axis.plot(seconds, data.y[result.rows[rows], best], color=INK, lw=1.3, label="wanted")
        made = data.controls[best]
        axis.set(xlabel="tested rows, s", ylabel=f"{made.name} {made.unit}".strip())
        axis.margins(x=0)
        axis.legend(frameon=False, fontsize=8, labelcolor=INK, ncols=2)
    return out[0]


def _reach(*values: FloatArray) -> tuple[float, float]:
    low, high = (float(f([f(value) for value in values])) for f in (np.min, np.max))
    margin = 0.06 * (high - low or 1.0)
    return low - margin, high + margin


@contextmanager
def _figure(width: float, height: float) -> Iterator[tuple[Any, list[str]]]:
    """Yield a figure and the list that its SVG will be in; no window, no style of the user's."""
    import matplotlib
    from matplotlib.figure import Figure

    out: list[str] = []
    mpl: Any = matplotlib  # its types list every setting by name
    settings: dict[str, Any] = {
        **dict(mpl.rcParamsDefault),
        "svg.fonttype": "none",
        "svg.hashsalt": "brainmusic",
        "text.parse_math": False,
        "font.size": 9,
        "axes.titlesize": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        **dict.fromkeys(("text.color", "axes.labelcolor", "axes.titlecolor", "xtick.color", "ytick.color"), INK),
        "axes.edgecolor": QUIET,
    }
    settings.pop("backend", None)
    with mpl.rc_context(settings):
        figure = Figure(figsize=(width, height), layout="constrained")
        figure.patch.set_alpha(0.0)
        yield figure, out
        for axis in figure.axes:
            axis.patch.set_alpha(0.0)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
        svg = text.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = svg.replace(INK, "currentColor").replace(QUIET, "var(--quiet)")
    out.append(svg)
