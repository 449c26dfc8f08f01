"""Sessions in; one table of features and targets that can be learned from out, or a clear message why not."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
import numpy.typing as npt

from brainmusic_daemon.api import CONTROL, ConfigError, Control, FloatArray, latent
from brainmusic_daemon.learning.group import Group

_FEW_ROWS = 40
_MOST_NAN = 0.5  # a feature that is missing more often than this is left out


@dataclass(frozen=True, slots=True)
class DataSet:
    """All rows of all sessions, one after the other.  Arrays are never written."""

    features: tuple[str, ...]
    controls: tuple[Control, ...]
    x: npt.NDArray[np.float32]  # (n, n_features) finite
    y: npt.NDArray[np.float32]  # (n, n_controls) in the controls' units; NaN: not known
    weights: npt.NDArray[np.float32]  # (n,) ≥ 0
    times: FloatArray  # (n,) seconds of the session
    stretch: npt.NDArray[np.intp]  # (n,) number of the session's part: rows of different ones are never neighbours
    session: npt.NDArray[np.intp]  # (n,) number of the group
    direct: npt.NDArray[
        np.float32
    ]  # (n, n_controls) what the direct mapper makes of the row; NaN: it does not drive it
    names: tuple[str, ...]  # of the groups
    persons: tuple[str, ...]  # of the groups
    remarks: tuple[str, ...]  # what was left out, and why
    digest: str  # SHA-256 of features and targets

    @property
    def minutes(self) -> float:
        """Return how long the rows last."""
        gaps = np.diff(self.times)[np.diff(self.stretch) == 0]
        return float(gaps[gaps < 1.0].sum() / 60) if len(gaps) else 0.0


def build(groups: Sequence[Group], *, controls: Sequence[str] = (), features: Sequence[str] = ()) -> DataSet:
    """Join sessions into one table.

    `controls`: learn only these; `features`: names or wildcards, default all that are 0..1 (all but `raw.*`).
    Raises ConfigError where there is nothing to learn from, saying what is missing.
    """
    groups = [group for group in groups if len(group)]
    if not groups:
        raise ConfigError("there is no row with good signal in the data: nothing to learn from")
    remarks: list[str] = []
    names = _features(groups, features, remarks)
    wanted = _controls(groups, controls, remarks)
    x = np.concatenate([group.values[:, [group.features.index(name) for name in names]] for group in groups])
    y, direct = (
        np.concatenate(
            [
                np.column_stack([table.get(name, np.full(len(group), np.nan, np.float32)) for name in wanted])
                for group, table in zip(groups, tables, strict=True)
            ]
        ).astype(np.float32)
        for tables in ([group.targets for group in groups], [group.direct for group in groups])
    )
    weights = np.concatenate([group.weights for group in groups]).astype(np.float32)
    times = np.concatenate([np.asarray(group.times, float) for group in groups])
    session = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    parts = np.concatenate([group.parts for group in groups])
    _, stretch = np.unique(np.column_stack([session, parts]), axis=0, return_inverse=True)

    keep_columns = _steady(x, names, remarks)
    x, names = x[:, keep_columns], tuple(np.array(names, object)[keep_columns])
    y[~np.isfinite(y)] = np.nan
    finite = np.isfinite(x).all(axis=1)
    if not finite.all():
        remarks.append(f"{np.count_nonzero(~finite)} rows left out: NaN or infinite features")
    keep = finite & np.isfinite(y).any(axis=1) & (weights > 0) & np.isfinite(weights)
    if not np.isfinite(y).any():
        raise ConfigError("there are no targets in the data: " + WAYS)
    if np.count_nonzero(keep) < _FEW_ROWS:
        raise ConfigError(
            f"there are only {np.count_nonzero(keep)} usable rows (of {len(x)}) with a target and finite features; "
            f"{_FEW_ROWS} are the least, and some minutes make a mapping"
        )
    x, y, direct, weights, times = x[keep], y[keep], direct[keep], weights[keep], times[keep]
    session, stretch = session[keep], stretch.reshape(-1)[keep]

    driven, columns = _varied(y, wanted, remarks)
    y, direct = y[:, columns], direct[:, columns]
    keep = np.isfinite(y).any(axis=1)
    y = _in_range(y[keep], driven, remarks)
    digest = hashlib.sha256()
    for array in (x[keep], y, weights[keep]):
        digest.update(np.ascontiguousarray(array).tobytes())
    return DataSet(
        features=names,
        controls=driven,
        x=np.ascontiguousarray(x[keep]),
        y=y,
        weights=weights[keep],
        times=times[keep],
        stretch=stretch[keep],
        session=session[keep],
        direct=direct[keep],
        names=tuple(group.name for group in groups),
        persons=tuple(group.person for group in groups),
        remarks=tuple(remarks),
        digest=digest.hexdigest(),
    )


WAYS = (
    "turn knobs while you listen and record it (OSC /brainmusic/target/<control>), rate what you hear "
    "(/brainmusic/rate), or say what a recording stands for: me-resting.edf@tempo=60,brightness=0.2"
)


def control(name: str) -> Control:
    """Return the control of this name.  Raises ConfigError."""
    if name in CONTROL:
        return CONTROL[name]
    if name.startswith("latent.") and name[7:].isdigit():
        return latent(int(name[7:]))
    from brainmusic_daemon import registry

    raise ConfigError(f"there is no control '{name}'{registry.did_you_mean(name, [*CONTROL])}")


def _known(name: str) -> bool:
    try:
        return bool(control(name))
    except ConfigError:
        return False


def _features(groups: Sequence[Group], chosen: Sequence[str], remarks: list[str]) -> tuple[str, ...]:
    """Return what all sessions have, in the first one's order."""
    has = [set(group.features) for group in groups]
    common, every = set.intersection(*has), set.union(*has)
    if not common:
        lines = "; ".join(f"{g.name}: {', '.join(sorted(h)[:4])} …" for g, h in zip(groups, has, strict=True))
        raise ConfigError(f"the sessions have no feature in common ({lines}): train on those of one headset")
    if len(common) < len(every):
        lost = sorted(name for name in every - common if not name.startswith("raw."))
        if lost:
            shown = ", ".join(lost[:8]) + (" …" if len(lost) > 8 else "")
            remarks.append(f"{len(lost)} features left out that not every session has: {shown}")
    names = [name for name in groups[0].features if name in common]
    if not chosen:
        found = [name for name in names if not name.startswith("raw.")]
        return tuple(found or names)
    for pattern in chosen:
        if not any(fnmatchcase(name, pattern) for name in names):
            from brainmusic_daemon import registry

            raise ConfigError(f"the data have no feature '{pattern}'{registry.did_you_mean(pattern, names[:60])}")
    return tuple(name for name in names if any(fnmatchcase(name, pattern) for pattern in chosen))


