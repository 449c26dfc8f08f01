"""The setting `reference` and the channel names in, the channels whose mean is subtracted from all others out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from brainmusic_daemon.api import Unfit
from brainmusic_daemon.features.montage import Indices, label_of
from brainmusic_daemon.registry import did_you_mean

WORDS = ("none", "average", "linked")
_PAIRS = (("M1", "M2"), ("A1", "A2"), ("TP9", "TP10"))  # mastoids, ear lobes, and the Muse's electrodes behind the ears


def channels_of(reference: str | Sequence[str], channels: Sequence[str]) -> Indices | None:
    """Return the reference's channels; None where nothing is subtracted.

    `none`; `average`: all channels; `linked`: the mastoids or ears, whichever pair there is; or a list of names.
    Raises Unfit where the headset lacks them, or where nothing would be left.
    """
    if reference == "none":
        return None
    if reference == "average":
        if len(channels) < 2:
            raise Unfit(
                f'features.reference = "average": with the one channel {channels[0]} nothing would be left; use "none"'
            )
        return np.arange(len(channels))
    found = _linked(channels) if isinstance(reference, str) else _named(reference, channels)
    if len(found) == len(channels):
        raise Unfit(
            f"features.reference: {', '.join(channels)} is all there is, so nothing would be left to listen to; "
            'add channels, or use "average" or "none"'
        )
    return found


def _linked(channels: Sequence[str]) -> Indices:
    labels = [label_of(name) for name in channels]
    for pair in _PAIRS:
        if all(label in labels for label in pair):
            return np.array([labels.index(label) for label in pair], np.intp)
    pairs = ", ".join(" and ".join(pair) for pair in _PAIRS)
    single = [name for name, label in zip(channels, labels, strict=True) if label in {*sum(_PAIRS, ())}]
    way_out = f'reference = ["{single[0]}"] uses the one side' if single else 'use "average" or "none"'
    raise Unfit(
        f'features.reference = "linked" needs a pair behind the ears ({pairs}) among the channels in use; '
        f"there is {', '.join(channels)}; {way_out}"
    )


def _named(names: Sequence[str], channels: Sequence[str]) -> Indices:
    known = [name.casefold() for name in channels]
    for name in names:
        if name.casefold() not in known:
            raise Unfit(
                f"features.reference: among the channels in use there is no '{name}'{did_you_mean(name, channels)}"
            )
    return np.array(sorted({known.index(name.casefold()) for name in names}), np.intp)
