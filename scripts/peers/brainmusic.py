"""This program: `brainmusic run` as it is installed, with its default settings, and with less delay."""

from __future__ import annotations

import json
from collections.abc import Callable

from benchmarks.common import brainmusic

from brainmusic_daemon import __version__
from peers.peer import Peer, Stage, by_address


def start(*settings: str) -> Callable[[Stage], None]:
    """Return what starts the daemon: default settings, but for where the data comes from and goes to."""

    def begin(stage: Stage) -> None:
        told = json.dumps([f"raw.alpha.{name}" for name in stage.watched])
        options = [
            "source.kind=lsl",
            f"source.stream={stage.stream}",
            f"session.name={stage.stream}-{stage.port}",
            f'output.osc.targets=["127.0.0.1:{stage.port}"]',
            f"output.osc.features={told}",
            "output.audio.enabled=false",  # the others have no sound either
            "session.status=false",
            "session.patience_s=60",
            "control.osc_port=0",
            "web.port=0",
            *settings,
        ]
        stage.run(*brainmusic("run"), *[part for option in options for part in ("--set", option)])

    return begin


def _peer(key: str, setting: str, about: str, *settings: str) -> Peer:
    read = by_address("/brainmusic/feature/raw.alpha.")
    return Peer(
        key,
        "brainmusic",
        setting,
        about,
        "ours",
        start(*settings),
        read,
        version=__version__,
        cores=0.1,
    )


PEERS = (
    _peer("brainmusic", "as it comes", "tick 20 ms, delay 75 ms, all features, mapper and score; no sound output"),
    _peer(
        "brainmusic-quick",
        "less delay",
        "session.tick_ms = 10, features.delay_ms = 50",
        "session.tick_ms=10",
        "features.delay_ms=50",
    ),
)
