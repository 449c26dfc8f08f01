"""What the program plays is what it has played; a change says so, and says what changes.  See scripts/golden."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.golden import comparing, keeping, updating
from tests.golden.fingerprint import Exact, Fingerprint, exact, fingerprint, machine
from tests.golden.sessions import Session, recording, sessions
from tests.golden.taking import RATE, Taken, take

CHECKOUT = Path(__file__).parent.parent


@pytest.mark.parametrize("session", sessions(), ids=lambda session: session.name)
def test_a_session_sounds_and_says_what_it_did(session: Session, tmp_path: Path) -> None:
    if session.recording and recording(session) is None:
        pytest.skip("needs the folder of real recordings that BRAINMUSIC_TEST_DATA names")
    if session.needs:
        pytest.importorskip(session.needs)
    kept = keeping.load(session.name)
    assert kept is not None, f"nothing is kept of session '{session.name}' yet: {comparing.COMMAND}"
    taken = take(session, tmp_path)
    if told := updating.said(session.name, kept, machine(), fingerprint(taken), exact(taken)):
        pytest.fail(told)


def test_what_is_kept_is_small_and_of_sessions_that_there_are() -> None:
    files = {file.stem: file.stat().st_size for file in keeping.FOLDER.iterdir()}
    assert {*files} == {session.name for session in sessions()}
    assert sum(files.values()) + keeping.HISTORY.stat().st_size < 200_000


@pytest.mark.parametrize("folder", ["music/presets", "configs"])
def test_every_preset_and_configuration_that_plays_by_itself_is_there(folder: str) -> None:
    from brainmusic_daemon import config as configuration

    played = {session.name for session in sessions()}
    if folder == "configs":
        playing = {
            file.stem
            for file in configuration.folder().glob("*.toml")
            if 'kind = "simulator"' in "\n".join(
                line for line in file.read_text(encoding="utf-8").splitlines() if not line.startswith("#")
            )
        }  # fmt: skip
        assert {f"config-{name}" for name in playing - {"default"}} == {n for n in played if n.startswith("config-")}
    else:
        files = (CHECKOUT / "brainmusic_daemon" / folder).glob("*.toml")
        assert {f"preset-{file.stem}" for file in files} == {n for n in played if n.startswith("preset-")}


# --- how a difference is told -----------------------------------------------------------------------------------------


def made(
    value: Callable[[int], float] = lambda tick: 0.0, sound: Callable[[np.ndarray], np.ndarray] = lambda x: x
) -> Taken:
    """Return three seconds of one message a tick, and another; `value` is added to it, `sound` changes the tone."""
    lines = []
    for tick in range(150):
        alpha = float(np.float32(0.5 + 0.3 * np.sin(tick / 9) + value(tick)))
        lines.append({"time": tick * 0.02, "address": "/brainmusic/feature/alpha", "args": [alpha]})
        lines.append({"time": tick * 0.02, "address": "/brainmusic/control/tempo", "args": [90.0]})
    t = np.arange(3 * RATE) / RATE
    tone = 0.2 * np.sin(2 * np.pi * 1000 * t)
    log = "".join(json.dumps(line) + "\n" for line in lines).encode()
    return Taken(log, np.stack([sound(tone)] * 2, axis=1).astype(np.float32))


def both(taken: Taken) -> tuple[Fingerprint, Exact]:
    return fingerprint(taken), exact(taken)


def compared(before: Taken, after: Taken, *, same_machine: bool) -> str:
    means, now = both(after)
    kept, exactly = both(before)
    return updating.said("a session", (kept, {"this" if same_machine else "another": exactly}), "this", means, now)


@pytest.mark.parametrize("same_machine", [True, False])
def test_what_has_not_changed_is_no_difference(same_machine: bool) -> None:
    assert compared(made(), made(), same_machine=same_machine) == ""


def test_on_the_same_kind_of_machine_the_last_bit_counts_and_is_found() -> None:
    told = compared(made(), made(lambda tick: 1e-6 * (tick == 77)), same_machine=True)
    assert "session 'a session'" in told and comparing.COMMAND in told
    assert "tick 77 (1.54 s): /brainmusic/feature/alpha" in told
    assert "by less than can be seen" in told and "1 of 2 addresses" in told
    assert "sound" not in told


def test_the_size_of_a_change_is_told() -> None:
    told = compared(made(), made(lambda tick: 0.05 * (tick >= 100)), same_machine=True)
    assert "tick 100 (2.00 s): /brainmusic/feature/alpha mean of second 2: " in told and "by +0.05" in told


def test_a_change_of_sound_is_told_in_decibels() -> None:
    def louder(x: np.ndarray) -> np.ndarray:
        return np.asarray(x * np.where(np.arange(len(x)) >= 1.5 * RATE, 1.122, 1.0))

    told = compared(made(), made(sound=louder), same_machine=True)
    assert "sound: first at tick 75 (1.50 s); at most +1.0 dB, around 1000 Hz in second 2" in told
    assert "OSC" not in told
    quiet = compared(made(), made(sound=lambda x: x + 1e-7 * (np.arange(len(x)) == 60_000)), same_machine=True)
    assert "sound: first at tick 62 (1.24 s); levels as before" in quiet


def test_another_kind_of_machine_may_differ_in_its_last_bits_but_not_in_what_it_plays() -> None:
    def rounded(x: np.ndarray) -> np.ndarray:
        return np.asarray(x * (1 + 1e-6))

    assert compared(made(), made(lambda tick: 1e-6, rounded), same_machine=False) == ""
    told = compared(made(), made(lambda tick: 0.05 * (tick >= 100)), same_machine=False)
    assert "/brainmusic/feature/alpha: mean of second 2" in told and comparing.COMMAND in told
    assert "+2.0 dB around 1000 Hz in second 0" in compared(
        made(), made(sound=lambda x: np.asarray(x * 1.26)), same_machine=False
    )


def test_addresses_that_come_and_go_are_named_on_any_machine() -> None:
    def renamed(taken: Taken) -> Taken:
        return dataclasses.replace(taken, log=taken.log.replace(b"control/tempo", b"control/pace"))

    for same_machine in (True, False):
        told = compared(made(), renamed(made()), same_machine=same_machine)
        assert "/brainmusic/control/tempo" in told or "/brainmusic/control/pace is new" in told
    assert "/brainmusic/control/pace is new" in compared(made(), renamed(made()), same_machine=False)


def test_what_is_kept_comes_back_as_it_was(tmp_path: Path) -> None:
    means, now = both(made())
    keeping.save("it", means, {"a": now, "b": now, "c": now}, tmp_path)
    found = keeping.load("it", tmp_path)
    assert found is not None and found[0] == means
    assert [*found[1]] == ["b", "c"] and found[1]["c"] == now  # the newest kinds of machines
    assert keeping.load("another", tmp_path) is None


def test_an_update_says_why(tmp_path: Path) -> None:
    history = tmp_path / "HISTORY.md"
    keeping.note("softer attacks", ["preset-drone"], history)
    keeping.note("louder bass", ["preset-pulse", "preset-tides"], history)
    text = history.read_text(encoding="utf-8")
    assert text.count("#") == 1 and "softer attacks (preset-drone)" in text
    assert text.splitlines()[-1].endswith("louder bass (preset-pulse, preset-tides)")
    done = subprocess.run(
        [sys.executable, CHECKOUT / "scripts" / "golden", "--update", "bass"], capture_output=True, text=True
    )
    assert done.returncode == 2 and "say why" in done.stderr


def test_a_processor_with_other_instructions_is_another_machine_and_still_agrees(tmp_path: Path) -> None:
    """The real thing: OpenBLAS and numba are told to do without AVX, and round otherwise."""
    code = """
import sys, json
from pathlib import Path
from tests.golden import keeping, updating
from tests.golden.fingerprint import exact, fingerprint, machine
from tests.golden.sessions import sessions
from tests.golden.taking import take
session = next(s for s in sessions() if s.name == "preset-ensemble")
taken = take(session, Path(sys.argv[1]))
kept, now = keeping.load(session.name), exact(taken)
told = updating.said(session.name, kept, machine(), fingerprint(taken), now)
print(json.dumps([machine(), now.osc, told]))
"""
    plain = {"OPENBLAS_CORETYPE": "Nehalem", "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3"}
    env = {**os.environ, **plain, "PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run([sys.executable, "-c", code, tmp_path], env=env, capture_output=True, text=True, timeout=280)
    if done.returncode and "NPY_DISABLE_CPU_FEATURES" in done.stderr:
        pytest.skip("numpy of this machine has nothing that it could do without")
    assert done.returncode == 0, done.stderr[-2000:]
    key, osc, told = json.loads(done.stdout.splitlines()[-1])
    kept = keeping.load("preset-ensemble")
    assert kept is not None
    if key == machine() or osc in {each.osc for each in kept[1].values()}:
        pytest.skip("OpenBLAS of this machine has one way of rounding only")
    assert told == ""
