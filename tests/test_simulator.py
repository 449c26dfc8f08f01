"""The simulator: one person however it is read, its truth is in the signal, and every setting has an effect."""

from __future__ import annotations

import subprocess
import sys
from typing import Any, get_type_hints

import numpy as np
import pytest

from brainmusic_daemon import registry
from brainmusic_daemon.acquisition.person import Person
from brainmusic_daemon.acquisition.scalp import position
from brainmusic_daemon.acquisition.simulator import Simulator
from brainmusic_daemon.acquisition.supervisor import Acquisition, SourceState
from brainmusic_daemon.api import EndOfStream, SourceLost
from brainmusic_daemon.clock import VirtualClock, WallClock

QUIET: dict[str, Any] = {"blinks_per_min": 0, "jaw_per_min": 0, "mains_uv": 0, "drift_uv": 0}


def make(**settings: Any) -> Simulator:
    """Build it as a configuration does, checks and all."""
    made = registry.build("source", "simulator", settings, "source")
    assert isinstance(made, Simulator)
    return made


def signal(seconds: float, **settings: Any) -> np.ndarray:
    person = Person(**settings)
    blocks = int(np.ceil(seconds * person.samplerate / person.block_size))
    return np.concatenate([person.block(j) for j in range(blocks)])[: round(seconds * person.samplerate)]


