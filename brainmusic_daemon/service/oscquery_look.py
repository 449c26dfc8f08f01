"""One look at a running daemon, taken beside the tick: what the values of OSCQuery's tree are read from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from brainmusic_daemon.api import Features, Frame
from brainmusic_daemon.outputs.osc_dialects import SUMMARY, Brainmusic
from brainmusic_daemon.outputs.osc_encoding import Layout

if TYPE_CHECKING:
    from brainmusic_daemon.service.daemon import Daemon


@dataclass(slots=True)
class Look:
    """Everything of one moment; lives as long as one request or update."""

    daemon: Daemon
    frame: Frame | None
    layout: Layout | None  # of the floats that are sent every tick
    _floats: dict[str, tuple[float, ...]] | None = field(default=None, init=False)

    def floats(self, address: str) -> tuple[float, ...] | None:
        """Return what goes out at a float address now; None where there is nothing."""
        if self._floats is None:
            self._floats = self._gather()
        return self._floats.get(address)

    def _gather(self) -> dict[str, tuple[float, ...]]:
        if self.frame is None or self.layout is None:
            return {}
        numbers, found, at = self.layout.gather(self.frame).tolist(), {}, 0
        for address, count in zip(self.layout.addresses, self.layout.counts, strict=True):
            found[address] = tuple(numbers[at : at + count])
            at += count
        return found


def dialect(daemon: Daemon) -> Brainmusic:
    """Return our namespace with everything that any output sends in it; with all of it where none does."""
    features: dict[str, None] = {}
    controls: dict[str, None] = {}
    for output in daemon.config.outputs.values():
        if getattr(output, "dialect", "") == "brainmusic":
            features |= dict.fromkeys(getattr(output, "features", ()))
            controls |= dict.fromkeys(getattr(output, "controls", ()))
    return Brainmusic([*features] or [SUMMARY], [*controls] or ["*"])


def fits(features: Features, layout_of: Features) -> bool:
    """Return whether a layout that was made of one frame's features reads another's."""
    same = features.names is layout_of.names or features.names == layout_of.names
    same = same and features.people.keys() == layout_of.people.keys()
    return same and features.channels == layout_of.channels and features.quality.size == layout_of.quality.size
