"""What a learned mapper was made for and what there is here, in; what fits, and what does not, out."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import BeforeValidator, Field

from brainmusic_daemon import registry
from brainmusic_daemon.api import CONTROL, ConfigError, Control, FloatArray, latent
from brainmusic_daemon.mapping.model import Driven
from brainmusic_daemon.mapping.route import DEFAULTS
from brainmusic_daemon.mapping.smoothing import Smoothing

TOLERATED = 0.25
ALL = "all"
SHOWN = 32  # features that an explanation has room for
_LISTED = 8  # names in a message
_SMOOTH_S = 0.1
_FAMILIES = {"z", "latent"}


def flat(table: Any) -> Any:
    """Return tables within tables under dotted names: to TOML, `alpha.occipital = 1` is a table with a table in it."""
    if not isinstance(table, Mapping):
        return table
    found: dict[str, Any] = {}
    for name, value in table.items():
        found |= (
            {f"{name}.{rest}": part for rest, part in flat(value).items()}
            if isinstance(value, Mapping)
            else {name: value}
        )
    return found


def numbered(table: Any) -> Any:
    """Return a table of controls with `z.0` and `latent.0` under these names, where TOML has a table of tables."""
    if not isinstance(table, Mapping):
        return table
    found = {name: value for name, value in table.items() if name not in _FAMILIES or not isinstance(value, Mapping)}
    for family in _FAMILIES & table.keys() - found.keys():
        found |= {f"{family}.{number}": value for number, value in table[family].items()}
    return found


def _seconds(table: Any) -> Any:
    if isinstance(table, bool) or not isinstance(table, int | float | Mapping):
        raise ValueError("is a number of seconds, or a table of control = seconds")
    return numbered(table) if isinstance(table, Mapping) else {ALL: table}


Share = Annotated[float, Field(ge=0, le=1, description="share of the weights whose features may be missing")]
Smooth = Annotated[
    dict[str, Annotated[float, Field(ge=0, le=60)]],
    BeforeValidator(_seconds),
    Field(description="time constants, s: a number, or a table of control = number"),
]
"""Time constants: `smooth_s = 0.2`, or a table of control = seconds, where `all` is for those that it leaves out."""


def smoothing(controls: Sequence[Control], smooth_s: Mapping[str, float]) -> dict[str, Smoothing]:
    """Return control → smoothing; what is not set follows as it does with the default wiring.  Raises ConfigError."""
    names = [control.name for control in controls]
    for name in smooth_s:
        if name not in (*names, ALL):
            raise ConfigError(f"smooth_s: it does not drive '{name}'{registry.did_you_mean(name, names)}")
    usual = {name: DEFAULTS[name]["smooth_s"] if name in DEFAULTS else _SMOOTH_S for name in names}
    return {name: Smoothing(smooth_s.get(name, smooth_s.get(ALL, usual[name]))) for name in names}


def controls(spans: Sequence[Driven], who: str) -> tuple[tuple[Control, ...], tuple[str, ...]]:
    """Return this version's controls for a model's, and remarks on ranges that differ.  Raises ConfigError."""
    found, remarks, unknown = [], [], []
    for span in spans:
        control = CONTROL.get(span.name)
        if control is None and re.fullmatch(r"latent\.(0|[1-9]\d{0,3})", span.name):
            control = latent(int(span.name.removeprefix("latent.")), span.low, span.high)
        if control is None:
            unknown.append(span.name)
            continue
        found.append(control)
        here, there = f"{control.low:g} to {control.high:g}", f"{span.low:g} to {span.high:g}"
        if max(span.low, control.low) >= min(span.high, control.high):
            raise ConfigError(
                f"{who} drives {span.name} within {there}, and here it has {here} {control.unit}".rstrip()
                + "; train it anew"
            )
        if span.low < control.low or span.high > control.high:
            remarks.append(f"{span.name} is {there} in {who} and {here} here: what lies beyond is cut off")
        elif (span.low, span.high) != (control.low, control.high):
            remarks.append(f"{span.name} is {there} in {who}, of {here} here: the rest is not used")
    if unknown:
        hint = registry.did_you_mean(unknown[0], [*CONTROL])
        more = f" (nor {_listed(unknown[1:])})" if unknown[1:] else ""
        raise ConfigError(f"{who} drives '{unknown[0]}', which is no control here{more}{hint}; train it anew")
    return tuple(found), tuple(remarks)


@dataclass(frozen=True, slots=True)
class Match:
    """Which features are there."""

    keep: npt.NDArray[np.intp]  # places among those that are wanted
    take: npt.NDArray[np.intp]  # and, for each, its place among those that there are
    remarks: tuple[str, ...]


def limits(controls: Sequence[Control], spans: Sequence[Driven]) -> tuple[FloatArray, FloatArray]:
    """Return the lowest and the highest values, (n_controls,) each: within both ranges."""
    pairs = [*zip(controls, spans, strict=True)]
    return np.array([max(c.low, s.low) for c, s in pairs]), np.array([min(c.high, s.high) for c, s in pairs])


def match(
    wanted: Sequence[str],
    names: Sequence[str],
    influence: FloatArray | None,
    tolerate: float,
    who: str,
    way_out: str = "train it with this headset",
) -> Match:
    """Find the wanted features among `names`; those that are missing stay at their usual value, which is told.

    `influence` (n_wanted,) is the share of the weights that is each feature's; None: all are needed.  Raises
    ConfigError with the difference where more than `tolerate` of the weights is on features that are missing.
    """
    where = {name: place for place, name in enumerate(names)}
    keep = [number for number, name in enumerate(wanted) if name in where]
    away = [number for number, name in enumerate(wanted) if name not in where]
    missing = [wanted[number] for number in away]
    match = Match(np.array(keep, np.intp), np.array([where[wanted[number]] for number in keep], np.intp), ())
    if not missing:
        return match
    lost = 1.0 if influence is None else float(influence[away].sum())
    count = f"{len(missing)} of the {len(wanted)} features of {who}"
    are = "is" if len(missing) == 1 else "are"
    listed = f"{_listed(missing)}{_near(missing, names)}"
    if influence is None or lost > tolerate or not keep:
        weights = "" if influence is None else f" ({100 * lost:.0f} % of its weights)"
        ways = f"{way_out}, or choose another mapper"
        if influence is not None and keep:
            ways += f"; tolerate = {min(1.0, np.ceil(100 * lost) / 100):g} plays it all the same"
        raise ConfigError(f"{count}{weights} {are} not there with this headset: {listed}; {ways}")
    told = f"{count} ({100 * lost:.0f} % of its weights) {are} not there with this headset, taken as usual: {listed}"
    return Match(match.keep, match.take, (told,))


def bundled(name: str) -> Path:
    """Return a model that comes with the program: in the package when installed, beside it in a checkout."""
    package = Path(__file__).parent.parent
    inside = package / "configs"
    return (inside if inside.is_dir() else package.parent / "configs") / "models" / name


def keys(features: Sequence[str], controls: Sequence[str]) -> list[list[tuple[str, str]]]:
    """Return the names of shares, feature by feature: made once, since making them costs more than the shares."""
    return [[(feature, control) for control in controls] for feature in features]


def shares(table: FloatArray, names: list[list[tuple[str, str]]]) -> dict[tuple[str, str], float]:
    """Return shares (n_features, n_controls) under their names; of many features, the SHOWN that move the most."""
    if len(names) > SHOWN:
        rows = np.argpartition(np.abs(table).sum(axis=1), -SHOWN)[-SHOWN:]
        names, table = [names[row] for row in rows.tolist()], table.take(rows, axis=0)
    return dict(zip(chain.from_iterable(names), table.ravel().tolist(), strict=True))


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def _near(missing: Sequence[str], names: Sequence[str]) -> str:
    near = difflib.get_close_matches(missing[0], names, n=1, cutoff=0.8) if len(missing) == 1 else []
    return f" (did you mean '{near[0]}'?)" if near else ""
