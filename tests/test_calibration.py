"""Calibration while the daemon runs: who is led how, what is taken up between two ticks, and what stays as it was."""

from __future__ import annotations

import errno
import math
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from pythonosc.osc_message import OscMessage

from brainmusic_daemon import config as configuration
from brainmusic_daemon.acquisition.simulator import Simulator
from brainmusic_daemon.api import ConfigError, Drone, EndOfStream, SourceLost, State
from brainmusic_daemon.clock import VirtualClock
from brainmusic_daemon.config import Config
from brainmusic_daemon.features import artifacts, profile_file
from brainmusic_daemon.features.bank import FeatureBank
from brainmusic_daemon.features.profile import Profile
from brainmusic_daemon.music.bell import CALLS, Bell
from brainmusic_daemon.pipeline import Pipeline
from brainmusic_daemon.service import adoption, calibrate, contact, guidance, kept
from brainmusic_daemon.service.calibration import Calibration
from brainmusic_daemon.service.command import Refused
from brainmusic_daemon.service.daemon import Daemon
from brainmusic_daemon.service.guidance import Guidance, Lead, Look, Phase
from brainmusic_daemon.service.session import Session
from brainmusic_daemon.service.takes import Played, Take, collect
from tests.daemons import daemon
from tests.receivers import wait_for


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BRAINMUSIC_PROFILES", str(tmp_path / "profiles"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "profiles"


# --- who is led how ---------------------------------------------------------------------------------------------------


def led(
    lead: Lead, seconds: float, start: float = 0.0, **how: object
) -> tuple[list[Guidance], list[tuple[float, str]]]:
    """Look every 50 ms, from `start` on."""
    told, calls = [], []
    for number in range(round(seconds / 0.05)):
        now = start + number * 0.05
        look = replace(Look(now, True, {}, 8), **how)  # type: ignore[arg-type]
        found, call = lead.step(look)
        told.append(found)
        calls += [(now, call)] if call else []
    return told, calls


def test_a_person_is_led_through_contact_open_and_closed_eyes() -> None:
    lead = Lead("anna", "", {"open": 20.0, "closed": 15.0})
    told, calls = led(lead, 47.0)
    phases = list(dict.fromkeys(one.phase for one in told))
    assert phases == ["contact", "ready", "open", "closed", "thinking"]
    assert [call for _, call in calls] == ["begin", "close", "begin", "open"]  # the eyes open at a rising bell
    opened, closed = lead.spans["open"], lead.spans["closed"]
    assert opened == pytest.approx((6.0, 26.0), abs=0.11) and closed == pytest.approx((30.0, 45.0), abs=0.2)
    halfway = next(one for one in told if one.phase is Phase.OPEN and one.left_s < 10)
    assert halfway.kept_s == pytest.approx(10, abs=0.2) and halfway.rejected_s == 0 and 0.3 < halfway.progress < 0.5
    assert told[-1].takes == pytest.approx({"open": 20, "closed": 15}, abs=0.2) and told[-1].progress > 0.99
    assert all(later.progress >= sooner.progress for sooner, later in pairwise(told))


def test_bad_contact_is_named_waited_for_and_then_refused() -> None:
    lead = Lead("anna", "", {"open": 10.0})
    told, calls = led(lead, 30.0, bad={"O1": "flat"})
    assert told[-1].phase is Phase.CONTACT and "O1" in told[-1].text and told[-1].bad == {"O1": "flat"} and not calls
    told, _ = led(lead, 4.0, start=30.0)
    assert told[-1].phase is Phase.READY  # pressed on: it begins
    lead = Lead("anna", "", {"open": 10.0})
    with pytest.raises(ConfigError, match=r"bad contact.*O1"):
        led(lead, 70.0, bad={"O1": "flat"})


