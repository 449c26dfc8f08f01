"""Nothing in; every peer there is, and those that cannot be had with the reason, out."""

from __future__ import annotations

import importlib

from peers.peer import Peer

MODULES = ("brainmusic", "expert", "timeflux", "goofi", "eegsynth", "mne_lsl", "brainflow")
ALWAYS = ("brainmusic", "butterworth-tuned")  # run beside the others every time: the same minute, the same machine


def every() -> tuple[Peer, ...]:
    """Return all peers, ours first."""
    return tuple(peer for name in MODULES for peer in importlib.import_module(f"peers.{name}").PEERS)


def waves(peers: tuple[Peer, ...], cores: float) -> list[list[Peer]]:
    """Return groups that run at the same time without wanting more than `cores`, what is always there in each."""
    always = [peer for peer in peers if peer.key in ALWAYS]
    room = cores - sum(peer.cores for peer in always)
    groups: list[list[Peer]] = []
    for peer in sorted((peer for peer in peers if peer not in always), key=lambda peer: -peer.cores):
        for group in groups:
            if sum(one.cores for one in group) + peer.cores <= room:
                group.append(peer)
                break
        else:
            groups.append([peer])
    return [[*always, *group] for group in groups] or [always]
