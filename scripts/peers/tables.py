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


def sooner(row: Row, ours: Row | None) -> dict[str, float]:
    """Return by recording how many times sooner we are at 0.95: than its best of all, or, of a script, than its 0.95.

    Infinite: it is never there.  Only recordings that both were judged on count.
    """
    if ours is None or row["kind"] == "ours":
        return {}
    what = "reach_s" if row["kind"] == "script" else "best_s"
    found = {}
    for name, theirs in row.get("by_minute", {}).items():
        own = ours["by_minute"].get(name, {}).get("reach_s", math.nan)
        if math.isfinite(own):
            found[name] = float(theirs[what] / own) if math.isfinite(theirs[what]) else math.inf
    return found


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
        *("tool", "setting", "r at 100 ms or less", "best r", "at", "0.95 from", "at arrivals alone"),
        *("new values/s", "CPU, % of a core", "memory, MB", f"we are sooner by{_order(rows)}"),
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
                " / ".join(map(_times, sooner(row, ours).values())),
            ]
        )
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def verdicts(rows: list[Row]) -> str:
    """Return what was asked and whether it holds on every recording, in plain words."""
    ours = _ours(rows)
    if ours is None:
        return ""
    reached = {name: figures["reach_s"] for name, figures in ours["by_minute"].items()}
    met = all(math.isfinite(lag) and lag <= PROMPT_ASKED_S for lag in reached.values())
    at = ", ".join(f"{_ms(lag)} ({name})" for name, lag in reached.items())
    said = [f"* **0.95 within 100 ms, analysis included**: {'yes' if met else 'no'}, from {at}."]
    for kind, asked, what in (
        ("named", NAMED_ASKED, "than each tool at its own best correlation"),
        ("script", SCRIPT_ASKED, "than the expert's scripts at 0.95"),
    ):
        ratios = {_long(row): sooner(row, ours) for row in rows if row["kind"] == kind and row["runs"]}
        lowest = {name: min(every.values()) for name, every in ratios.items() if every}
        if not lowest:
            continue
        short = sorted((ratio, name) for name, ratio in lowest.items() if ratio < asked)
        missed = "; missed against " + "; ".join(f"{name}: {ratio:.2f} ×" for ratio, name in short) if short else ""
        held = len(lowest) - len(short)
        said.append(
            f"* **{asked:g} × sooner {what}**, on the recording where it is hardest: holds for {held} of {len(lowest)} "
            f"settings{missed}."
        )
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
    lines.append([])
    said = "pyliblo3, a C library, gives no bytes but sends: the sending of as many bytes by Python is taken off."
    return "\n".join(f"| {' | '.join(line)} |" if line else f"\n{said}" for line in lines)


def synth(found: dict[str, float] | str) -> str:
    """Return the table of the synth against scsynth."""
    if isinstance(found, str):
        return f"No comparison with scsynth: {found}."
    lines = [["the same work", "our synth, × real time", "scsynth, × real time", "ours is faster by"], ["---"] * 4]
    for what in [name.removesuffix(", x real time") for name in found if ": " not in name]:
        own, theirs = found[f"{what}, x real time"], found[f"{what}: scsynth, x real time"]
        ratio = next(value for name, value in found.items() if name.startswith(f"{what}: times scsynth, median"))
        lowest = found[f"{what}: times scsynth, lowest pair"]
        lines.append([what, f"{own:.0f}", f"{theirs:.0f}", f"{ratio:.1f} × (lowest pair {lowest:.1f})"])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _machine(about: Row) -> str:
    others = about["others"]
    share = "" if not math.isfinite(others) else f"; other programs took {100 * others:.0f} % of it meanwhile"
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


def _order(rows: list[Row]) -> str:
    ours = _ours(rows)
    names = [*ours["by_minute"]] if ours else []
    return f" ({' / '.join(name.split()[0] for name in names)})" if len(names) > 1 else ""


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
    return f"{ratio:.1f} ×" if math.isfinite(ratio) else "it never is"


def _long(row: Row) -> str:
    return f"{row['tool']} ({row['setting']})"
