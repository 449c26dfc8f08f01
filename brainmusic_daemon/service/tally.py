"""What came over OSC and what was wrong with it in, from several threads; exact counts and a few words out."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Hashable

_log = logging.getLogger(__name__)

_TOLD = 100  # what was told, and to whom, that is remembered
_TELL_S = 1.0  # at most so often


class Tally:
    """Counts, and knows what was said already.  All methods from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.received = 0  # messages
        self._wrong: dict[str, int] = {}  # reason → datagrams or messages
        self._told: set[str] = set()
        self._next_word = 0.0
        self._answered: dict[Hashable, float] = {}  # address and sender → not again before

    def count_message(self) -> None:
        """Count a message, whatever becomes of it."""
        with self._lock:
            self.received += 1

    def count(self, *reasons: str) -> None:
        """Count something that is wrong, once under each reason."""
        with self._lock:
            for reason in reasons:
                self._wrong[reason] = self._wrong.get(reason, 0) + 1

    @property
    def wrong(self) -> dict[str, int]:
        """Return how often something was wrong, by reason."""
        with self._lock:
            return dict(self._wrong)

    def may_complain(self, whom: Hashable) -> bool:
        """Return whether `whom`, an address and a sender, is to hear (again) that something is wrong."""
        now = time.monotonic()
        with self._lock:
            if now < self._answered.get(whom, 0.0):
                return False
            if len(self._answered) >= _TOLD:
                self._answered.clear()
            self._answered[whom] = now + _TELL_S
            return True

    def tell(self, key: str, text: str) -> None:
        """Log something that is wrong with an address once, and not too much at once."""
        now = time.monotonic()
        with self._lock:
            if key in self._told or len(self._told) >= _TOLD or now < self._next_word:
                return
            self._told.add(key)
            self._next_word = now + _TELL_S
        _log.warning("OSC control: %s", text)