def test_a_take_with_too_little_good_signal_becomes_longer_and_is_then_refused() -> None:
    lead = Lead("anna", "", {"open": 14.0})
    led(lead, 6.05)
    told, _ = led(lead, 8.0, start=6.05, good=False)
    assert told[-1].rejected_s == pytest.approx(8, abs=0.2)
    told, _ = led(lead, 11.0, start=14.05)  # 14 s are over, 12 of good signal are not there
    assert told[-1].phase is Phase.OPEN and 0 < told[-1].left_s < 2
    led(lead, 1.5, start=25.05)
    assert lead.phase is Phase.THINKING and lead.spans["open"][1] == pytest.approx(26.1, abs=0.2)
    lead = Lead("anna", "", {"closed": 14.0})
    led(lead, 6.05)
    with pytest.raises(ConfigError, match=r"too little good signal.*eyes closed"):
        led(lead, 29.0, start=6.05, good=False)


def test_a_headset_that_goes_away_ends_it_and_too_short_is_refused_at_once() -> None:
    lead = Lead("anna", "", {"open": 12.0})
    led(lead, 8.0)
    with pytest.raises(SourceLost, match="went away during the calibration \\(no sample"):
        led(lead, 1.0, start=8.0, gone="no sample for 0.8 s")
    for seconds in ({}, {"open": 5.0}):
        with pytest.raises(ConfigError):
            Lead("anna", "", seconds)


# --- the bell ---------------------------------------------------------------------------------------------------------


def test_the_bell_rings_every_stroke_once_in_tune_and_leaves_the_rest_alone() -> None:
    bell, controls = Bell(), {"fundamental_frequency": 147.0}
    assert not bell.rings
    for call, strokes in CALLS.items():
        bell.ring(call)
        rung, tick = [], 0
        while bell.rings:
            notes, drone = bell.step(tick * 0.02, (), None, controls)
            rung += notes
            assert tick == 0 or not notes or notes[0].time - tick * 0.02 <= 0.0601
            if bell.rings:
                assert drone is not None and drone.tones == 3 and drone.notes >= 1
            tick += 1
        assert [note.time - rung[0].time for note in rung] == pytest.approx([at for at, _ in strokes])
        semitones = [note.pitch - rung[0].pitch for note in rung]
        assert semitones == pytest.approx([pitch - strokes[0][1] for _, pitch in strokes])
    piece = Drone(110.0, 1, 0.3, 0.2, 0.5)
    assert bell.step(0.0, (), piece, controls) == ((), piece)


def test_the_bell_is_heard_over_the_quietest_music(tmp_path: Path) -> None:
    wav = pytest.importorskip("soundfile")
    from brainmusic_daemon import registry
    from brainmusic_daemon.api import StreamInfo

    path = tmp_path / "bell.wav"
    made = Pipeline(configuration.resolve({"source": {"kind": "simulator"}}))
    output = registry.build("output", "wav", {"path": str(path)}, "output")
    output.open(VirtualClock(), StreamInfo("", (), 0.0))
    for number in range(400):  # nobody is there: the music rests, and its chord has every voice
        if number == 200:
            made.ring("open")
        output.send(made.idle(number * 0.02))
    output.close()
    sound, rate = wav.read(path)
    left = sound[:, 0]
    before, after = left[round(2.5 * rate) : round(3.9 * rate)], left[round(4.1 * rate) : round(6.0 * rate)]

    def above(x: np.ndarray) -> float:
        power = np.abs(np.fft.rfft(x * np.hanning(len(x)))) ** 2
        f = np.fft.rfftfreq(len(x), 1 / rate)
        return float(power[(f > 500) & (f < 2500)].sum() / len(x))

    assert above(after) > 10 * above(before)  # 10 dB where the bell is
    assert np.abs(after).max() < 1.0 and np.abs(np.diff(left)).max() < 0.2  # and no click


# --- taken up between two ticks ---------------------------------------------------------------------------------------

SETTINGS = {"source": {"kind": "simulator", "seed": 5, "period_s": 13.0, "blinks_per_min": 0.0, "jaw_per_min": 0.0}}


@pytest.fixture(scope="module")
def played() -> Take:
    """Sixty seconds without blinks: what is known of a person's eyes is learned, and no part of a profile."""
    return collect(Simulator(seed=5, period_s=13.0, blinks_per_min=0.0, jaw_per_min=0.0, duration_s=60.0))


