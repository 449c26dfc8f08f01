"""What was found in; tables and sentences for people, and plain values for machines, out."""

from __future__ import annotations

import math
from typing import Any

Row = dict[str, Any]
OURS = "brainmusic"
NAMED_ASKED, SCRIPT_ASKED, PROMPT_ASKED_S = 5.0, 2.0, 0.1


def plain(value: Any) -> Any:
    """Return the same without what JSON cannot say."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None
    return value


def sooner(row: Row, ours: Row | None) -> float:
    """Return how many times sooner we are at 0.95: than its best of all, or, of a script, than its own 0.95."""
    if ours is None or not row.get("runs") or row["kind"] == "ours":
        return math.nan
    theirs = row["reach_s"] if row["kind"] == "script" else row["best_s"]
    return float(theirs / ours["reach_s"])


def text(result: Row) -> str:
    """Return all tables, as Markdown."""
    parts = [_machine(result["machine"])]
    if result["peers"]:
        parts += [
            peers(result["peers"]),
            verdicts(result["peers"]),
            by_recording(result["peers"]),
            _settings(result["peers"]),
        ]
    if result.get("encoders"):
        parts.append(encoders(result["encoders"]))
    if result.get("synth"):
        parts.append(synth(result["synth"]))
    return "\n\n".join(part for part in parts if part)


def section(result: Row) -> str:
    """Return what docs/benchmarks.md says of it."""
    return f"{text(result)}\n\n![correlation of every tool's alpha with the truth, over lag](images/peers.png)"


def peers(rows: list[Row]) -> str:
    """Return the table of all that ran, ours first."""
    ours = _ours(rows)
    head = (
        *(
            "tool",
            "setting",
            "r at 100 ms or less",
            "best r",
            "at",
            "0.95 from",
            "judged at arrivals alone",
            "new values/s",
        ),
        *("CPU, % of a core", "memory, MB", "we are sooner by"),
    )
    lines = [head, ["---"] * len(head)]
    for row in rows:
        name = f"**{_name(row)}**" if row["kind"] == "ours" else _name(row)
        if not row["runs"]:
            lines.append([name, row["setting"], f"did not run: {row['why']}", *[""] * (len(head) - 3)])
            continue
        lines.append(
            [
                *(name, row["setting"], f"{row['prompt']:.2f}", f"{row['best']:.2f}", _ms(row["best_s"])),
                *(_ms(row["reach_s"]), f"{row['at_arrival'][1]:.2f} at {_ms(row['at_arrival'][0])}"),
                *(f"{row['rate_hz']:.0f}", _told(row["cpu"], 1)),
                _told(row["memory_mb"], 0) + (f" in {row['processes']}" if row["processes"] > 1 else ""),
                _times(sooner(row, ours)),
            ]
        )
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def verdicts(rows: list[Row]) -> str:
    """Return what was asked and whether it holds, in plain words."""
    ours = _ours(rows)
    if ours is None:
        return ""
    said = []
    there = math.isfinite(ours["reach_s"])
    met = there and ours["reach_s"] <= PROMPT_ASKED_S
    at = f"0.95 is reached at {_ms(ours['reach_s'])}" if there else f"the best is {ours['best']:.3f}"
    said.append(f"* **At most 100 ms at a correlation of 0.95, analysis included**: {_yes(met)}, {at}.")
    for kind, asked, what in (
        ("named", NAMED_ASKED, "than every named tool at its own best correlation"),
        ("script", SCRIPT_ASKED, "than the expert's scripts at 0.95"),
    ):
        ratios = {f"{row['tool']} ({row['setting']})": sooner(row, ours) for row in rows if row["kind"] == kind}
        known = {name: ratio for name, ratio in ratios.items() if math.isfinite(ratio)}
        if not known:
            continue
        short = {name: ratio for name, ratio in known.items() if ratio < asked}
        missed = "; ".join(f"{name} {ratio:.1f} ×" for name, ratio in sorted(short.items(), key=lambda item: item[1]))
        rest = f", missed against {missed}" if short else ""
        held = len(known) - len(short)
        said.append(f"* **At least {asked:g} × sooner {what}**: holds for {held} of {len(known)} settings{rest}.")
    return "\n".join(said)


def encoders(rows: list[Row]) -> str:
    """Return the table of OSC encoders."""
    ours = next((row for row in rows if row["key"] == OURS and not row["why"]), None)
    lines = [["encoder", "message of 20 floats, µs", "bundle of 20 messages, µs", "ours is faster by"], ["---"] * 4]
    for row in rows:
        if row["why"]:
            lines.append([row["key"], f"did not run: {row['why']}", "", ""])
            continue
        wrong = "" if row["alike"] else " (not what was asked for!)"
        ratios = (
            ""
            if ours is None or row is ours
            else " / ".join(f"{row[what] / ours[what]:.1f} ×" for what in ("message_us", "bundle_us"))
        )
        name = f"**{row['key']}**" if row is ours else f"{row['key']} {row['version']}"
        lines.append([name + wrong, f"{row['message_us']:.1f}", f"{row['bundle_us']:.1f}", ratios])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def synth(found: dict[str, float] | str) -> str:
    """Return the table of the synth against scsynth."""
    if isinstance(found, str):
        return f"No comparison with scsynth: {found}."
    lines = [f"| {name} | {value:.3g} |" for name, value in found.items()]
    return "\n".join(["| what | figure |", "|---|---|", *lines])


def _machine(about: Row) -> str:
    others = about.get("others")
    share = "" if others is None else f"; other programs took {100 * others:.0f} % of it meanwhile"
    minutes = f"; {', '.join(about['minutes'])}, {about['runs']} runs" if about["minutes"] else ""
    return (
        f"{about['processor']}, {about['cores']} cores, {about['system']}, Python {about['Python']}, {about['date']} "
        f"(`{about['commit']}`); load {about['load']}{share}{minutes}; {about['took_s']} s in all."
    )


def _settings(rows: list[Row]) -> str:
    lines = [f"* {_name(row)}, {row['setting']} (`{row['key']}`; {row['version']}): {row['about']}." for row in rows]
    return "\n".join(["Settings:", "", *lines])


def _ours(rows: list[Row]) -> Row | None:
    return next((row for row in rows if row["key"] == OURS and row["runs"]), None)


def by_recording(rows: list[Row]) -> str:
    """Return where 0.95 begins for each recording, of all that reach it on one."""
    minutes = sorted({name for row in rows for name in row.get("by_minute", {})})
    lines = [["0.95 from", *minutes], ["---"] * (1 + len(minutes))]
    for row in rows:
        reached = [row.get("by_minute", {}).get(name, {}).get("reach_s", math.nan) for name in minutes]
        if any(map(math.isfinite, reached)):
            lines.append([f"{_name(row)}, {row['setting']}", *map(_ms, reached)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) if len(minutes) > 1 else ""


def _told(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "unknown"


def _name(row: Row) -> str:
    return "expert's script" if row["kind"] == "script" else str(row["tool"])


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms" if math.isfinite(seconds) else "never"


def _times(ratio: float) -> str:
    return f"{ratio:.1f} ×" if math.isfinite(ratio) else ""


def _yes(met: bool) -> str:
    return "yes" if met else "no"
