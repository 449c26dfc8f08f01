"""A function and two places in; what each input has to do with the way from the one to the other out."""

from __future__ import annotations

from collections.abc import Sequence

from brainmusic_daemon.mapping.expression import Function


def split(function: Function, values: Sequence[float], usual: Sequence[float], slots: Sequence[int]) -> list[float]:
    """Split function(values) − function(usual) among the slots, which are all that the function looks at.

    Each gets the mean of what it does alone and of what is lost without it (of two, that is the Shapley value); what
    their sum then lacks is spread in proportion.
    """
    now, before = function(values), function(usual)
    if len(slots) == 1:
        return [now - before]
    moved = []
    for slot in slots:
        alone, without = list(usual), list(values)
        alone[slot], without[slot] = values[slot], usual[slot]
        moved.append((function(alone) - before + now - function(without)) / 2)
    lacking, size = now - before - sum(moved), sum(abs(share) for share in moved)
    if size < 1e-12:  # only together do they move it: equal shares
        return [(now - before) / len(slots)] * len(slots)
    return [share + lacking * abs(share) / size for share in moved]