def _controls(groups: Sequence[Group], chosen: Sequence[str], remarks: list[str]) -> tuple[str, ...]:
    there = dict.fromkeys(name for group in groups for name in group.targets)
    for name in chosen:
        control(name)
        if name not in there:
            raise ConfigError(f"the data have no target for '{name}'; there is {', '.join(there) or 'none'}")
    if chosen:
        return tuple(dict.fromkeys(chosen))
    if not there:
        raise ConfigError("there are no targets in the data: " + WAYS)
    known = tuple(name for name in there if _known(name))
    foreign = sorted(name for name in there if name not in known)
    if not known:
        control(foreign[0])
    if foreign:
        remarks.append(f"left out, as no control of the synth and no latent: {', '.join(foreign)}")
    return known


def _steady(x: FloatArray, names: Sequence[str], remarks: list[str]) -> npt.NDArray[np.intp]:
    """Return the columns worth keeping: known most of the time, and not constant."""
    finite = np.isfinite(x)
    known = finite.mean(axis=0) >= 1 - _MOST_NAN
    high, low = np.where(finite, x, -np.inf).max(axis=0), np.where(finite, x, np.inf).min(axis=0)
    moving = high - low > 1e-6 * np.maximum(1e-3, np.abs(np.where(known, high, 0.0)))
    for bad, why in ((~known, "mostly NaN"), (known & ~moving, "constant")):
        if bad.any():
            lost = [name for name, is_bad in zip(names, bad, strict=True) if is_bad]
            remarks.append(
                f"{len(lost)} features left out, {why}: {', '.join(lost[:8])}{' …' if len(lost) > 8 else ''}"
            )
    if not (known & moving).any():
        raise ConfigError(f"no feature moves: all {len(names)} are constant or mostly NaN; was the headset on?")
    return np.flatnonzero(known & moving)


def _varied(
    y: npt.NDArray[np.float32], wanted: Sequence[str], remarks: list[str]
) -> tuple[tuple[Control, ...], list[int]]:
    """Return the controls whose target takes more than one value, and their columns."""
    kept: list[tuple[Control, int]] = []
    still: list[str] = []
    for column, name in enumerate(wanted):
        known = y[:, column][np.isfinite(y[:, column])]
        if not len(known):
            remarks.append(f"{name} left out: it has no target in rows with good signal")
        elif np.ptp(known) <= 1e-5 * max(1.0, abs(float(known[0]))):
            still.append(f"{name} = {known[0]:g}")
        else:
            kept.append((control(name), column))
    if not kept:
        raise ConfigError(
            f"every target has one value only ({', '.join(still[:6])}): there is nothing to tell apart; "
            "add data in which it ought to be different"
        )
    if still:
        remarks.append(f"left out, as the target never changes: {', '.join(still)}")
    return tuple(made for made, _ in kept), [column for _, column in kept]


def _in_range(y: npt.NDArray[np.float32], controls: Sequence[Control], remarks: list[str]) -> npt.NDArray[np.float32]:
    low, high = (np.array([getattr(c, end) for c in controls], np.float32) for end in ("low", "high"))
    outside: npt.NDArray[np.bool_] = np.any((y < low) | (y > high), axis=0)
    remarks += [
        f"targets of {made.name} outside {made.low:g} … {made.high:g} {made.unit}".strip() + " clipped"
        for made, is_out in zip(controls, outside.tolist(), strict=True)
        if is_out
    ]
    return np.asarray(np.clip(y, low, high), np.float32)
