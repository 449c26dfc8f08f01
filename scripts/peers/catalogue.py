"""Nothing in; every peer there is, and those that cannot be had with the reason, out."""

from __future__ import annotations

import importlib
import math

from peers.peer import Peer

MODULES = ("brainmusic", "expert", "timeflux", "goofi", "eegsynth", "mne_lsl", "brainflow")
ALWAYS = ("brainmusic", "butterworth-tuned")  # run beside the others every time: the same minute, the same machine


def every() -> tuple[Peer, ...]:
    """Return all peers, ours first."""
    return tuple(peer for name in MODULES for peer in importlib.import_module(f"peers.{name}").PEERS)


def waves(peers: tuple[Peer, ...], cores: float) -> list[list[Peer]]:
    """Return groups that run at the same time and want some `cores` at most, what is always there in each."""
    always = [peer for peer in peers if peer.key in ALWAYS]
    others = sorted((peer for peer in peers if peer not in always), key=lambda peer: -peer.cores)
    room = cores - sum(peer.cores for peer in always)
    groups: list[list[Peer]] = [[] for _ in range(max(1, math.ceil(sum(peer.cores for peer in others) / room)))]
    for peer in others:
        min(groups, key=lambda group: sum(one.cores for one in group)).append(peer)
    return [[*always, *group] for group in groups]
