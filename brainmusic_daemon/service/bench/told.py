"""A measurement in, its text for people out."""

from __future__ import annotations

from brainmusic_daemon.service.bench.figures import Figure
from brainmusic_daemon.service.bench.run import Bench

_SPREADS = {
    "datagram": "sample → datagram",
    "sound": "sample → sound",
    "brain.datagram": "brain → datagram",
    "brain.sound": "brain → sound",
    "jitter": "tick jitter",
    "stage.source": "  of it: source",
    "stage.ring": "  of it: ring",
    "stage.features": "  of it: features",
    "stage.mapper": "  of it: mapper",
    "stage.output": "  of it: output",
    "stage.sound": "  of it: sound",
}
_NAMES = {
    "analysis.designed": "analysis, designed",
    "analysis.measured": "analysis, measured",
    "analysis.likeness": "alpha against the truth",
    "total.datagram": "step → datagram, all",
    "total.sound": "step → sound, all",
    "ticks.missed": "ticks missed",
    "ticks.late": "ticks late",
    "startup.datagram": "start → first datagram",
    "startup.sound": "start → first sound",
    "render.silent": "render, no sound",
    "render.sounding": "render, sound",
}
_WIDTH = 24


def text(found: Bench) -> str:
    """Return the table, the comparison and the machine."""
    lines = [f"{'':{_WIDTH}}{'50 %':>9}{'95 %':>9}{'99 %':>9}{'max':>9}  ms, share"]
    by_name = {figure.name: figure for figure in found.figures}
    lines += [_spread(by_name, name, label) for name, label in _SPREADS.items() if f"{name}.p50" in by_name]
    lines += [f"{'sound':{_WIDTH}}{found.sound}", ""]
    if "share.analysis" in by_name:
        first = next((i for i, line in enumerate(lines) if line.startswith("  of it")), len(lines) - 2)
        lines.insert(first, _analysis(by_name))
    spreads = (*(f"{name}." for name in _SPREADS), "share.")
    lines += [_single(figure) for figure in found.figures if not figure.name.startswith(spreads)]
    lines += ["", *_comparison(found), "", *_about(found)]
    return "\n".join(lines)


def _spread(by_name: dict[str, Figure], name: str, label: str) -> str:
    values = "".join(f"{by_name[f'{name}.{key}'].value:9.2f}" for key in ("p50", "p95", "p99", "max"))
    share = by_name.get(name.replace("stage.", "share."))
    part = f"{share.value:5.1f} %" if name.startswith("stage.") and share is not None else " " * 7
    return f"{label:{_WIDTH}}{values} {part}  {by_name[f'{name}.p50'].meaning.removesuffix(' (50 %)')}"


def _analysis(by_name: dict[str, Figure]) -> str:
    delay, share = by_name["analysis.designed"].value, by_name["share.analysis"].value
    return f"{'  of it: analysis':{_WIDTH}}{delay:9.2f}{'':27} {share:5.1f} %  by design: brain → sample's features"


def _single(figure: Figure) -> str:
    label = _NAMES.get(figure.name, figure.name)
    return f"{label:{_WIDTH}}{f'{figure.value:.4g} {figure.unit}'.strip():>18}  {figure.meaning}"


def _comparison(found: Bench) -> list[str]:
    if found.compared_with is None:
        return ["This is the first run on this machine: the next one is compared with it."]
    before = f"the run of {found.compared_with['when']} (version {found.compared_with['version']})"
    if not found.changes:
        return [f"Nothing got better or worse beyond the noise since {before}."]
    return [
        f"Beyond the noise, since {before}:",
        *(
            f"  {'better' if change.better else 'worse '}  {change.name}: {change.before:.4g} → {change.now:.4g}"
            for change in found.changes
        ),
    ]


def _about(found: Bench) -> list[str]:
    known = dict(found.machine)
    head = f"{known.pop('processor')}, {known.pop('cores')} cores, {known.pop('system')}"
    known.pop("node", None)
    versions = ", ".join(f"{name} {version}" for name, version in known.items())
    busy = f"; {found.load:g} processes wanted a core in the minute before" if found.load is not None else ""
    return [f"{head}; {versions}{busy}.", f"Measured for {found.seconds:g} s. Nothing left this machine."]
