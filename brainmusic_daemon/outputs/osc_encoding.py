"""Addresses and float32 values in, OSC 1.0 packets out: laid out once per set of names, refilled in place every tick.

Only the types `i f s` leave, because `d h T F N` break something in every common receiver.
"""

from __future__ import annotations

import itertools
import re
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from brainmusic_daemon.api import FloatArray, Frame

MTU = 1400  # bytes: what passes every Ethernet, Wi-Fi and VPN in one piece
IMMEDIATELY = 1  # the OSC time tag
NTP_EPOCH_S = 2_208_988_800  # from 1900, where NTP counts from, to 1970

Argument = int | float | str
Message = tuple[str, tuple[Argument, ...]]
Packet = bytes | memoryview

_UNSAFE = re.compile(r"[^A-Za-z0-9_.:+-]")
_INT32 = 2**31
_PLAIN = str.maketrans({"↑": "+", "↓": "-", "←": "<-", "→": "->", "…": "...", "µ": "u"})  # receivers know ASCII only


@dataclass(frozen=True, slots=True)
class Layout:
    """The float messages of one set of names: message k has `counts[k]` of the values that `gather` returns."""

    addresses: tuple[str, ...]
    counts: tuple[int, ...]
    gather: Callable[[Frame], FloatArray]  # → (sum(counts),) in the order of the messages; may hold non-finite values
    remarks: tuple[str, ...] = ()  # what a person should know: names changed, messages cut, patterns without a match


@dataclass(frozen=True, slots=True)
class Batch:
    """What one tick has to say, ready for packets or for text."""

    layout: Layout
    due: bool  # False: this tick only carries events
    values: npt.NDArray[np.float32]  # (sum(layout.counts),), or empty when not due
    kept: tuple[bool, ...] | None  # per message of the layout; None: all of them
    events: tuple[Message, ...] = ()
    notes: tuple[tuple[float, Message], ...] = ()  # onset in session seconds, and what is sent for it

    def messages(self) -> list[Message]:
        """Return (address, arguments) pairs exactly as they are sent, floats rounded to float32."""
        found: list[Message] = []
        if self.due:
            numbers, at = self.values.tolist(), 0
            for index, (address, count) in enumerate(zip(self.layout.addresses, self.layout.counts, strict=True)):
                if self.kept is None or self.kept[index]:
                    found.append((address, tuple(numbers[at : at + count])))
                at += count
        return [*found, *self.events, *(message for _, message in self.notes)]


def escape(name: str) -> str:
    """Return `name` as one part of an address: ASCII, without the characters that OSC or Pure Data treat as syntax."""
    return _UNSAFE.sub("_", name) or "_"


def unique(addresses: Iterable[str], taken: Sequence[str] = ()) -> list[str]:
    """Return the addresses, those that occur again with `_2`, `_3` … so that no two values share one."""
    seen, found = set(taken), []
    for address in addresses:
        free, number = address, 2
        while free in seen:
            free, number = f"{address}_{number}", number + 1
        seen.add(free)
        found.append(free)
    return found


def floats_in(address: str) -> int:
    """Return how many floats a message to `address` can carry below the MTU, inside a bundle; 0 or less: none."""
    room = MTU - 16 - 4 - len(_text(address))
    count = max(room // 5, 0)
    while count > 0 and len(_text("," + "f" * count)) + 4 * count > room:
        count -= 1
    return count


def message(address: str, arguments: Sequence[Argument]) -> bytes:
    """Return one OSC message; ints must fit 32 bits, floats are rounded to float32."""
    tags, parts = ",", []
    for argument in arguments:
        if isinstance(argument, str):
            tags += "s"
            parts.append(_text(argument))
        elif isinstance(argument, int):
            tags += "i"
            parts.append(struct.pack(">i", argument))
        else:
            tags += "f"
            parts.append(struct.pack(">f", argument))
    return b"".join([_text(address), _text(tags), *parts])


def int32(number: int) -> int:
    """Return a count as a non-negative 32-bit integer, starting again from 0 after 2³¹ - 1."""
    return int(number) % _INT32


def bundles(elements: Iterable[Packet], timetag: int = IMMEDIATELY) -> list[bytes]:
    """Return the elements (size and message each, as `Packets.elements` gives them) in bundles below the MTU."""
    header = b"#bundle\0" + struct.pack(">Q", timetag)
    found: list[bytes] = []
    parts: list[Packet] = [header]
    size = len(header)
    for element in elements:
        if size + len(element) > MTU and len(parts) > 1:
            found.append(b"".join(parts))
            parts, size = [header], len(header)
        parts.append(element)
        size += len(element)
    if len(parts) > 1:
        found.append(b"".join(parts))
    return found


def ntp(unix_s: float) -> int:
    """Return a point in time as an NTP time tag: 32 bits of seconds since 1900, 32 of fraction."""
    seconds = int(unix_s)
    return (seconds + NTP_EPOCH_S) % 2**32 << 32 | int((unix_s - seconds) * 2**32)


@dataclass(slots=True)
class Packets:
    """Fills the packets of one layout.

    Every message lies in one buffer behind its own size: skipping the size it is a datagram, with it a bundle's
    element.  All parts are multiples of 4 bytes, so the buffer is also an array of big-endian floats, and one indexed
    assignment writes a tick's values.  What is returned are views that the next call overwrites.
    """

    layout: Layout
    _floats: npt.NDArray[np.floating] = field(init=False)
    _slots: npt.NDArray[np.intp] = field(init=False)
    _elements: list[memoryview] = field(init=False)
    _messages: list[memoryview] = field(init=False)

    def __post_init__(self) -> None:
        buffer, edges = bytearray(), [0]
        slots: list[int] = []
        for address, count in zip(self.layout.addresses, self.layout.counts, strict=True):
            body = message(address, (0.0,) * count)
            buffer += struct.pack(">i", len(body)) + body
            slots += range(len(buffer) // 4 - count, len(buffer) // 4)
            edges.append(len(buffer))
        self._floats = np.frombuffer(buffer, dtype=">f4")
        self._slots = np.array(slots, dtype=np.intp)
        view = memoryview(buffer)
        self._elements = [view[a:b] for a, b in itertools.pairwise(edges)]
        self._messages = [element[4:] for element in self._elements]

    def messages(self, batch: Batch) -> list[Packet]:
        """Return one datagram per message."""
        events = [message(address, arguments) for address, arguments in batch.events]
        return [*self._filled(self._messages, batch), *events]

    def elements(self, batch: Batch) -> list[Packet]:
        """Return one bundle element per message, for `bundles`."""
        events = [message(address, arguments) for address, arguments in batch.events]
        return [*self._filled(self._elements, batch), *(struct.pack(">i", len(body)) + body for body in events)]

    def _filled(self, views: list[memoryview], batch: Batch) -> list[memoryview]:
        if not batch.due:
            return []
        self._floats[self._slots] = batch.values
        if batch.kept is None:
            return views
        return [view for view, keep in zip(views, batch.kept, strict=True) if keep]


def _text(text: str) -> bytes:
    raw = text.translate(_PLAIN).encode("ascii", "replace").replace(b"\0", b"?")
    return raw + b"\0" * (4 - len(raw) % 4)