@pytest.fixture(scope="module")
def anna(played: Take) -> Profile:
    parted = {
        eyes: Take(played.info, tuple(c for c in played.chunks if start <= c.times[-1] < start + 12))
        for eyes, start in (("open", 0.5), ("closed", 13.5))
    }
    return profile_file.as_saved(calibrate.analyse("anna", configuration.resolve(SETTINGS), parted).profile)


def listened(config: Config, take: Take, profile: Profile | None, at: float = math.inf) -> tuple[Session, list]:
    """Play a take through a session that takes up a profile at some time; return all frames."""
    clock = VirtualClock()
    session = Session(config, clock, Played(take))
    frames, number, taken_up = [], 0, False
    try:
        while True:
            number += 1
            clock.wait_until(number * 0.02)
            session.acquisition.pump()
            session.attach()
            if number * 0.02 >= at and not taken_up:
                taken_up = adoption.adopt(session, "", profile)
            frames.append(session.tick(number * 0.02))
    except EndOfStream:
        session.acquisition.stop()
    return session, frames


def table(frames: list, wanted: list[str]) -> np.ndarray:
    """Return what features were two seconds after they were taken up, and from then on."""
    return np.array([[frame.features[name] for name in wanted] for frame in frames if frame.time > 37.0])


@pytest.mark.parametrize("mended", [False, True])
def test_from_then_on_the_numbers_are_those_of_a_start_with_the_profile(
    played: Take, anna: Profile, mended: bool
) -> None:
    plain = configuration.resolve({**SETTINGS, "artifacts": {"enabled": mended}})
    session, live = listened(plain, played, anna, at=35.0)
    _, ready = listened(configuration.personal(plain, anna), played, None)
    _, without = listened(plain, played, None)
    assert session.config.profile is anna and session.config.session.profile == "anna"
    names = [name for name in ready[-1].features.names if name.split(".")[0] in ("alpha", "beta", "theta")]
    raw = [f"raw.{name}" for name in names]
    same = np.isclose(table(live, raw), table(ready, raw), rtol=1e-5)  # the same kernels and bands
    assert same.mean() > 0.95 if mended else same.all()  # what is usual for muscles and eyes is learned for longer
    apart = np.abs(table(live, names) - table(ready, names))  # how far the range had followed the person
    other = np.abs(table(without, names) - table(ready, names))
    assert apart.mean() < 0.01 and other.mean() > 5 * apart.mean()
    assert mended or apart.max() < 0.06


def test_nothing_steps_rests_or_is_held_meanwhile(played: Take, anna: Profile) -> None:
    session, frames = listened(configuration.resolve(SETTINGS), played, anna, at=35.0)
    around = [frame for frame in frames if 30.0 < frame.time < 40.0]
    assert {frame.features.state for frame in around} == {State.GOOD} and min(f.follow for f in around) == 1.0
    for name in ("alpha", "beta", "engagement", "alpha.occipital"):
        values = np.array([frame.features[name] for frame in around])
        steps = np.abs(np.diff(values))
        at = next(i for i, frame in enumerate(around) if frame.time >= 35.0)
        assert steps[at - 2 : at + 3].max() <= 1.5 * np.percentile(steps, 99), name
    for control in ("tempo", "loudness", "brightness"):
        values = np.array([frame.controls[control] for frame in around])
        steps = np.abs(np.diff(values))
        assert steps[at - 2 : at + 3].max() <= 1.5 * steps[: at - 5].max() + 1e-9, control
    assert session.pipeline.bank is session.head.of("").bank


def test_a_profile_with_a_band_of_its_own_brings_its_features(played: Take, anna: Profile) -> None:
    more = replace(anna, bands={**anna.bands, "smr": (12.0, 15.0)})
    _, frames = listened(configuration.resolve(SETTINGS), played, more, at=20.0)
    assert "smr" not in frames[900].features and "smr" in frames[-1].features
    after = [frame for frame in frames if frame.time > 20.0]
    assert {frame.features.state for frame in after} <= {State.GOOD, State.HELD} and min(f.follow for f in after) > 0.9


