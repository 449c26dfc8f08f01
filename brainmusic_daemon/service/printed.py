"""What a configuration comes to, and how steady it plays, in; tables for a terminal out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from brainmusic_daemon.service.describe import Description
from brainmusic_daemon.service.steadiness import SERIES_S, SETTLE_S, Steadiness, Trade

if TYPE_CHECKING:
    from rich.console import RenderableType


def render(found: Description, steady: Steadiness | None = None) -> RenderableType:
    """Return the description for a terminal of 80 columns or more; ASCII only, as pipes may know nothing else.

    `steady` is what was measured of the smoothing, if it was.
    """
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column(overflow="fold")
    bands = ", ".join(f"{name} {low:g}-{high:g}" for name, (low, high) in found.bands.items())
    others = ", ".join(
        f"{name} {1000 * promise.delay:.0f}"
        for name, promise in found.promises.items()
        if abs(1000 * promise.delay - found.delay_ms) > 1e-3
    )
    others = f"; {others} ms" if others else ""
    rows = [
        ("configuration", found.origin),
        ("source", found.source),
        ("tick", f"{found.tick_ms:g} ms"),
        ("analysis delay", f"{found.delay_ms:g} ms (designed; kernels of {found.kernel_s:g} s){others}"),
        *([("profile", found.profile)] if found.profile else []),
        *([("agency", "\n".join(found.agency))] if found.agency else []),
        ("bands", f"{bands} Hz"),
        *((f"output {name}", text) for name, text in found.outputs.items()),
        ("mapper", found.mapper),
        ("music", found.music),
        *((f"scene {name}", text) for name, text in found.scenes.items()),
    ]
    for name, fact in rows:
        facts.add_row(Text(name), Text(fact))

    rate = f"at {found.samplerate:g} Hz" + (", assumed" if found.assumed else "")
    heard = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold", caption_justify="left")
    for title in (f"band ({rate})", "delay", "expected r", "settles in", "mains", "at 0.1 Hz"):
        heard.add_column(title, no_wrap=title == "delay", justify="left" if title.startswith("band") else "right")
    for name, promise in found.promises.items():
        low, high = found.bands[name]
        heard.add_row(
            Text(f"{name} {low:g}-{high:g} Hz"),
            Text(f"{1000 * promise.delay:.0f} ms"),
            Text(f"{promise.correlation:.2f}"),
            Text(f"{1000 * promise.settling:.0f} ms"),
            Text(f"-{min(promise.mains_db, 99):.0f} dB"),
            Text(f"{max(promise.drift_db, -99):.0f} dB"),
        )

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for title in ("control\n  range", "from\n  input, curve", "10-90 % rise\n  smoothing, slew"):
        table.add_column(title, overflow="fold")
    for drive in found.drives:
        control, unit = drive.control, f" {drive.control.unit}".rstrip()
        low, high = drive.output
        of = f"\n  {drive.input[0]:g} to {drive.input[1]:g}, {drive.shape}" if drive.shape else ""
        zone = f", dead zone {drive.smoothing.dead_zone:g}{unit}" if drive.smoothing.dead_zone else ""
        kind = "" if drive.smoothing.kind == "low-pass" else f"{drive.smoothing.kind} "
        most = drive.smoothing.acceleration
        bend = "" if most is None else f", {most:g}{unit}/s2"
        speed = "frozen" if math.isinf(drive.rise_ms) else f"{drive.rise_ms:.0f} ms"
        table.add_row(
            Text(f"{control.name}\n  {low:g} to {high:g}{unit}, rest {control.rest:g}"),
            Text(f"{drive.source or found.mapper}{of}"),
            Text(f"{speed}\n  {kind}{drive.smoothing.time_s:g} s, max {drive.slew:g}{unit}/s{bend}{zone}"),
        )
    last = [Text(f"At rest, driven by nothing: {', '.join(found.resting)}.")] if found.resting else []
    waits = [Text(f"{wait[:1].upper()}{wait[1:]}.") for wait in found.waits]
    measured = [*_steadiness(steady), ""] if steady is not None else []
    return Group(
        facts,
        "",
        heard,
        *waits,
        "",
        table,
        "",
        *measured,
        *last,
        *(Text(f"Note: {remark}") for remark in found.remarks),
    )


def _steadiness(found: Steadiness) -> list[RenderableType]:
    """Return what smoothing costs and brings."""
    from rich.table import Table
    from rich.text import Text

    if found.why_not:
        return [Text(f"How steady the controls are was not measured: {found.why_not}")]
    titles = ("half a step", "trails by", "jitter left")
    own = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for title in ("steadiness", *titles):
        own.add_column(title, justify="left" if title == "steadiness" else "right")
    for name, trade in found.trades.items():
        own.add_row(name, *_cells(trade))
    others = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for title in ("were all of them", *titles):
        others.add_column(title, justify="left" if title == "were all of them" else "right")
    for kind, time_s, trade in found.others:
        others.add_row(f"{kind} {time_s:g} s", *_cells(trade))
    told = (
        f"Measured on {found.on}, {SETTLE_S:g} to {SERIES_S:g} s. Half a step: of a tenth of the range, slew "
        "limit included. Trails by: behind what the mapper says. Jitter: RMS change from tick to tick, of that "
        "without smoothing. Medians of all controls in the second table."
    )
    return [own, "", others, Text(told)]


def _cells(trade: Trade) -> tuple[str, str, str]:
    half = "never" if math.isinf(trade.half_ms) else f"{trade.half_ms:.0f} ms"
    if math.isnan(trade.jitter):  # nothing in the series moves it
        return half, "-", "-"
    return half, "-" if math.isinf(trade.lag_ms) else f"{trade.lag_ms:.0f} ms", f"{trade.jitter:.0%}"
