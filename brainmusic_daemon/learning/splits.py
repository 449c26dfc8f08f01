"""A data set in; what is learned from and what is tested on out, so that nothing leaks from one to the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from brainmusic_daemon.api import ConfigError
from brainmusic_daemon.learning.dataset import DataSet

Rows = npt.NDArray[np.intp]

GAP_S = 4.0  # kernels of 1 s and the baseline's level over 3 s: what a row remembers of those before it
LARGE = 60_000  # rows; beyond, one test stretch has enough of them
_SNAP = 0.25  # of a stretch: a border moves so far to a change of target, so that no knob's setting is cut in two


@dataclass(frozen=True, slots=True)
class Fold:
    """One way to divide the rows; `train` keeps its distance from both others, `validation` from `test`."""

    train: Rows
    validation: Rows  # for when to stop
    test: Rows  # seen by nothing that is learned or tuned


def labels(data: DataSet, count: int, by_person: bool = False) -> Rows:
    """Return the number of the stretch (n,) that each row belongs to: 0 … count-1.

    Every recording is cut into `count` contiguous stretches, and stretches of the same number go together; with
    `by_person`, whole persons go together.  Raises ConfigError.
    """
    if by_person:
        persons = [*dict.fromkeys(data.persons)]
        if len(persons) < 2:
            raise ConfigError("to test on another person there must be two: name them, e.g. anna:a.xdf ben:b.xdf")
        return np.array([persons.index(person) % count for person in data.persons])[data.session]
    out = np.zeros(len(data.x), np.intp)
    for number in np.unique(data.stretch):
        rows = np.flatnonzero(data.stretch == number)
        y = np.nan_to_num(data.y[rows], nan=-1e30)
        changes = np.flatnonzero((np.diff(y, axis=0) != 0).any(axis=1)) + 1
        for k in range(1, count):
            border = round(k * len(rows) / count)
            if len(changes):
                nearest = int(changes[np.argmin(np.abs(changes - border))])
                border = nearest if abs(nearest - border) <= _SNAP * len(rows) / count else border
            out[rows[border:]] = k
    return out


def folds(data: DataSet, label: Rows, gap_s: float = GAP_S, tests: int | None = None) -> Iterator[Fold]:
    """Yield a fold per stretch (the last `tests` of them only, where given).  Raises ConfigError."""
    numbers = [int(number) for number in np.unique(label)]
    if len(numbers) < 2:
        raise ConfigError("the data cannot be divided into what is learned from and what is tested on: record more")
    for at in range(len(numbers) - (tests or len(numbers)), len(numbers)):
        test = np.flatnonzero(label == numbers[at])
        rest = distant(data, np.flatnonzero(label != numbers[at]), test, gap_s)
        before = numbers[at - 1]
        validation = rest[label[rest] == before]
        train = distant(data, rest[label[rest] != before], validation, gap_s)
        if len(numbers) == 2:  # nothing left to stop by: the later part of what is learned from
            cut = int(0.75 * len(rest))
            validation = rest[cut:]
            train = distant(data, rest[:cut], validation, gap_s)
        if not (len(train) and len(validation)):
            raise ConfigError(
                f"too little data: nothing is left once rows within {gap_s:g} s of what is tested on are taken out; "
                "record some minutes, or allow less distance (--gap)"
            )
        yield Fold(train, validation, test)


def distant(data: DataSet, rows: Rows, others: Rows, gap_s: float) -> Rows:
    """Return the `rows` that lie at least `gap_s` from every one of `others` in the same session."""
    if not len(others) or not len(rows):
        return rows
    keep = np.ones(len(rows), bool)
    for number in np.unique(data.session[others]):
        mine = np.flatnonzero(data.session[rows] == number)
        theirs = np.sort(data.times[others[data.session[others] == number]])
        times = data.times[rows[mine]]
        after = np.searchsorted(theirs, times)
        ahead = np.where(after < len(theirs), theirs[np.minimum(after, len(theirs) - 1)] - times, np.inf)
        behind = np.where(after > 0, times - theirs[np.maximum(after - 1, 0)], np.inf)
        keep[mine] = np.minimum(ahead, behind) >= gap_s
    return rows[keep]


def blocks(data: DataSet, rows: Rows, seconds: float = 10.0) -> Rows:
    """Return the number of the block (k,) of each of `rows` (k,): stretches of `seconds` that a bootstrap may draw."""
    number = np.floor(data.times[rows] / seconds).astype(np.intp)
    _, out = np.unique(np.column_stack([data.stretch[rows], number]), axis=0, return_inverse=True)
    return np.asarray(out.reshape(-1), np.intp)
