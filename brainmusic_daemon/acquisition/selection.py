"""The device's channel names and the user's wishes in, the indices to use out."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Mapping, Sequence
from fnmatch import fnmatchcase

from brainmusic_daemon.api import Unfit

Groups = Callable[[Sequence[str]], Mapping[str, Collection[int]]]  # channel names → word → indices


def no_groups(names: Sequence[str]) -> Mapping[str, Collection[int]]:
    """Return no words for groups of channels."""
    return {}


def select(
    names: Sequence[str], channels: Sequence[str], exclude: Sequence[str], groups: Groups = no_groups
) -> list[int]:
    """Return the indices of `channels` (all where empty; in the device's order) less `exclude`.

    A wish is a channel's name, a word that `groups` knows (a region), or a name with wildcards; case does not matter.
    Raises Unfit for a wish that matches nothing, and when no channel is left.
    """
    words = groups(names) if channels or exclude else {}
    inside = set().union(*(_matching(wish, names, words, "channels") for wish in channels))
    outside = set().union(*(_matching(wish, names, words, "exclude") for wish in exclude))
    picks = [i for i in range(len(names)) if (not channels or i in inside) and i not in outside]
    if not picks:
        raise Unfit(
            f"no channel is left: the source has {', '.join(names) or 'none'}; "
            "change features.channels or features.exclude"
        )
    return picks


def _matching(wish: str, names: Sequence[str], words: Mapping[str, Collection[int]], setting: str) -> set[int]:
    wanted = wish.casefold()
    known = {name.casefold(): i for i, name in reversed(list(enumerate(names)))}
    folded = {word.casefold(): word for word in words}
    if wanted in known:
        return {known[wanted]}
    found: set[int] = set()
    if wanted in folded:
        found = {*words[folded[wanted]]}
    elif any(mark in wanted for mark in "*?["):
        found = {i for i, name in enumerate(names) if fnmatchcase(name.casefold(), wanted)}
    if found:
        return found
    there = f"there is {', '.join(names)}"
    if wanted in folded:
        raise Unfit(f"features.{setting}: no channel of the source belongs to '{wish}'; {there}")
    near = difflib.get_close_matches(wanted, [*known, *folded], n=1)
    hint = f"did you mean '{names[known[near[0]]] if near[0] in known else folded[near[0]]}'?" if near else there
    raise Unfit(f"features.{setting}: the source has no channel '{wish}'; {hint}")