def spectrum(x: np.ndarray, fs: float = 250.0) -> tuple[np.ndarray, np.ndarray]:
    """Welch by hand: 2 s Hann windows, half overlapped; (frequencies, power density (f, channels))."""
    n = round(2 * fs)
    window = np.hanning(n)[:, np.newaxis]
    pieces = [x[at : at + n] for at in range(0, len(x) - n + 1, n // 2)]
    power = np.mean([np.abs(np.fft.rfft((piece - piece.mean(0)) * window, axis=0)) ** 2 for piece in pieces], axis=0)
    return np.fft.rfftfreq(n, 1 / fs), power / (fs * (window**2).sum())


def band(x: np.ndarray, low: float, high: float, fs: float = 250.0) -> np.ndarray:
    f, power = spectrum(x, fs)
    return power[(f >= low) & (f < high)].sum(axis=0)


def envelope(x: np.ndarray, low: float, high: float, fs: float = 250.0) -> np.ndarray:
    """Zero-phase envelope of a band by the Fourier transform."""
    f = np.fft.fftfreq(len(x), 1 / fs)
    edge = np.clip(np.minimum(f - low, high - f) + 0.5, 0, 1)
    result: np.ndarray = np.abs(np.fft.ifft(2 * np.fft.fft(x) * edge))
    return result


# --- a pure function of the sample number ------------------------------------


def read_all(source: Simulator, tick: float, seconds: float, start: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    clock = VirtualClock(start)
    source.open(clock)
    samples, times = [], []
    try:
        while clock.now() < start + seconds:
            while (chunk := source.read(0.0)) is not None:
                assert chunk.times[-1] <= clock.now() + 1e-6, "nothing from the future"
                assert chunk.first == round((chunk.times[0] - start) * source.samplerate)
                samples.append(chunk.samples)
                times.append(chunk.times)
            clock.wait_until(clock.now() + tick)
    except EndOfStream:
        pass
    return np.concatenate(samples), np.concatenate(times)


@pytest.mark.parametrize(
    ("chunk_ms", "tick", "start"), [(4, 0.02, 0.0), (20, 0.05, 3.7), (100, 1.0, 0.0), (0, 0.3, 50)]
)
def test_reading_it_otherwise_changes_no_bit(chunk_ms: float, tick: float, start: float) -> None:
    expected = signal(5.0)
    got, times = read_all(make(chunk_ms=chunk_ms, duration_s=5.0), tick, 10.0, start)
    assert np.array_equal(got, expected)
    assert np.allclose(times, start + np.arange(1250) / 250)


def test_any_block_comes_out_alone() -> None:
    one, other = Person(), Person()
    whole = [one.block(j) for j in range(12)]
    for j in (7, 3, 11, 0):
        assert np.array_equal(other.block(j), whole[j])
    assert not whole[0].flags.writeable


def test_samples_come_in_chunks_when_they_are_due() -> None:
    source, clock = make(chunk_ms=20), VirtualClock(1.0)
    source.open(clock)
    clock.wait_until(1.0 + 3 / 250)
    assert source.read(0.0) is None and clock.now() == 1.0 + 3 / 250, "offline it never waits"
    clock.wait_until(1.0 + 4 / 250)
    chunk = source.read(0.0)
    assert chunk is not None and chunk.samples.shape == (5, 8)
    assert source.read(0.0) is None


def test_live_it_returns_as_soon_as_a_chunk_is_due() -> None:
    source, clock = make(chunk_ms=40), WallClock()
    source.open(clock)
    late = []
    while len(late) < 8:
        chunk = source.read(0.05)
        if chunk is not None:
            late.append(clock.now() - chunk.times[-1])
    assert min(late) >= -1e-6 and np.median(late) < 0.01


def test_it_ends_with_the_last_sample() -> None:
    source, clock = make(duration_s=1.0, chunk_ms=28), VirtualClock()
    source.open(clock)
    clock.wait_until(9.0)
    chunks = []
    with pytest.raises(EndOfStream):
        while True:
            chunks.append(source.read(0.0))
    assert sum(len(chunk.times) for chunk in chunks if chunk is not None) == 250


# --- the truth is in the signal ----------------------------------------------


def test_alpha_answers_the_eyes() -> None:
    x = signal(120.0, **QUIET)
    person = Simulator(**QUIET)
    truth = person.truth(np.arange(len(x)) / 250)
    closed = truth["eyes_closed"] == 1
    assert closed[: 15 * 250].sum() == 0 and closed[15 * 250 : 30 * 250].all()
    ratio = band(x[closed], 8, 12)[-2:] / band(x[~closed], 8, 12)[-2:]
    assert (ratio > 5).all() and (ratio < 20).all(), "amplitudes differ by 4; the background blurs that a little"
    rest = band(x[closed], 14, 40) / band(x[~closed], 14, 40)
    assert (np.abs(np.log(rest)) < 0.4).all(), "the other bands do not care"


def test_the_alpha_envelope_it_tells_is_the_one_in_the_signal() -> None:
    person = Simulator(**QUIET, background_uv=1.0)
    x = signal(60.0, **QUIET, background_uv=1.0)
    truth = person.truth(np.arange(len(x)) / 250)["alpha_envelope"]
    for name in ("O1", "O2"):
        got = envelope(x[:, person.channels.index(name)], 7, 13)[250:-250]
        want = truth[250:-250] * person.alpha_gain[name]
        assert np.corrcoef(got, want)[0, 1] > 0.98
        assert np.median(got) == pytest.approx(np.median(want), rel=0.1)
    closed = person.truth(np.arange(15.5, 30.0, 0.004))
    assert closed["alpha_envelope"].mean() == pytest.approx(20.0, rel=0.35)
    assert closed["alpha_envelope"].std() > 4, "it waxes and wanes"


def test_truth_begins_where_the_session_opened_it() -> None:
    source = Simulator()
    source.open(VirtualClock(100.0))
    assert source.truth(np.array([100.0, 115.1, 130.1]))["eyes_closed"].tolist() == [0.0, 1.0, 0.0]


def test_blinks_are_frontal_and_where_the_truth_says() -> None:
    with_blinks, without = signal(60.0, jaw_per_min=0), signal(60.0, jaw_per_min=0, blinks_per_min=0)
    blink = with_blinks - without
    truth = Simulator(jaw_per_min=0).truth(np.arange(15_000) / 250)
    assert np.array_equal(np.abs(blink[:, 0]) > 1e-9, truth["blink"] == 1)
    assert 100 < blink[:, 0].max() < 190 and blink[:, -1].max() < 0.15 * blink[:, 0].max()
    assert not (truth["blink"] * truth["eyes_closed"])[8 * 250 :].all()
    starts = (np.diff(truth["blink"]) == 1).sum()
    assert 3 <= starts <= 10, "12 per minute of open eyes"


def test_jaw_clenches_are_temporal_fast_and_where_the_truth_says() -> None:
    channels = ("T7", "T8", "Cz", "Oz")
    jaw = signal(60.0, channels=channels, jaw_per_min=6) - signal(60.0, channels=channels, jaw_per_min=0)
    truth = Simulator(channels=channels, jaw_per_min=6).truth(np.arange(15_000) / 250)["jaw"]
    assert np.array_equal(np.abs(jaw).sum(axis=1) > 0, truth == 1)
    assert 4 <= (np.diff(truth) == 1).sum() <= 7
    rms = np.sqrt((jaw[truth == 1] ** 2).mean(axis=0))
    assert rms[:2].min() > 2 * rms[2:].max() and 15 < rms[0] < 45
    assert (band(jaw, 20, 110) > 20 * band(jaw, 1, 15)).all()


def test_the_slow_changes_move_what_they_say() -> None:
    x = signal(300.0, **QUIET, alpha_uv=2, background_uv=3, channels=("F3", "F4", "Fz", "FCz"))
    truth = Simulator().truth(np.arange(len(x)) / 250)

    def smooth(y: np.ndarray) -> np.ndarray:
        return y[: len(y) // 1000 * 1000].reshape(-1, 1000).mean(axis=1)

    def follows(name: str, measured: np.ndarray) -> float:
        return float(np.corrcoef(smooth(truth[name]), smooth(measured))[0, 1])

    asymmetry = np.log(envelope(x[:, 1], 8, 12) ** 2 + 0.1) - np.log(envelope(x[:, 0], 8, 12) ** 2 + 0.1)
    assert follows("asymmetry", asymmetry) > 0.5
    assert follows("engagement", envelope(x[:, 3], 14, 25)) > 0.7
    assert follows("theta", envelope(x[:, 2], 5, 7)) > 0.6
    for name in ("engagement", "theta", "activation"):
        assert 0 <= truth[name].min() < 0.25 and 0.75 < truth[name].max() <= 1


def test_neighbours_share_more_than_strangers() -> None:
    x = signal(60.0, **QUIET, alpha_uv=0, channels=("O1", "Oz", "Fp2"))
    r = np.corrcoef(x.T)
    assert r[0, 1] > 0.6 > 0.3 > r[0, 2]


# --- every setting -----------------------------------------------------------

X0 = {"alpha_uv": 0, **QUIET}


@pytest.mark.parametrize(
    ("setting", "holds"),
    [
        ({"samplerate": 500.0}, lambda x, y: len(y) == 2 * len(x)),
        ({"channels": ("TP9", "AF7", "AF8", "TP10")}, lambda x, y: y.shape[1] == 4),
        ({"seed": 2}, lambda x, y: abs(np.corrcoef(x[:, 0], y[:, 0])[0, 1]) < 0.2),
        ({"background_uv": 16.0}, lambda x, y: 1.5 < y.std() / x.std() < 2.1),
        ({"exponent": 2.0}, lambda x, y: (band(y, 40, 60) < 0.3 * band(x, 40, 60)).all()),
        ({"mains_uv": 10.0}, lambda x, y: (band(y, 49, 51) > 10 * band(x, 49, 51)).all()),
        ({"mains_uv": 10.0, "mains_hz": 60.0}, lambda x, y: (band(y, 59, 61) > 10 * band(x, 59, 61)).all()),
        ({"drift_uv": 200.0}, lambda x, y: (np.ptp(y - x, axis=0) > 150).all()),
        (
            {"offset_uv": 140_000.0},
            lambda x, y: ((np.abs((y - x).mean(0)) >= 70_000) & (np.ptp(y - x, 0) < 1e-6)).all(),
        ),
        ({"blink_uv": 300.0, "blinks_per_min": 20}, lambda x, y: (y - x)[:, 0].max() > 220),
        ({"jaw_uv": 400.0, "jaw_per_min": 20}, lambda x, y: np.abs(y - x).max() > 400),
        ({"alpha_uv": 40.0}, lambda x, y: band(y, 8, 12)[-1] > 5 * band(x, 8, 12)[-1]),
        ({"alpha_uv": 40.0, "alpha_hz": 8.0}, lambda x, y: band(y, 7, 9)[-1] > 10 * band(y, 10, 12)[-1]),
        (
            {"alpha_uv": 40.0, "period_s": 5.0},
            lambda x, y: band(y[1500:2500], 8, 12)[-1] > 4 * band(y[:1250], 8, 12)[-1],
        ),
        ({"alpha_uv": 40.0, "reactivity": 0.5}, lambda x, y: band(y[:3750], 8, 12)[-1] > 2 * band(y[4000:], 8, 12)[-1]),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_every_setting_of_the_person_has_an_effect(setting: dict[str, Any], holds: Any) -> None:
    assert holds(signal(30.0, **X0), signal(30.0, **{**X0, **setting}))


def test_a_headset_that_goes_away_says_so_and_comes_back() -> None:
    clock = VirtualClock()
    source = make(dropout_every_s=5, dropout_s=2)
    acquisition = Acquisition(source, clock, window_s=1.0)
    states = {}
    for tick in range(450):
        clock.wait_until(tick * 0.02)
        acquisition.pump()
        states[tick * 20] = acquisition.state
    assert states[4980] == states[8900] == SourceState.STREAMING and states[5040] == states[6900] == SourceState.LOST
    assert acquisition.counters()["reconnects"] == 1 and acquisition.counters()["restarts"] == 1
    assert acquisition.ring is not None
    newest = acquisition.ring.newest(250)
    n = round(newest.time * 250)
    assert np.allclose((newest.samples + newest.offset)[-1], signal(10.0)[n], atol=1e-3), "the person went on meanwhile"
    source.open(VirtualClock())
    with pytest.raises(SourceLost):
        later = VirtualClock()
        source.open(later)
        later.wait_until(5.5)
        source.read(0.0)


@pytest.mark.parametrize(("seconds", "counted"), [(0.1, "filled"), (0.5, "restarts"), (2.0, "reconnects")])
def test_a_headset_that_falls_silent_is_bridged_restarted_or_reopened(seconds: float, counted: str) -> None:
    clock = VirtualClock()
    source = make(dropout_every_s=5, dropout_s=seconds, dropout_kind="silent")
    acquisition = Acquisition(source, clock, window_s=1.0)
    for tick in range(450):
        clock.wait_until(tick * 0.02)
        acquisition.pump()
    assert acquisition.counters()[counted] > 0 and acquisition.alive(clock.now())


@pytest.mark.parametrize("tick", [0.004, 0.02, 1.0])
def test_what_a_silent_headset_loses_does_not_depend_on_how_it_is_read(tick: float) -> None:
    settings = {"dropout_every_s": 2, "dropout_s": 0.5, "dropout_kind": "silent", "duration_s": 7, "chunk_ms": 12}
    _, times = read_all(make(**settings), tick, 10.0)
    k = np.round(times * 250).astype(int)
    assert set(range(7 * 250)) - set(k.tolist()) == {n for n in range(500, 1750) if n % 500 < 125}


def test_every_setting_is_tested_here() -> None:
    tested = (
        "samplerate channels seed period_s alpha_hz alpha_uv reactivity background_uv exponent blinks_per_min blink_uv"
    )
    tested += " jaw_per_min jaw_uv mains_hz mains_uv drift_uv offset_uv chunk_ms duration_s"
    tested += " dropout_every_s dropout_s dropout_kind effort"
    assert set(tested.split()) == set(registry.settings_of(Simulator))
    hints = get_type_hints(Simulator, include_extras=True)
    assert all(hints[name].__metadata__[0].description for name in registry.settings_of(Simulator)), "each has its help"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"channels": ["O1", "Ohr"]}, "'Ohr' is not an electrode of the 10-20 system"),
        ({"channels": []}, "channels"),
        ({"channels": ["O1", "o1"]}, "comes twice"),
        ({"samplerate": 0}, "samplerate"),
        ({"dropout_every_s": 2, "dropout_s": 3}, "would never be there"),
        ({"dropout_kind": "broken"}, "dropout_kind"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(registry.SettingErrors, match=message):
        make(**settings)


def test_every_rate_from_a_watch_to_an_amplifier() -> None:
    for rate in (20.0, 128.0, 257.2, 2000.0):
        assert np.isfinite(signal(3.0, samplerate=rate)).all()


# --- the scalp ---------------------------------------------------------------


def test_electrodes_lie_where_their_names_say() -> None:
    assert np.allclose(position("Cz"), [0, 0, 1]) and np.allclose(position("T8")[1], 0, atol=1e-9)
    for left, right in (("Fp1", "Fp2"), ("TP9", "TP10"), ("P7", "P8"), ("FCC5h", "FCC6h"), ("T3", "T4")):
        assert np.allclose(position(left) * [-1, 1, 1], position(right)) and position(left)[0] < 0
    fronts = [position(name)[1] for name in ("Fpz", "AFz", "Fz", "FCz", "Cz", "CPz", "Pz", "POz", "Oz", "Iz")]
    assert (np.diff(fronts) < 0).all()
    assert position("TP9")[2] < 0.1 < 0.3 < position("TP7")[2], "the ear's electrodes are low"
    assert np.array_equal(position("T5"), position("P7")) and np.array_equal(position("o1."), position("O1"))
    for name in ("X1", "O", "Fz3", "C11", "C0", ""):
        with pytest.raises(KeyError):
            position(name)


def test_all_of_mne_s_electrodes_are_known_and_near() -> None:
    mne = pytest.importorskip("mne")
    positions = mne.channels.make_standard_montage("biosemi64").get_positions()["ch_pos"]
    off = [
        np.degrees(np.arccos(np.clip(there / np.linalg.norm(there) @ position(name), -1, 1)))
        for name, there in positions.items()
    ]
    assert len(off) == 64 and np.median(off) < 15 and max(off) < 35, "degrees; that montage is a lower sphere"


def test_nothing_heavy_is_imported() -> None:
    code = "import sys, brainmusic_daemon.acquisition.simulator as s; s.Simulator(); print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"scipy", "mne", "numba", "pylsl", "brainflow", "torch"} & set(modules)


def test_effort_raises_and_lowers_alpha_from_the_next_block_on() -> None:
    made = Simulator(period_s=1000.0, effort=0.5)
    clock = VirtualClock()
    made.open(clock)
    envelopes = []
    for number, wish in enumerate((0.0, 1.0, -1.0, 0.0)):
        made.follow(wish)
        clock.wait_until(60.0 * (number + 1))
        while made.read(0.0) is not None:
            pass
        times = np.arange(60.0 * number + 3.0, 60.0 * number + 59.0, 0.01)
        envelopes.append(float(np.mean(made.truth(times)["alpha_envelope"])))
    still, raised, lowered, again = envelopes
    assert raised / still == pytest.approx(1.5, rel=0.1) and lowered / still == pytest.approx(0.5, rel=0.1)
    assert again == pytest.approx(still, rel=0.15)
    assert [at % 1.0 for at, _ in made.wishes] == [0.0] * 4  # whole blocks, so that chunks do not matter
