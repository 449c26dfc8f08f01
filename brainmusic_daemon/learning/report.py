"""A result in; one HTML page that tells how good it is, on what, and how it was made, out."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from brainmusic_daemon.api import ConfigError
from brainmusic_daemon.learning import export, figures, fit, verdict
from brainmusic_daemon.learning.dataset import DataSet
from brainmusic_daemon.learning.fit import Result
from brainmusic_daemon.learning.group import Group
from brainmusic_daemon.learning.markup import document, grid, number, section, table, text
from brainmusic_daemon.learning.ridge import Linear

_READABLE = {
    "mean": "always the same",
    "direct": "every route can be read and changed",
    "linear": "one number per feature and control; shares are exact",
    "neural": "not readable; shares by its slope",
}
_LATEX_FREE = (
    "R² is the share of the target's variance that is predicted: 1 is all, 0 is what the mean does, below is worse."
)


def check() -> None:
    """Raise ConfigError where a report cannot be drawn here."""
    if find_spec("matplotlib") is None:
        raise ConfigError(
            "--report needs the package 'matplotlib': pip install \"brainmusic-daemon[learn]\", or leave --report out"
        )


def page(
    data: DataSet,
    result: Result,
    cost: Mapping[str, tuple[float, int]],
    groups: Sequence[Group],
    command: Sequence[str] = (),
) -> str:
    """Return the page.  `cost`: method → (seconds per tick, bytes); everything from files is escaped."""
    kind = result.plan.kind
    cautions = "".join(f"<li>{text(line)}</li>" for line in verdict.cautions(data, result))
    remarks = "".join(f"<li>{text(line)}</li>" for line in data.remarks)
    better = {True: "good", False: "bad", None: "open"}[result.against_direct.better]
    claim, *more = verdict.sentences(result)
    sections = [
        f'<p class="verdict {better}"><strong>{text(claim)}</strong> {text(" ".join(more))}</p>',
        f"<ul class=caution>{cautions}</ul>" if cautions else "",
        section("Each control", _LATEX_FREE + " In brackets: 95 % intervals.", _controls(data, result)),
        section(
            "Wanted and predicted", "Only rows that it was not learned from.", grid(figures.scatters(data, result))
        ),
        _picture(figures.over_time, data, result),
        section("The methods", _tested(result), _methods(result, cost)),
        section(
            "What it listens to",
            "One feature at a time is shuffled in the tested rows. Features that say the same share what they are "
            "worth, so a short bar need not mean that a feature is without meaning.",
            _picture(figures.importance, data, result),
        ),
    ]
    if result.networks:
        note = "Dots: where each network was best on rows that it did not learn from; that is what was tested."
        sections.append(section("How the networks learned", note, figures.curves(result)))
    sections.append(section("The data", "", _data(data, groups) + (f"<ul>{remarks}</ul>" if remarks else "")))
    sections.append(section("How it was made", "", _made(data, result, command)))
    title = f"A {kind} mapping: {', '.join(control.name for control in data.controls[:4])}"
    title += " …" if len(data.controls) > 4 else ""
    return document(title, sections)


def _controls(data: DataSet, result: Result) -> str:
    kinds = _order(result)
    head = "".join(f"<th colspan=2>{name}{' ◂' if name == result.plan.kind else ''}</th>" for name in kinds)
    under = "<th>R²</th><th>MSE</th>" * len(kinds)
    lines = []
    for column, control in enumerate(data.controls):
        cells = ""
        best = max(
            (result.scores[name][column].r2 for name in kinds if np.isfinite(result.scores[name][column].r2)), default=0
        )
        for name in kinds:
            score = result.scores[name][column]
            if not np.isfinite(score.r2):
                cells += "<td>–</td><td>–</td>"
                continue
            low, high = score.interval
            reach = f"<small> ({low:.2f} … {high:.2f})</small>" if name == result.plan.kind and np.isfinite(low) else ""
            strong = " class=best" if score.r2 == best else ""
            cells += f"<td{strong}>{number(score.r2, '.2f')}{reach}</td><td>{number(score.mse, '.4g')}</td>"
        unit = f" <small>{text(control.unit)}</small>" if control.unit else ""
        lines.append(f"<tr><th>{text(control.name)}{unit}</th>{cells}</tr>")
    return table(f"<tr><th rowspan=2></th>{head}</tr><tr>{under}</tr>", "".join(lines))


def _methods(result: Result, cost: Mapping[str, tuple[float, int]]) -> str:
    lines = []
    for name in _order(result):
        seconds, size = cost.get(name, (float("nan"), 0))
        r2 = fit.average(result.scores[name])
        lines.append(
            f"<tr><th>{name}{' ◂' if name == result.plan.kind else ''}</th><td>{number(r2, '.2f')}</td>"
            f"<td>{number(1 - r2, '.2f')}</td><td>{number(seconds * 1e6, '.0f', ' µs')}</td>"
            f"<td>{f'{size:,} bytes' if size else '–'}</td><td class=words>{_READABLE[name]}</td></tr>"
        )
    head = (
        "<tr><th></th><th>R²</th><th>error</th><th>per tick</th><th>size</th><th class=words>can it be read?</th></tr>"
    )
    return table(head, "".join(lines))


def _order(result: Result) -> list[str]:
    """Return the methods, what was asked for first."""
    return [
        *dict.fromkeys([result.plan.kind, "direct", "mean", *(kind for kind in fit.KINDS if kind in result.scores)])
    ]


def _tested(result: Result) -> str:
    plan = result.plan
    how = (
        "whole persons were held back"
        if plan.by_person
        else f"every recording was cut into {plan.stretches} stretches, and "
        + (
            "each was held back in turn"
            if result.stretches == plan.stretches
            else f"the last {result.stretches} held back"
        )
    )
    return (
        f"Tested on {len(result.rows):,} rows that nothing was learned from or tuned on: {how}; rows within "
        f"{plan.gap_s:g} s of those were left out, as features remember that long. Error: mean squared error over "
        "variance, mean of the controls. Per tick: median, measured on this machine with the mapper that plays. What "
        "was written was then learned from all rows, so it should do no worse."
    )


def _data(data: DataSet, groups: Sequence[Group]) -> str:
    lines = []
    for place, group in enumerate(groups):
        rows = int(np.count_nonzero(data.session == place)) if len(groups) == len(data.names) else 0
        about = "; ".join(
            f"{value} {key}" if not isinstance(value, str) else value for key, value in group.about.items() if value
        )
        lines.append(
            f"<tr><th>{text(group.name)}</th><td>{text(group.person or '–')}</td><td>{rows:,}</td>"
            f"<td class=words>{text(about)}</td></tr>"
        )
    head = "<tr><th>session</th><th>person</th><th>rows used</th><th class=words></th></tr>"
    total = (
        f"<p>{len(data.x):,} rows, {data.minutes:.1f} minutes of good signal; {len(data.features)} features, "
        f"{len(data.controls)} controls.</p>"
    )
    return total + table(head, "".join(lines))


def _made(data: DataSet, result: Result, command: Sequence[str]) -> str:
    facts = {
        "data": " ".join(Path(given).name for given in command) or "–",
        "SHA-256 of the data": data.digest,
        "made": datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %z"),
        "versions": ", ".join(f"{name} {version}" for name, version in export.versions().items()),
        "machine": f"{platform.system()} {platform.machine()}",
    }
    learned = result.learned
    if isinstance(learned, Linear):
        facts["penalty per row (α)"] = ", ".join(
            f"{control.name} {alpha:.1g}" for control, alpha in zip(data.controls, learned.alphas, strict=True)
        )
    else:
        shape = learned.shape
        facts["network"] = (
            f"{' – '.join(map(str, shape.hidden))}, {shape.activation}, dropout {shape.dropout:g}, weight decay "
            f"{shape.weight_decay:g}, {result.final_epochs} epochs, seed {shape.seed}"
        )
    return "<dl>" + "".join(f"<dt>{text(key)}</dt><dd>{text(value)}</dd>" for key, value in facts.items()) + "</dl>"


def _picture(draw: object, data: DataSet, result: Result) -> str:
    return f"<figure>{draw(data, result)}</figure>"  # type: ignore[operator]