def test_going_back_to_nobody_learns_anew_with_the_usual_bands(played: Take, anna: Profile) -> None:
    known = configuration.personal(configuration.resolve(SETTINGS), anna)
    session, frames = listened(known, played, None, at=20.0)
    assert session.config.profile is None and session.config.session.profile == ""
    assert session.config.features.bands["alpha"] == (8.0, 13.0)
    states = [frame.features.state for frame in frames if frame.time > 20.1]
    assert states[-1] is State.GOOD and State.HELD not in states and State.LOST not in states


def test_what_fails_leaves_everything_as_it_was(played: Take, anna: Profile) -> None:
    config = configuration.resolve(SETTINGS)
    clock = VirtualClock()
    session = Session(config, clock, Played(played))
    for number in range(1, 400):
        clock.wait_until(number * 0.02)
        session.acquisition.pump()
        session.attach()
        session.tick(number * 0.02)
    bank = session.pipeline.bank

    def full() -> None:
        raise ConfigError("cannot write the profile: no space left on device")

    with pytest.raises(ConfigError, match="no space"):
        adoption.adopt(session, "", anna, full)
    elsewhere = replace(anna, channels=("X1", "X2"), usable=("X1", "X2"))
    with pytest.raises(ConfigError, match="none is the same"):
        adoption.adopt(session, "", elsewhere)
    assert session.config is config and session.pipeline.bank is bank is session.head.of("").bank
    session.acquisition.stop()


def test_without_a_headset_it_holds_as_soon_as_one_comes(played: Take, anna: Profile) -> None:
    session = Session(configuration.resolve(SETTINGS), VirtualClock(), Played(played))
    assert not adoption.adopt(session, "", anna)
    session.acquisition.pump()
    session.attach()
    bank = session.pipeline.bank
    assert isinstance(bank, FeatureBank) and bank.setup.bands["alpha"] == anna.bands["alpha"]
    assert bank.baseline.seconds > 500
    session.acquisition.stop()


