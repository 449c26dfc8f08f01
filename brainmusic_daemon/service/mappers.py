"""What the artist asks for in; mappers and presets made, tried and handed to the tick out, and what played before kept.

Everything slow happens in one thread of its own: load, prepare, try on what was just played, hand over.  What does not
pass is refused with one line, and the music goes on as it was.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from brainmusic_daemon import choice, registry
from brainmusic_daemon import config as configuration
from brainmusic_daemon.api import ConfigError
from brainmusic_daemon.mapping.host import AGAIN, Report
from brainmusic_daemon.service import edits
from brainmusic_daemon.service.errands import Errands, Ticket
from brainmusic_daemon.service.history import History, Step
from brainmusic_daemon.service.installer import Installer
from brainmusic_daemon.service.knobs import Knobs, Turned
from brainmusic_daemon.service.session import Session
from brainmusic_daemon.service.watcher import Watcher
from brainmusic_daemon.there import expanded

_log = logging.getLogger(__name__)

_LIVE = frozenset(("mapper", "music", "scene"))  # sections that are taken up while it plays
_RETRY_S = (5.0, 15.0, 45.0)  # after a mapper was too slow: the machine may have been busy


class Mappers:
    """Takes requests from any thread; `start` and `stop` are the daemon's."""

    def __init__(self, session: Session) -> None:
        self.session = session
        config = session.config
        chosen, music = config.choice, config.music
        self.history = History(Step(chosen.name, chosen.table, chosen.folder, music.preset, music.seed, "start"))
        self._installer = Installer(session)
        self._begun = self._file = config.tables  # what the configuration's file said at the start, and last
        self._errands = Errands(self._refused)
        self._knobs = Knobs(self._errands, self._turn)
        self._slow = 0  # times in a row that the mapper was too slow
        self._watcher = Watcher(self._saved) if config.swap.watch else None
        self.keep: Callable[[Mapping[str, Any], Path], Mapping[str, Any]] = lambda table, target: table
        """Whoever makes files for mappers has them outlive the session when a table that names them is saved."""

    def start(self) -> None:
        """Begin to take requests, and to watch the files of what plays."""
        self.session.reported = self._reported
        self._errands.start()
        if self._watcher is not None:
            self._watch()
            self._watcher.start()

    def stop(self) -> None:
        """Take no more requests.  Never raises; a mapper that is still being prepared is left behind."""
        if self._watcher is not None:
            self._watcher.stop()
        self._errands.stop()

    @property
    def refusals(self) -> int:
        """How much was asked for and not taken up."""
        return self._errands.refusals

    @property
    def written(self) -> Mapping[str, Any]:
        """The tables of the configuration's file, as they were read or saved last."""
        return self._file

    # --- requests, from any thread ------------------------------------------------------------------------------------

    def load(self, text: str, fade_s: float | None = None) -> Ticket:
        """Swap to a mapper: a kind, a file, a bundled configuration, or a scene."""
        if text in self.session.config.scenes:
            return self.scene(text, fade_s)

        def work() -> str:
            name, table, folder = choice.read(text, self.session.config.folder)
            return self._go(self._step(name=name, table=table, folder=folder, origin="swap"), fade_s)

        return self._knobs.ask(work)

    def play(
        self, name: str, table: Mapping[str, Any], folder: Path | None, origin: str, fade_s: float | None = None
    ) -> Ticket:
        """Swap to the mapper of a table that somebody made; `origin` is what the history calls it."""
        return self._knobs.ask(
            lambda: self._go(self._step(name=name, table=table, folder=folder, origin=origin), fade_s)
        )

    def scene(self, name: str, fade_s: float | None = None) -> Ticket:
        """Recall a scene of the configuration: its mapper and its preset, with its fade."""

        def work() -> str:
            config = self.session.config
            if name not in config.scenes:
                raise ConfigError(f"there is no scene '{name}'{registry.did_you_mean(name, [*config.scenes])}")
            scene, step = config.scenes[name], self._step(origin=f"scene {name}")
            if isinstance(scene.mapper, dict):
                step = replace(step, name=name, table=scene.mapper, folder=config.folder)
            elif scene.mapper:
                found, table, folder = choice.read(scene.mapper, config.folder)
                step = replace(step, name=found, table=table, folder=folder)
            step = replace(step, preset=scene.preset or step.preset)
            said = self._go(step, scene.fade_s if fade_s is None else fade_s)
            self.session.journal.note("scene", name)
            return f"scene '{name}': {said}"

        return self._knobs.ask(work)

    def preset(self, name: str) -> Ticket:
        """Play another preset with the same mapper."""
        return self._knobs.ask(lambda: self._go(self._step(preset=name, origin="preset"), None))

    def edit(self, control: str, setting: str, value: Any) -> Ticket:
        """Turn one knob of one control (see `edits.SETTINGS`); of many turns in a row the newest counts."""
        return self._knobs.turn(control, setting, value)

    def may_drive(self, control: str) -> bool:
        """Return whether a control may be driven by a mapper that is being made, or that no tick has taken up yet."""
        made = self._installer.choice.mapper.controls
        return self._knobs.behind or any(known.name == control for known in made)

    def undo(self) -> Ticket:
        """Go back one step of the history."""
        return self._knobs.ask(lambda: self._go_back(-1))

    def redo(self) -> Ticket:
        """Take back an undo."""
        return self._knobs.ask(lambda: self._go_back(+1))

    def save(self, path: str = "") -> Ticket:
        """Write mapper and preset as they are now into the configuration's file, or into another one."""
        return self._knobs.ask(lambda: self._save(path))

    def reload(self) -> Ticket:
        """Read the configuration's file again and take up its mapper and preset."""
        return self._knobs.ask(lambda: self._read_again(always=True))

    # --- the thread ---------------------------------------------------------------------------------------------------

    def _step(self, **changes: Any) -> Step:
        return replace(self.history.step, time=self.session.clock.now(), **changes)

    def _refused(self, error: Exception) -> str:
        return f"not taken up: {error}; '{self.session.pipeline.host.playing.name}' plays on"

    def _go(self, step: Step, fade_s: float | None) -> str:
        """Play what `step` says, and remember it."""
        said = self._installer.play(self.history.step, step, fade_s)
        if step.origin not in ("retry", "saved"):
            self.history.remember(step)
        if step.origin != "retry":
            self._slow = 0
            self._errands.forget_later()
        self._watch()
        return said

    def _go_back(self, by: int) -> str:
        said = self._installer.play(self.history.step, self.history.beside(by), None)
        self.history.move(by)
        self._watch()
        return f"{'undone' if by < 0 else 'done again'}: {said}"

    def _turn(self, turned: Turned) -> str:
        host = self.session.pipeline.host
        if host.wanted.fault and host.playing is not host.wanted:
            stands_in = f"'{host.playing.name}' plays instead of '{host.wanted.name}', which {host.wanted.fault}"
            raise ConfigError(f"{stands_in}: undo, or swap to what you want to steer, then turn knobs")
        self.history.remember(self._installer.turn(self.history.step, turned))
        (control, setting), value = [*turned.items()][-1]
        return f"{control} {setting} = {value}" + (f" and {len(turned) - 1} more" if len(turned) > 1 else "")

    def _save(self, path: str) -> str:
        config, step = self.session.config, self.history.step
        origin = Path(config.origin)
        target = expanded(path) if path else origin
        same = target.resolve() == origin.resolve()
        if configuration.is_bundled(target):
            raise ConfigError(f"'{target.stem}' belongs to the project; give your own file a name: save my.toml")
        as_written = step.folder == config.folder and target.parent.resolve() == origin.parent.resolve()
        table = self.keep(step.table if as_written else choice.located(step.table, step.folder), target)
        table = choice.beside(table, target.parent)
        music = {**self._file.get("music", {}), "preset": step.preset, "seed": step.seed}
        edits.save(origin, target, {"mapper": table, "music": music})
        if same:
            self._file = {**self._file, "mapper": table, "music": music}
        return f"saved in {target}"

    def _read_again(self, always: bool = False) -> str:
        """Take up what the configuration's file says now, where it says something else than before."""
        config = self.session.config
        resolved = configuration.again(config)
        tables = resolved.tables
        before, self._file = self._file, tables
        other = sorted(name for name in {*self._begun, *tables} - _LIVE if self._begun.get(name) != tables.get(name))
        elsewhere = [name for name in other if before.get(name) != tables.get(name)]  # since the last time
        if elsewhere:
            _log.warning("[%s] of %s changed: that needs a new start", "], [".join(elsewhere), Path(config.origin).name)
        rest = f"; [{'], ['.join(other)}] changed since the start: that needs a new one" if other else ""
        self.session.config = replace(self.session.config, scenes=resolved.scenes)
        if not always and all(before.get(name) == tables.get(name) for name in ("mapper", "music")):
            return f"nothing to change{rest}"
        chosen, music = resolved.choice, resolved.music
        step = self._step(
            name=chosen.name, table=chosen.table, folder=chosen.folder, preset=music.preset, seed=music.seed,
            origin="file",
        )  # fmt: skip
        return self._go(step, None) + rest

    # --- what happens by itself ---------------------------------------------------------------------------------------

    def _watch(self) -> None:
        if self._watcher is not None:
            files = (Path(self.session.config.origin), *getattr(self._installer.choice.mapper, "files", ()))
            self._watcher.watch([file for file in files if file.is_file()])

    def _saved(self, files: set[Path]) -> None:
        """Take up files that were saved; called by the watcher."""
        origin = Path(self.session.config.origin).resolve()
        if origin in files:
            self._knobs.ask(self._read_again)
        if files - {origin}:
            self._knobs.ask(lambda: self._go(self._step(origin="saved"), None))

    def _reported(self, report: Report) -> None:
        """Try a mapper again that was too slow, or was prepared for another headset; called beside the tick."""
        if report.fault == AGAIN:
            self._knobs.ask(lambda: self._go(self._step(origin="retry"), None))
        elif report.late and report.seat is self.session.pipeline.host.wanted and self._slow < len(_RETRY_S):
            self._errands.later(_RETRY_S[self._slow], lambda: self._go(self._step(origin="retry"), None))
            self._slow += 1
