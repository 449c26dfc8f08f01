"""A running daemon in, its OSC address space as a tree out: made anew when a headset or a mapper changes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from brainmusic_daemon.api import Frame
from brainmusic_daemon.outputs.osc_encoding import Layout
from brainmusic_daemon.service import oscquery_heard, oscquery_look, oscquery_sent
from brainmusic_daemon.service.oscquery_look import Look
from brainmusic_daemon.service.oscquery_tree import Tree

if TYPE_CHECKING:
    from brainmusic_daemon.service.daemon import Daemon

HELPS = {
    "/": "brainmusic_daemon: live EEG to music",
    "/brainmusic/feature": "what is in the signal, every tick",
    "/brainmusic/control": "what the music does, every tick",
    "/brainmusic/event": "what happens once",
    "/brainmusic/person": "each of several persons",
    "/brainmusic/explain": "what drives what",
    "/brainmusic/route": "settings of what drives a control",
    "/brainmusic/target": "where a control ought to be: training data",
}


class Space:
    """Gives the tree of this moment; for one thread, which must not be the tick's."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self.dialect = oscquery_look.dialect(daemon)
        self._made_of: Frame | None = None
        self._layout: Layout | None = None
        self._key: tuple[Any, ...] | None = None
        self._tree: Tree[Look] = Tree((), HELPS)
        self.number = 0  # how often it was made

    def look(self) -> tuple[Tree[Look], Look]:
        """Return the tree and a look at the values."""
        daemon, frame = self._daemon, self._daemon.session.frame
        key = self._key_of(frame)
        if key != self._key:
            self._key, self._tree = key, self._make(frame)
            self.number += 1
        return self._tree, Look(daemon, frame, self._layout)

    def _key_of(self, frame: Frame | None) -> tuple[Any, ...]:
        """Return what the tree depends on."""
        host, words = self._daemon.session.pipeline.host, frame.words if frame is not None else None
        shape: tuple[Any, ...] = ()
        if frame is not None:
            features, before = frame.features, self._made_of
            if (
                before is None
                or not oscquery_look.fits(features, before.features)
                or (frame.controls.values.keys() != before.controls.values.keys())
            ):
                self._made_of, self._layout = frame, self.dialect.layout(frame)
            shape = (id(self._layout), len(words.embedding) if words is not None else 0)
        preset, scenes = self._daemon.mappers.history.step.preset, self._daemon.session.config.scenes
        offered = self._daemon.choices.mappers, self._daemon.choices.presets, self._daemon.profiles.known
        return *shape, host.controls, host.playing.controls, host.playing.name, preset, tuple(scenes), *offered

    def _make(self, frame: Frame | None) -> Tree[Look]:
        heard = oscquery_heard.methods(self._daemon)
        controls = self._daemon.session.pipeline.host.controls
        sent = oscquery_sent.methods(self._layout, frame, controls) if frame is not None and self._layout else ()
        return Tree([*heard, *sent], HELPS)
