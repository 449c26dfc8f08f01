"""What a session heard while it played in; takes of one person, and the quiet in which they are worked out, out."""

from __future__ import annotations

import logging
import math
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from brainmusic_daemon import config as configuration
from brainmusic_daemon.api import Chunk, StreamInfo
from brainmusic_daemon.config import Config
from brainmusic_daemon.service.takes import Take

_TALKATIVE = ("brainmusic_daemon.acquisition.supervisor", "brainmusic_daemon.service.session")

Heard = deque[tuple[float, StreamInfo, Chunk]]  # with the session seconds at which it came


@contextmanager
def hushed() -> Iterator[None]:
    """Keep out of the log what is told, from this thread, while takes are played once more: all was said."""
    thread = threading.get_ident()

    def speaks(record: logging.LogRecord) -> bool:
        return record.thread != thread

    loggers = [logging.getLogger(name) for name in _TALKATIVE]
    for logger in loggers:
        logger.addFilter(speaks)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(speaks)


def quiet(config: Config, person: str) -> Config:
    """Return the configuration of one person, with mappers that nobody else plays."""
    whose = next((configuration.of(config, one) for one in config.people if one.name == person), config)
    plain = configuration.resolve({})
    return replace(whose, people=(), choice=plain.choice, fallback=plain.fallback, scenes={}, outputs={})


def take(heard: Heard, person: str, span: tuple[float, float]) -> Take:
    """Return what was heard of a person between two times, of the headset that came last."""
    own = [one for one in heard if one[1].details.get("person", "") in ("", person)]
    start, stop = span
    inside = [(info, chunk) for came, info, chunk in own if start <= _time_of(chunk, came) < stop]
    info = inside[-1][0] if inside else StreamInfo("", (), 1.0)
    return Take(info, tuple(chunk for its, chunk in inside if its.channels == info.channels))


def _time_of(chunk: Chunk, came: float) -> float:
    """Return the time of a chunk's newest sample, as far as its source knows it."""
    newest = float(np.max(chunk.times))
    return newest if math.isfinite(newest) else came
