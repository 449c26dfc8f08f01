"""Calibration: from a headset, from recordings, and what it refuses."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from brainmusic_daemon import config, registry
from brainmusic_daemon.acquisition.formats.markers import Marker
from brainmusic_daemon.api import Chunk, Clock, ConfigError, SourceLost, StreamInfo
from brainmusic_daemon.cli.calibrate import calibrate as command
from brainmusic_daemon.clock import VirtualClock
from brainmusic_daemon.config import Config
from brainmusic_daemon.features import profile_file
from brainmusic_daemon.features.profile import Profile
from brainmusic_daemon.service import calibrate, conditions, contact, takes
from brainmusic_daemon.service.guide import Guide
from brainmusic_daemon.service.render import render
from brainmusic_daemon.service.takes import Take
from tests import parts
from tests.signals import CYTON, Samples, pink, sine

FS = 250.0


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAINMUSIC_PROFILES", str(tmp_path / "profiles"))


def plain(*overrides: str) -> Config:
    return config.load(None, overrides, {"output": {}})


def take(x: Samples, channels: tuple[str, ...] = CYTON) -> Take:
    """Return a take of samples (n, n_channels) in chunks of 20 ms."""
    step = 5
    chunks = tuple(Chunk(x[i : i + step], (np.arange(i, i + step) / FS)[: len(x) - i]) for i in range(0, len(x), step))
    return Take(StreamInfo("test", channels, FS, rail_uv=187_500.0), chunks)


def person(alpha_uv: float, seconds: float = 14.0, hz: float = 10.6, seed: int = 0) -> Samples:
    """Return noise and an alpha rhythm that waxes and wanes, strongest at the back."""
    n = round(seconds * FS)
    rng = np.random.default_rng(seed + 100)
    envelope = np.abs(
        np.interp(
            np.arange(n),
            np.arange(0, n + 125, 125),
            1 + 0.3 * rng.standard_normal(n // 125 + 2)[: len(np.arange(0, n + 125, 125))],
        )
    )
    share = np.array([0.2, 0.2, 0.4, 0.4, 0.8, 0.8, 1.0, 1.0])
    return pink(n, 8, FS, seed, rms_uv=6.0) + (envelope * sine(n, FS, hz, alpha_uv))[:, None] * share


def both(**changes: float) -> dict[str, Take]:
    return {"open": take(person(4.0, **changes)), "closed": take(person(20.0, seed=1, **changes))}


# --- analysis ---------------------------------------------------------------------------------------------------------


def test_it_finds_the_rhythm_and_says_so_in_plain_words() -> None:
    heard: list[tuple[float, float]] = []
    found = calibrate.analyse("anna", plain(), both(), lambda done, total: heard.append((done, total)))
    profile = found.profile
    assert profile.alpha_hz == pytest.approx(10.6, abs=0.2)
    assert profile.bands["alpha"] == pytest.approx((8.6, 12.6), abs=0.2)
    assert profile.usable == CYTON
    assert set(profile.conditions) == {"open", "closed"}
    assert "your rhythm is at 10.6 Hz" in found.lines[0]
    assert any("alpha.occipital" in line and "times as strong" in line for line in found.lines)
    assert not found.warnings
    done = [one for one, _ in heard]
    assert done == sorted(done)
    assert done[-1] <= heard[-1][1]


def test_the_profile_tells_open_from_closed_eyes_at_once() -> None:
    """With what was learned in one recording, another of the same person is on the right side from the start."""
    name = calibrate.analyse("anna", plain(), both()).profile
    profile_file.save(name)
    with_profile = plain("session.profile=anna", "features.learn_s=0")
    for alpha_uv, side in ((4.0, -1), (20.0, 1)):
        heard = played(with_profile, take(person(alpha_uv, seed=7)))
        means = heard[: len(heard) // 100 * 100].reshape(-1, 100).mean(axis=1)
        assert (side * (means - 0.5) > 0).mean() > 0.9


def played(settings: Config, source: Take, feature: str = "alpha.occipital") -> np.ndarray:
    """Return the normalised feature of every tick."""
    values: list[float] = []

    class Notes:
        def open(self, clock: Clock, info: StreamInfo) -> None: ...

        def send(self, frame) -> None:  # type: ignore[no-untyped-def]
            if frame.features.names:
                values.append(frame.features[feature])

        def close(self) -> None: ...

        def counters(self) -> dict[str, float]:
            return {}

    from dataclasses import replace

    render(replace(settings, source=takes.Played(source)), {"notes": Notes()})
    return np.array(values[50:])


def test_bands_set_by_hand_stay() -> None:
    found = calibrate.analyse("anna", plain("features.bands.alpha=[8, 12]"), both())
    assert found.profile.bands == {"alpha": (8.0, 12.0)}


def test_no_reaction_of_alpha_is_a_note_and_no_error() -> None:
    found = calibrate.analyse("anna", plain(), {"open": take(person(12.0)), "closed": take(person(12.0, seed=1))})
    assert any("people differ" in warning for warning in found.warnings)


def test_without_a_peak_the_usual_bands_are_used() -> None:
    found = calibrate.analyse("anna", plain(), {"whole": take(pink(3500, 8, FS, rms_uv=6.0))})
    assert found.profile.bands["alpha"] == (8.0, 13.0)
    assert any("usual bands" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("flat", "flat"),
        ("railed", "saturated|flat"),
        ("loose", "mains"),
        ("noisy", "noisy|mains|moving"),
        ("nan", "flat|unreadable"),
    ],
)
def test_bad_contact_is_refused_and_the_electrode_named(how: str, reason: str) -> None:
    made = both()
    x = person(20.0, seed=1)
    n = len(x)
    x[:, 6] = {
        "flat": np.zeros(n),
        "railed": np.full(n, 187_500.0),
        "loose": x[:, 6] + sine(n, FS, 50.0, 2000.0),
        "noisy": x[:, 6] * 60,
        "nan": np.full(n, np.nan),
    }[how]
    made["closed"] = take(x)
    with pytest.raises(ConfigError, match=rf"O1 \(.*({reason}).*without O1") as error:
        calibrate.analyse("anna", plain(), made)
    assert "P7" not in str(error.value)
    assert profile_file.known() == []


def test_a_few_noisy_channels_of_a_net_are_left_out_and_named() -> None:
    assert contact.refusal({"AF7": "noisy"}, 64) is None
    assert contact.refusal({"AF7": "noisy"}, 8) is not None
    assert contact.refusal({"AF7": "flat"}, 64) is not None
    assert contact.refusal({}, 8) is None


def test_too_little_is_refused() -> None:
    with pytest.raises(ConfigError, match="nothing to calibrate with"):
        guide(plain(), []).run({})
    said: list[str] = []
    with pytest.raises(ConfigError, match=r"5\.0 s with eyes open"):
        guide(plain(), said).run({"open": 5.0})
    assert not said
    with pytest.raises(ConfigError, match=r"5\.0 s with eyes closed, and 10 s are needed"):
        calibrate.analyse("anna", plain(), {"open": take(person(4.0)), "closed": take(person(20.0, 5.0))})


# --- live -------------------------------------------------------------------------------------------------------------


def guide(settings: Config, said: list[str], **more: object) -> Guide:
    return Guide(settings, VirtualClock(), say=said.append, **more)  # type: ignore[arg-type]


def test_the_guide_leads_through_both_conditions() -> None:
    """The simulated person keeps the eyes open for 20 s, then closed."""
    said: list[str] = []
    bells: list[int] = []
    progress: list[float] = []
    settings = plain("source.period_s=20", "source.jaw_per_min=0")
    led = guide(
        settings, said, bell=lambda: bells.append(1), progress=lambda done, total: progress.append(done / total)
    )
    made = led.run({"open": 12.0, "closed": 12.0})
    assert made is not None
    assert [round(one.seconds) for one in made.values()] == [12, 12]
    assert "OPEN" in said[0]
    assert any("CLOSE" in line for line in said)
    assert len(bells) == 4
    assert progress == sorted(progress)
    assert progress[-1] == pytest.approx(1.0, abs=0.01)
    found = calibrate.analyse("me", settings, made)
    assert found.profile.alpha_hz == pytest.approx(10.0, abs=0.3)


class Faulty:
    """A headset with one electrode off."""

    def __init__(self, ends_after: float = np.inf) -> None:
        self.ends_after = ends_after

    def open(self, clock: Clock) -> StreamInfo:
        self.clock, self.at = clock, 0
        self.x = person(10.0, 80.0)
        if self.ends_after == np.inf:
            self.x[:, 3] = 0.0
        return StreamInfo("faulty", CYTON, FS)

    def read(self, timeout: float) -> Chunk | None:
        if self.clock.now() > self.ends_after:
            raise SourceLost("the cable is out")
        stop = min(round(self.clock.now() * FS), len(self.x))
        if stop <= self.at:
            return None
        start, self.at = self.at, stop
        return Chunk(self.x[start:stop], np.arange(start, stop) / FS)

    def close(self) -> None: ...


def with_source(source: object) -> Config:
    from dataclasses import replace

    return replace(plain(), source=source)  # type: ignore[arg-type]


def test_the_guide_waits_for_contact_and_then_refuses() -> None:
    said: list[str] = []
    with pytest.raises(ConfigError, match=r"C4 \(flat"):
        guide(with_source(Faulty()), said).run({"open": 12.0})
    assert said == ["Waiting for contact at C4"]


def test_a_headset_that_goes_away_ends_the_calibration() -> None:
    with pytest.raises(SourceLost, match="went away during the calibration"):
        guide(with_source(Faulty(ends_after=8.0)), []).run({"open": 12.0})


def test_no_headset_at_all_is_source_lost() -> None:
    with pytest.raises(SourceLost):
        guide(plain("source.dropout_every_s=1e6", "source.dropout_s=9e5", "source.duration_s=0.001"), []).run(
            {"open": 12}
        )


def test_it_can_be_stopped() -> None:
    stop = threading.Event()
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        if line.startswith("2"):
            stop.set()

    assert Guide(plain(), VirtualClock(), say=say, stop=stop).run({"open": 12.0}) is None


# --- recordings -------------------------------------------------------------------------------------------------------


def test_markers_tell_which_part_is_which() -> None:
    found = [
        Marker(0.0, 0.0, "start"),
        Marker(5.0, 0.0, "Eyes Open"),
        Marker(40.0, 0.0, "eyes_closed"),
        Marker(9.0, 0, "T1"),
    ]
    assert conditions.spans_of(sorted(found, key=lambda m: m.time), 80.0) == {
        "open": (5.0, 35.0),
        "closed": (40.0, 40.0),
    }
    stated = [Marker(10.0, 20.0, "EC"), Marker(50.0, 25.0, "EO")]
    assert conditions.spans_of(stated, 100.0) == {"closed": (10.0, 20.0), "open": (50.0, 25.0)}
    assert conditions.spans_of([Marker(0.0, 60.0, "T0"), Marker(1.0, 0.0, "record")], 60.0) == {}


def annotated(tmp_path: Path) -> Path:
    import mne

    x = np.vstack([person(4.0), person(20.0, seed=1)])
    raw = mne.io.RawArray(x.T * 1e-6, mne.create_info(list(CYTON), FS, "eeg"), verbose="error")
    raw.set_annotations(mne.Annotations([0.0, 14.0], [14.0, 14.0], ["eyes open", "eyes closed"]))
    path = tmp_path / "both_raw.fif"
    raw.save(path, verbose="error")
    return path


def test_a_recording_with_annotations_through_the_command(tmp_path: Path) -> None:
    done = run_command("anna", "--from", str(annotated(tmp_path)))
    assert done.exit_code == 0, done.output
    assert "s eyes open, 1" in done.output
    assert "session.profile=anna" in done.output
    assert set(profile_file.load("anna").conditions) == {"open", "closed"}


def test_seconds_say_which_part_is_which(tmp_path: Path) -> None:
    path = annotated(tmp_path)
    made = conditions.takes(path, None, 12.0, 11.0)
    assert {eyes: round(one.seconds) for eyes, one in made.items()} == {"open": 12, "closed": 11}
    first = takes.collect(registry.build("source", "recording", {"path": str(path)}, "x"))
    assert np.array_equal(made["closed"].samples[:100], first.samples[3000:3100])
    assert set(conditions.takes(path, None, None, 11.0)) == {"closed"}


def run_command(*arguments: str):  # type: ignore[no-untyped-def]
    app = typer.Typer()
    app.command()(command)
    return CliRunner().invoke(app, arguments)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("../anna",), "one word"),
        (("anna", "--from", "nowhere.edf"), "there is no recording"),
        (("anna", "--closed-from", "nowhere.edf"), "--from"),
    ],
)
def test_bad_usage_is_one_message(arguments: tuple[str, ...], says: str) -> None:
    done = run_command(*arguments)
    assert isinstance(done.exception, ConfigError)
    assert says in str(done.exception)
    assert done.exception.exit_code == 2


# --- real people ------------------------------------------------------------------------------------------------------


def windows(n_seconds: int) -> np.ndarray:
    """Return where windows start, s: every tenth of a second, so that no lucky alignment decides."""
    return np.arange(1.0, 59.0 - n_seconds, 0.1)


def welch(x: Samples, samplerate: float, seconds: int) -> np.ndarray:
    """Return the power of 8 to 12 Hz in every window of x (n_samples, n_channels), µV²/Hz."""
    from scipy.signal import welch as periodograms

    starts = (windows(seconds) * samplerate).astype(int)
    cut = np.stack([x[start : start + round(seconds * samplerate)] for start in starts])
    f, power = periodograms(cut, samplerate, nperseg=round(2 * samplerate), axis=1)
    return np.asarray(power[:, (f >= 8) & (f <= 12)].mean(axis=(1, 2)))


@pytest.mark.parametrize(("subject", "hz"), [("S001", 10.0), ("S002", 11.25)])
def test_real_eyes_are_told_apart_at_a_half(subject: str, hz: float) -> None:
    """At least as well as offline Welch with the best threshold does it on the same windows, of 2 s and of 5 s."""
    folder = parts.recordings() / "eyes_open_closed"
    made = conditions.takes(folder / f"{subject}R01.edf", folder / f"{subject}R02.edf", None, None)
    found = calibrate.analyse(subject, plain(), made)
    assert found.profile.alpha_hz == pytest.approx(hz, abs=0.35)
    profile_file.save(found.profile)
    values = {eyes: played(plain(f"session.profile={subject}"), made[eyes], "alpha") for eyes in made}
    back = [made["open"].info.channels.index(name) for name in ("O1", "Oz", "O2")]
    for seconds in (2, 5):
        ours, theirs = [], []
        for eyes, one in made.items():
            starts = (windows(seconds) * 50).round().astype(int) - 50  # the first second of ticks is left out
            means = np.array([values[eyes][start : start + 50 * seconds].mean() for start in starts])
            ours.append(((means > 0.5) == (eyes == "closed")).mean())
            theirs.append(welch(one.samples[:, back], one.info.samplerate, seconds))
        best = max(((theirs[0] < at).mean() + (theirs[1] > at).mean()) / 2 for at in np.concatenate(theirs))
        assert np.mean(ours) >= best


def test_an_inverse_responder_is_calibrated_with_a_note() -> None:
    folder = parts.recordings() / "rest_vs_arithmetic"
    made = conditions.takes(folder / "Subject10_2.edf", folder / "Subject10_1.edf", 60.0, 60.0)
    found = calibrate.analyse("s10", plain(), made)
    assert any("other way round" in warning for warning in found.warnings)
    assert isinstance(found.profile, Profile)
