"""What can be chosen by name follows the configuration's folder, for the page and for OSCQuery alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from brainmusic_daemon.service import choices
from brainmusic_daemon.service.dashboard.feed import Feed
from brainmusic_daemon.service.oscquery_space import Space
from tests.daemons import daemon


def test_what_is_saved_while_it_runs_can_be_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choices, "LOOK_S", 0.0)
    monkeypatch.setenv("BRAINMUSIC_PROFILES", str(tmp_path / "profiles"))
    folder = tmp_path / "mine"
    folder.mkdir()
    file = folder / "mine.toml"
    file.write_text('[source]\nkind = "simulator"\n')
    with daemon(config=file, name="choices") as running:
        feed, space = Feed(running), Space(running)
        feed.updates()
        before = space.look()[0]
        (folder / "other.safetensors").write_bytes(b"")
        (folder / "own.py").write_text("")
        (folder / "piece.toml").write_text("plain = true\n")
        for _ in range(10):
            told = [update for update in feed.updates() if update["k"] == "fixed"]
            if told:
                break
        assert {"other.safetensors", "own.py", "mine.toml"} <= {*told[0]["mappers"]}
        assert "piece.toml" in told[0]["presets"] and "piece.toml" not in told[0]["mappers"] and "log" in told[0]
        tree = space.look()[0]
        assert tree is not before
        offered = tree.methods["/brainmusic/mapper/load"].slots[0].choices
        assert {*told[0]["mappers"]} <= {*offered}
        assert "piece.toml" in tree.methods["/brainmusic/preset"].slots[0].choices
        (tmp_path / "profiles").mkdir()
        (tmp_path / "profiles" / "ben.toml").write_text("")
        running.profiles._known = (-1e9, ())  # a moment later
        assert "ben" in space.look()[0].methods["/brainmusic/profile"].slots[0].choices
        monkeypatch.setattr(Path, "iterdir", lambda folder: (_ for _ in ()).throw(PermissionError("no")))
        assert "own.py" not in running.choices.mappers and "direct" in running.choices.mappers
