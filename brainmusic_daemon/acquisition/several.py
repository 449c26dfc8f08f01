"""Several acquisitions in, one to look at out: as a whole it is well as long as one of them is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from brainmusic_daemon.acquisition.supervisor import Acquisition, Setup, SourceState
from brainmusic_daemon.api import BrainmusicError, Chunk, EndOfStream, StreamInfo

_BEST_FIRST = (
    SourceState.STREAMING, SourceState.OPENING, SourceState.LOST, SourceState.ENDED, SourceState.FAILED,
)  # fmt: skip

Tap = Callable[[StreamInfo, Chunk], None]


class Several:
    """The acquisitions of several persons, read and run as one; each has its own thread, and none waits for another."""

    def __init__(self, members: Mapping[str, Acquisition]) -> None:
        self.members = dict(members)
        self._tap: Tap | None = None
        self._known: tuple[tuple[int, ...], StreamInfo | None] = ((), None)

    @property
    def setup(self) -> Setup:
        """What all of them deliver together; there is no ring that holds it."""
        return Setup(self.generation, self.info, None)

    @property
    def generation(self) -> int:
        return sum(one.generation for one in self.members.values())

    @property
    def info(self) -> StreamInfo | None:
        """Every channel under its person's name, at the highest rate; None until one was open."""
        key = tuple(one.generation for one in self.members.values())
        if key != self._known[0]:
            infos = {who: one.info for who, one in self.members.items()}
            self._known = key, _joined({who: info for who, info in infos.items() if info is not None})
        return self._known[1]

    @property
    def state(self) -> SourceState:
        """The best of all."""
        return min((one.state for one in self.members.values()), key=_BEST_FIRST.index)

    @property
    def error(self) -> BrainmusicError | None:
        """Why there are no samples at all; None while some come."""
        errors = [one.error for one in self.members.values()]
        return None if None in errors else errors[0]

    @property
    def seen(self) -> bool:
        return any(one.seen for one in self.members.values())

    @property
    def last_message(self) -> str:
        return "; ".join(one.last_message for one in self.members.values() if one.last_message)

    @property
    def silence_s(self) -> float:
        return max(one.silence_s for one in self.members.values())

    @property
    def arrival(self) -> float:
        """Session seconds at which the newest sample of all arrived."""
        return max(one.arrival for one in self.members.values())

    @property
    def battery(self) -> float | None:
        """Percent of the headset whose battery is lowest; None where none tells."""
        return min((charge for one in self.members.values() if (charge := one.battery) is not None), default=None)

    @property
    def resistances(self) -> Mapping[str, float]:
        """kΩ of every channel that tells, under its person's name."""
        return {f"{who}.{name}": k for who, one in self.members.items() for name, k in one.resistances.items()}

    def alive(self, now: float) -> bool:
        return any(one.alive(now) for one in self.members.values())

    def counters(self) -> Mapping[str, int]:
        """The sums of all."""
        total: dict[str, int] = {}
        for one in self.members.values():
            for name, count in one.counters().items():
                total[name] = total.get(name, 0) + count
        return total

    @property
    def tap(self) -> Tap | None:
        """Hears every chunk of everybody; each person's comes from a thread of its own, told by `details["person"]`."""
        return self._tap

    @tap.setter
    def tap(self, tap: Tap | None) -> None:
        self._tap = tap
        for who, one in self.members.items():
            one.tap = _named(who, tap) if tap is not None else None

    def start(self) -> None:
        """Start every thread."""
        for one in self.members.values():
            one.start()

    def stop(self, timeout: float = 2.0) -> None:
        """End every thread and close every source.  Idempotent, never raises."""
        for one in self.members.values():
            one.ask_to_stop()
        for one in self.members.values():
            one.stop(timeout)

    def pump(self) -> None:
        """Read all that there is until now from everybody.

        Raises EndOfStream when all have ended, and what one raises when all have failed.
        """
        failed: BrainmusicError | None = None
        for one in self.members.values():
            try:
                one.pump()
            except EndOfStream:
                pass
            except BrainmusicError as error:
                failed = error
        if self.state is SourceState.ENDED:
            raise EndOfStream
        if self.state is SourceState.FAILED and failed is not None:
            raise failed


def _joined(infos: Mapping[str, StreamInfo]) -> StreamInfo | None:
    if not infos:
        return None
    return StreamInfo(
        name=", ".join(f"{who} ({info.name})" for who, info in infos.items()),
        channels=tuple(f"{who}.{channel}" for who, info in infos.items() for channel in info.channels),
        samplerate=max(info.samplerate for info in infos.values()),
        uid=" ".join(info.uid for info in infos.values()),
    )


def _named(who: str, tap: Tap) -> Tap:
    """Return a tap that says whose chunk it is; the same info for the same opening."""
    last: list[tuple[StreamInfo, StreamInfo]] = []

    def hear(info: StreamInfo, chunk: Chunk) -> None:
        if not last or last[0][0] is not info:
            last[:] = [(info, replace(info, details={**info.details, "person": who}))]
        tap(last[0][1], chunk)

    return hear
