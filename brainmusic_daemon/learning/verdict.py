"""A result in; what it comes to in plain sentences out."""

from __future__ import annotations

import numpy as np

from brainmusic_daemon.learning.dataset import DataSet
from brainmusic_daemon.learning.fit import Result
from brainmusic_daemon.learning.scores import FEW_BLOCKS, Comparison

FEW_CHANGES = 8


def sentences(result: Result) -> list[str]:
    """Return first whether the learned mapping is better than the direct one, then by how much, and what else."""
    found = result.against_direct
    if not found.controls:
        return ["The direct mapping drives none of these controls: there is nothing to compare with.", usual(result)]
    said = "is" if found.better else "is not"
    told = [f"The learned mapping {said} better than the direct one on your data."]
    told.append(_by(found)[:1].upper() + _by(found)[1:] + ".")
    if found.blocks < FEW_BLOCKS:
        told.append(f"So few blocks cannot tell: {FEW_BLOCKS} are the least, some minutes more would help.")
    elif found.better is None:
        told.append("The interval includes no difference at all.")
    return [*told, usual(result)]


def usual(result: Result) -> str:
    """Return whether it is better than always playing the average of the targets."""
    found = result.against_mean
    if found.better:
        return f"It is better than always playing the average: {_by(found)}."
    return f"It is not shown to be better than always playing the average: {_by(found)}."


def _by(found: Comparison) -> str:
    if not np.isfinite(found.lower):
        return "nothing to compare"
    low, high = (100 * end for end in found.interval)
    what = f"its error is {abs(100 * found.lower):.0f} % {'lower' if found.lower >= 0 else 'higher'}"
    if not np.isfinite(low):
        return what
    return f"{what} (95 % interval of the reduction {low:.0f} … {high:.0f} %, {found.blocks} blocks)"


def cautions(data: DataSet, result: Result) -> list[str]:
    """Return what a reader should know before believing the figures."""
    found = []
    changes = _changes(data)
    if changes < FEW_CHANGES:
        found.append(
            f"The targets change only {changes} time{'s' * (changes != 1)} in all of the data. The intervals treat "
            "blocks as independent, which they are only in part: whatever else changed at the same moments (time, "
            "fatigue, the fit of the cap) may be what was learned. Alternate the conditions several times to be sure."
        )
    if result.against_mean.blocks < 2 * FEW_BLOCKS:
        found.append(f"Only {result.against_mean.blocks} blocks were tested: the intervals are rough.")
    if not result.plan.by_person and len({*data.persons}) > 1:
        found.append("Tested on persons that it was learned from; for somebody new see --split person.")
    if len(data.x) < 5 * len(data.features):
        found.append(f"{len(data.x)} rows for {len(data.features)} features: more data, or fewer features, would help.")
    return found


def _changes(data: DataSet) -> int:
    """Return how often the targets change, between and within recordings."""
    steps = np.nan_to_num(np.diff(data.y, axis=0), nan=0.0) != 0
    return int(np.count_nonzero(steps.any(axis=1)))
