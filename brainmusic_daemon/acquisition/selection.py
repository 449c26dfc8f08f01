"""The device's channel names and the user's wishes in, the indices to use out."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from brainmusic_daemon.api import ConfigError


def select(names: Sequence[str], channels: Sequence[str], exclude: Sequence[str]) -> list[int]:
    """Return the indices of `channels` (all where empty; in the device's order) less `exclude`; case does not matter.

    Raises ConfigError for a name that the device does not have, and when none is left.
    """
    known = {name.casefold(): i for i, name in reversed(list(enumerate(names)))}
    for setting, wanted in (("channels", channels), ("exclude", exclude)):
        for name in wanted:
            if name.casefold() not in known:
                near = difflib.get_close_matches(name.casefold(), known, n=1)
                hint = f"did you mean '{names[known[near[0]]]}'?" if near else f"there is {', '.join(names)}"
                raise ConfigError(f"features.{setting}: the source has no channel '{name}'; {hint}")
    out = {name.casefold() for name in exclude}
    inside = {name.casefold() for name in channels}
    picks = [
        i for i, name in enumerate(names) if (not inside or name.casefold() in inside) and name.casefold() not in out
    ]
    if not picks:
        raise ConfigError(
            f"no channel is left: the source has {', '.join(names) or 'none'}; "
            "change features.channels or features.exclude"
        )
    return picks