def test_what_new_kernels_look_like_is_worked_out_beside_the_tick(
    played: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, calls = [False], []
    usual, update = artifacts.movement_powers, FeatureBank.update
    monkeypatch.setattr(artifacts, "movement_powers", lambda *given: (calls.append(inside[0]), usual(*given))[1])

    def watched(self: FeatureBank, *given: object, **named: object) -> object:
        inside[0] = True
        try:
            return update(self, *given, **named)  # type: ignore[arg-type]
        finally:
            inside[0] = False

    monkeypatch.setattr(FeatureBank, "update", watched)
    config = configuration.resolve({**SETTINGS, "features": {"learn_s": 8.0}})
    short = Take(played.info, tuple(chunk for chunk in played.chunks if chunk.times[-1] < 20))
    session, _ = listened(config, short, None)
    bank = session.pipeline.bank
    assert isinstance(bank, FeatureBank) and bank.artifacts is not None
    assert calls == [False, False]  # at the start, and when the person's spectrum was learned
    assert bank.artifacts._made is bank.spectral.made and bank.artifacts._expected is None


# --- files ------------------------------------------------------------------------------------------------------------


def test_a_profile_that_is_replaced_is_kept_and_comes_back(anna: Profile, folder: Path) -> None:
    path = profile_file.save(anna)
    first = profile_file.load("anna")
    saved = profile_file.as_saved(anna)
    assert first.bands == saved.bands == anna.bands and (first.ranges.middle == saved.ranges.middle).all()
    for number in range(12):
        for file in folder.glob("anna.*"):  # each was made at another time
            os.utime(file, (1_700_000_000 + 60 * number,) * 2)
        assert profile_file.save(replace(anna, noise_uv=1.0 + number)) == path
    assert profile_file.load("anna").noise_uv == 12.0 and profile_file.known() == ["anna"]
    earlier = sorted((folder / profile_file.EARLIER).glob("*.toml"))
    assert len(earlier) == profile_file.MOST_EARLIER and len([*(folder / profile_file.EARLIER).iterdir()]) == 20
    for suffix in (".toml", ".npz"):
        (folder / f"bert{suffix}").write_bytes(earlier[-1].with_suffix(suffix).read_bytes())
    assert profile_file.load("bert").noise_uv == 11.0


def test_a_full_disk_leaves_the_old_profile(anna: Profile, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profile_file.save(anna)
    usual = Path.write_bytes

    def full(self: Path, data: bytes) -> int:
        if ".toml" in self.name:
            raise OSError(errno.ENOSPC, "No space left on device")
        return usual(self, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ConfigError, match="No space left"):
        profile_file.save(replace(anna, noise_uv=9.0))
    assert profile_file.load("anna").noise_uv == profile_file.as_saved(anna).noise_uv
    assert sorted(file.name for file in folder.iterdir()) == ["anna.npz", "anna.toml"]


def test_what_was_chosen_while_it_played_outlives_a_crash(anna: Profile, tmp_path: Path) -> None:
    profile_file.save(anna)
    file = tmp_path / "mine.toml"
    file.write_text('[source]\nkind = "simulator"\n[session]\nname = "kept"\nresume = true\n')
    config = configuration.load(file)
    step = {"mapper": config.choice.name, "table": config.choice.table, "preset": "drone", "seed": 1}
    memory = kept.Kept(
        kept.VERSION, "kept", str(file), kept.fingerprint(config.tables), folder=None, profiles={"": "anna"}, **step
    )
    kept.write(memory)
    again, found = kept.recall(config)
    assert found is not None and found.profiles == {"": "anna"}
    assert again.profile is not None and again.session.profile == "anna"
    assert again.features.bands["alpha"] == pytest.approx(anna.bands["alpha"])
    kept.write(replace(memory, profiles={"": ""}))
    assert kept.recall(config)[0].profile is None
    kept.write(replace(memory, asked="bert"))  # the configuration said something else then: it counts
    again, found = kept.recall(config)
    assert found is not None and found.profiles == {} and again.profile is None


# --- a daemon ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Less of everything, for those who wait."""
    for module in (contact, calibrate, guidance):
        monkeypatch.setattr(module, "SHORTEST_S", 4.0)
    monkeypatch.setattr(guidance, "COUNT_S", 0.4)
    monkeypatch.setattr(guidance, "SETTLE_S", 0.3)


class Receiver:
    """Reads what the daemon sends, all the while: no buffer holds a minute of it."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(0.2)
        self.heard: list[bytes] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        while not self._stop.is_set():
            with suppress(TimeoutError):
                data = self.socket.recv(65536)
                if data.startswith((b"/brainmusic/cal", b"/brainmusic/cue", b"/brainmusic/note")):
                    self.heard.append(data)

    def of(self, address: str, place: int = 0) -> list:
        found = [OscMessage(data) for data in [*self.heard]]
        return [message.params[place] for message in found if message.address == address]

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self.socket.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def finished(running: Daemon) -> Guidance:
    wait_for(lambda: not running.calibration.under_way, 120, "for the end of the calibration")
    return running.calibration.guidance


@pytest.mark.usefixtures("quick")
def test_a_daemon_calibrates_twice_is_cancelled_and_forgets(folder: Path, receiver: Receiver) -> None:
    target = f'output.osc.targets=["127.0.0.1:{receiver.socket.getsockname()[1]}"]'
    settings = ("source.period_s=8", "source.blinks_per_min=0", target)
    with daemon(*settings, name="calibrates") as running:
        wait_for(lambda: running.session.frame is not None and running.session.frame.follow > 0.5, 60)
        asked = running.control.ask("calibrate.start", ["anna", 6, 6])
        assert asked.ok and "bell" in asked.text
        again = running.control.ask("calibrate.start", ["bert", 6, 6])
        assert not again.ok and again.reason == "busy"
        assert not running.control.ask("profile", ["anna"]).ok
        wait_for(lambda: running.calibration.guidance.phase is Phase.OPEN, 60)
        wait_for(lambda: running.session.frame.follow < 0.1, 60, "for the music to rest")  # type: ignore[union-attr]
        told = running.control.ask("status", []).data
        assert told["calibration"]["phase"] == "open" and told["calibration"]["kept_s"] >= 0
        frames: list = []
        running.session.tap = frames.append
        done = finished(running)
        assert done.phase is Phase.DONE, done.text
        assert any("your rhythm is at" in line for line in done.found) and done.takes.keys() == {"open", "closed"}
        wait_for(lambda: running.session.frame.follow > 0.9, 60, "for the music to follow")  # type: ignore[union-attr]
        assert {frame.features.state for frame in frames} <= {State.GOOD, State.CALIBRATING}
        assert [frame.number for frame in frames] == [*range(frames[0].number, frames[0].number + len(frames))]
        assert receiver.of("/brainmusic/cue") == ["begin", "close", "begin", "open"]
        phases = [*dict.fromkeys(receiver.of("/brainmusic/calibration"))]
        assert phases == ["contact", "ready", "open", "closed", "thinking", "done"]
        pitches = receiver.of("/brainmusic/note")
        assert len(pitches) >= 12 and max(pitches) - min(pitches) >= 19  # the rising bell
        assert running.control.ask("status", []).data["profile"] == {"": "anna"}
        assert profile_file.known() == ["anna"] and running.session.config.profile is not None
        wait_for(lambda: (memory := kept.read("calibrates")) and memory.profiles == {"": "anna"}, 20)

        assert running.control.ask("calibrate.start", ["anna", 5, 0]).ok  # once more, eyes open alone
        assert finished(running).phase is Phase.DONE
        assert len([*(folder / profile_file.EARLIER).glob("anna.*.toml")]) == 1

        assert running.control.ask("calibrate.start", ["carl", 6, 6]).ok
        wait_for(lambda: running.calibration.guidance.phase is Phase.CLOSED, 60)
        assert running.control.ask("calibrate.cancel", []).ok
        assert finished(running).phase is Phase.CANCELLED
        assert profile_file.known() == ["anna"] and running.control.ask("status", []).data["profile"] == {"": "anna"}
        assert not running.control.ask("calibrate.cancel", []).ok
        assert running.control.ask("profile.none", []).ok
        assert running.control.ask("status", []).data["profile"] == {"": ""}
        missing = running.control.ask("profile", ["nobody"])
        assert not missing.ok and "there is no profile 'nobody'" in missing.text
        found = running.control.ask("profile", ["anna"])
        assert found.ok and "calibrated" in found.text
        for given, why in (
            (["no/way"], "cannot be called"),
            (["x", 3, 3], "too little"),
            (["x", 6, 6, "p"], "one headset"),
        ):
            refused = running.control.ask("calibrate.start", given)
            assert not refused.ok and why in refused.text


def test_channels_that_may_be_left_out() -> None:
    assert contact.chosen("tp9, AF7", ("TP9", "AF7", "AF8")) == ("TP9", "AF7")
    with pytest.raises(ConfigError, match="no such channel; there is TP9, AF7"):
        contact.chosen("TP10", ("TP9", "AF7"))
    with pytest.raises(ConfigError, match="no channel would be left"):
        contact.chosen("TP9,AF7", ("TP9", "AF7"))
    assert contact.offer({"TP9": "flat"}, 4) == ("TP9",) and contact.offer({"TP9": "flat"}, 1) == ()
    assert contact.offer({"AF7": "noisy"}, 64) == ()  # it is left out anyway
    lead = Lead("anna", "", {"open": 20.0}, ("O2",))
    told, _ = lead.step(Look(0.0, True, {"O1": "flat"}, 7))
    assert told.offer == ("O2", "O1") and guidance.ending(told, Phase.FAILED).offer == ("O2", "O1")
    assert guidance.ending(told, Phase.CANCELLED).offer == ()


@pytest.mark.usefixtures("quick")
def test_a_channel_is_left_out_of_a_calibration_as_features_exclude_would() -> None:
    with daemon("source.period_s=8", "source.blinks_per_min=0", name="without") as running:
        wait_for(lambda: running.session.frame is not None and running.session.frame.follow > 0.5, 60)
        assert not running.control.ask("calibrate.start", ["anna", 6, 6, "", "Nz"]).ok
        first = running.session.frame.features.channels[0]  # type: ignore[union-attr]
        assert running.control.ask("calibrate.start", ["anna", 6, 6, "", first.lower()]).ok
        assert running.calibration.guidance.without == (first,)
        done = finished(running)
        assert done.phase is Phase.DONE, done.text
        profile = profile_file.load("anna")
        assert len(profile.channels) == 7 and first not in (*profile.channels, *profile.usable)


@pytest.mark.usefixtures("quick")
def test_a_headset_that_leaves_is_one_message_and_no_file(folder: Path) -> None:
    settings = ("source.dropout_every_s=9", "source.dropout_s=2")
    with daemon(*settings, name="leaves") as running:
        wait_for(lambda: running.session.frame is not None and running.session.frame.follow > 0.5, 60)
        assert running.control.ask("calibrate.start", ["anna", 8, 8]).ok
        done = finished(running)
        assert done.phase is Phase.FAILED and "the headset went away" in done.text and "as it was" in done.text
        assert not folder.exists() and running.session.config.profile is None
        wait_for(lambda: running.session.frame.follow > 0.5, 60, "for the music")  # type: ignore[union-attr]


@pytest.mark.usefixtures("quick")
def test_one_of_several_is_calibrated_while_the_others_play(tmp_path: Path) -> None:
    file = tmp_path / "duo.toml"
    tables = (f'[[source]]\nkind = "simulator"\nperson = "{who}"\nseed = {n}\n' for n, who in ((3, "anna"), (4, "ben")))
    file.write_text("\n".join([*tables, "[output.osc]\n[output.audio]\n"]))
    with daemon(config=file, name="duo") as running:

        def follows(who: str) -> float:
            frame = running.session.frame
            return frame.features.people[who].follow if frame is not None and who in frame.features.people else 0.0

        wait_for(lambda: min(follows("anna"), follows("ben")) > 0.9, 60)
        assert "whose headset" in running.control.ask("calibrate.start", ["carl", 6, 6]).text
        assert running.control.ask("calibrate.start", ["anna", 5, 5]).ok
        wait_for(lambda: follows("anna") < 0.1, 60, "for anna to rest")
        assert follows("ben") > 0.9
        done = finished(running)
        assert done.phase is Phase.DONE and done.person == "anna", done.text
        wait_for(lambda: follows("anna") > 0.9, 60, "for anna to be followed again")
        assert running.profiles.standing == {"anna": "anna", "ben": ""}
        names = running.session.frame.features.names  # type: ignore[union-attr]
        assert running.control.ask("profile.none", ["anna"]).ok and running.control.ask("profile", ["anna", "ben"]).ok
        assert running.profiles.standing == {"anna": "", "ben": "anna"}
        assert running.session.frame.features.names == names  # type: ignore[union-attr]


def test_there_is_nothing_to_calibrate_without_a_headset() -> None:
    with daemon("source.dropout_every_s=1000", name="none") as running:
        made = Calibration(running)
        running.session.acquisition.state = type(running.session.acquisition.state).LOST  # type: ignore[union-attr]
        with pytest.raises(Exception, match="there is no headset"):
            made.start("anna", 30, 30)


def test_no_thread_for_a_calibration_is_told_and_the_next_one_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with daemon(name="scarce") as running:
        with monkeypatch.context() as scarce:
            scarce.setattr(threading.Thread, "start", none_left)
            with pytest.raises(Refused, match="cannot calibrate now: can't start new thread"):
                running.calibration.start("anna", 30.0, 30.0)
        assert not running.calibration.under_way
        assert "calibrating anna" in running.calibration.start("anna", 30.0, 30.0)
        running.calibration.cancel()
