"""A result in; one HTML page that stands by itself (no network, phone or screen, dark or light) out."""

from __future__ import annotations

import html
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
    cautions = "".join(f"<li>{_text(line)}</li>" for line in verdict.cautions(data, result))
    remarks = "".join(f"<li>{_text(line)}</li>" for line in data.remarks)
    better = {True: "good", False: "bad", None: "open"}[result.against_direct.better]
    claim, *more = verdict.sentences(result)
    sections = [
        f'<p class="verdict {better}"><strong>{_text(claim)}</strong> {_text(" ".join(more))}</p>',
        f"<ul class=caution>{cautions}</ul>" if cautions else "",
        _section("Each control", _LATEX_FREE + " In brackets: 95 % intervals.", _controls(data, result)),
        _section(
            "Wanted and predicted", "Only rows that it was not learned from.", _grid(figures.scatters(data, result))
        ),
        _picture(figures.over_time, data, result),
        _section("The methods", _tested(result), _methods(result, cost)),
        _section(
            "What it listens to",
            "One feature at a time is shuffled in the tested rows. Features that say the same share what they are "
            "worth, so a short bar need not mean that a feature is without meaning.",
            _picture(figures.importance, data, result),
        ),
    ]
    if result.networks:
        note = "Dots: where each network was best on rows that it did not learn from; that is what was tested."
        sections.append(_section("How the networks learned", note, figures.curves(result)))
    sections.append(_section("The data", "", _data(data, groups) + (f"<ul>{remarks}</ul>" if remarks else "")))
    sections.append(_section("How it was made", "", _made(data, result, command)))
    title = f"A {kind} mapping: {', '.join(control.name for control in data.controls[:4])}"
    title += " …" if len(data.controls) > 4 else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{_text(title)}</title><style>{_STYLE}</style></head><body><main><h1>{_text(title)}</h1>"
        + "".join(sections)
        + "</main></body></html>\n"
    )


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
            cells += f"<td{strong}>{_number(score.r2, '.2f')}{reach}</td><td>{_number(score.mse, '.4g')}</td>"
        unit = f" <small>{_text(control.unit)}</small>" if control.unit else ""
        lines.append(f"<tr><th>{_text(control.name)}{unit}</th>{cells}</tr>")
    return _table(f"<tr><th rowspan=2></th>{head}</tr><tr>{under}</tr>", "".join(lines))


def _methods(result: Result, cost: Mapping[str, tuple[float, int]]) -> str:
    lines = []
    for name in _order(result):
        seconds, size = cost.get(name, (float("nan"), 0))
        r2 = fit.average(result.scores[name])
        lines.append(
            f"<tr><th>{name}{' ◂' if name == result.plan.kind else ''}</th><td>{_number(r2, '.2f')}</td>"
            f"<td>{_number(1 - r2, '.2f')}</td><td>{_number(seconds * 1e6, '.0f', ' µs')}</td>"
            f"<td>{f'{size:,} bytes' if size else '–'}</td><td class=words>{_READABLE[name]}</td></tr>"
        )
    head = (
        "<tr><th></th><th>R²</th><th>error</th><th>per tick</th><th>size</th><th class=words>can it be read?</th></tr>"
    )
    return _table(head, "".join(lines))


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
    for number, group in enumerate(groups):
        rows = int(np.count_nonzero(data.session == number)) if len(groups) == len(data.names) else 0
        about = "; ".join(
            f"{value} {key}" if not isinstance(value, str) else value for key, value in group.about.items() if value
        )
        lines.append(
            f"<tr><th>{_text(group.name)}</th><td>{_text(group.person or '–')}</td><td>{rows:,}</td>"
            f"<td class=words>{_text(about)}</td></tr>"
        )
    head = "<tr><th>session</th><th>person</th><th>rows used</th><th class=words></th></tr>"
    total = (
        f"<p>{len(data.x):,} rows, {data.minutes:.1f} minutes of good signal; {len(data.features)} features, "
        f"{len(data.controls)} controls.</p>"
    )
    return total + _table(head, "".join(lines))


def _made(data: DataSet, result: Result, command: Sequence[str]) -> str:
    facts = {
        "data": " ".join(Path(text).name for text in command) or "–",
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
    return "<dl>" + "".join(f"<dt>{_text(key)}</dt><dd>{_text(value)}</dd>" for key, value in facts.items()) + "</dl>"


def _picture(draw: object, data: DataSet, result: Result) -> str:
    return f"<figure>{draw(data, result)}</figure>"  # type: ignore[operator]


def _grid(pictures: Sequence[str]) -> str:
    return '<div class="grid">' + "".join(f"<figure>{picture}</figure>" for picture in pictures) + "</div>"


def _section(title: str, note: str, content: str) -> str:
    content = content if not content.startswith("<svg") else f"<figure>{content}</figure>"
    return f"<h2>{_text(title)}</h2>" + (f"<p class=note>{_text(note)}</p>" if note else "") + content


def _table(head: str, body: str) -> str:
    return f'<div class="wide"><table><thead>{head}</thead><tbody>{body}</tbody></table></div>'


def _number(value: float, form: str, unit: str = "") -> str:
    if not np.isfinite(value):
        return "–"
    text = f"{value:{form}}"
    return (text.removeprefix("-") if float(text) == 0 else text.replace("-", "−", 1)) + unit


def _text(value: str) -> str:
    return html.escape(value, quote=True)


_STYLE = """
:root{--ink:#1c2126;--paper:#fff;--quiet:#b4bac2;--soft:#f3f5f7;--note:#5a636d;--good:#1d7f4e;--bad:#b3402e;--open:#8a6a12}
@media(prefers-color-scheme:dark){:root{--ink:#e6e8ea;--paper:#14171a;--quiet:#5a626b;--soft:#1e2327;--note:#a0a8b0;
--good:#5ac893;--bad:#ef8a76;--open:#dcb753}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:54rem;margin:0 auto;padding:1.2rem 1rem 4rem}
h1{font-size:1.5rem;line-height:1.25;margin:.4rem 0 1rem}
h2{font-size:1.1rem;margin:2.2rem 0 .3rem}
.verdict{font-size:1.1rem;padding:.8rem 1rem;background:var(--soft);
border-left:.3rem solid var(--open);border-radius:.2rem
}
.verdict.good{border-color:var(--good)}.verdict.bad{border-color:var(--bad)}
.note,.caution,small,dt{color:var(--note)}
.note,.caution{font-size:.92rem;margin:.2rem 0 .8rem}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .7rem;text-align:right;white-space:nowrap;border-bottom:1px solid var(--soft)}
thead th{font-weight:600;border-color:var(--quiet)}
thead th[colspan]{text-align:center}
tbody th{font-weight:500;text-align:left;padding-left:0}
.words{text-align:left;white-space:normal;min-width:12rem}
.best{font-weight:650}
figure{margin:.6rem 0;overflow-x:auto}
svg{width:100%;max-width:40rem;height:auto;display:block}
.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(11.5rem,1fr));gap:.4rem}
.grid svg{max-width:17rem}
svg text{font-family:system-ui,sans-serif!important}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem;font-size:.9rem}
dd{margin:0;overflow-wrap:anywhere}
@media(max-width:36rem){dl{display:block}dd{margin:0 0 .5rem}th,td{padding:.25rem .45rem}}
"""
