"""What a person can control: the plan is balanced, effects are found with their interval, chance is not believed."""

from __future__ import annotations

import io
import math
import threading
from collections import Counter
from dataclasses import replace
from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner

from brainmusic_daemon import config, registry
from brainmusic_daemon.api import ConfigError, SourceLost
from brainmusic_daemon.cli.agency import agency as cli_agency
from brainmusic_daemon.clock import VirtualClock
from brainmusic_daemon.config import Config
from brainmusic_daemon.features import profile_file
from brainmusic_daemon.features.profile import Ability, Profile
from brainmusic_daemon.service import agency, calibrate, describe, printed
from brainmusic_daemon.service.agency_replay import from_recordings
from brainmusic_daemon.service.journal import Entry
from brainmusic_daemon.service.takes import Tap, collect
from brainmusic_daemon.service.trials import LOWER, RAISE, REST, Trial, judge, order
from tests import parts


def made(effect: float, seed: int, n: int = 8, wander: float = 0.0, drift: float = 0.0, block: int = 0) -> list[Trial]:
    """Return trials of a control that answers the cue by `effect` standard deviations, with slow waves and a drift."""
    rng = np.random.default_rng((seed, block))
    cues = order(n, rng)
    noise, state = [], 0.0
    for _ in cues:
        state = wander * state + math.sqrt(1 - wander**2) * rng.standard_normal()
        noise.append(state)
    return [
        Trial(8.0 * i, cue, 100.0 + effect / 2 * cue + noise[i] + drift * i / len(cues), i // 5)
        for i, cue in enumerate(cues)
    ]


@given(st.integers(1, 20), st.integers(0, 1000))
@settings(max_examples=50, deadline=None)
def test_the_order_is_random_but_balanced(n: int, seed: int) -> None:
    cues = order(n, np.random.default_rng(seed))
    assert Counter(cues)[RAISE] == Counter(cues)[LOWER] == n and Counter(cues)[REST] == n // 2
    for end in range(0, len(cues), 5):  # at the end of each block of five, as much up as down
        assert sum(cues[:end]) == 0
    assert cues == order(n, np.random.default_rng(seed))


def test_different_seeds_give_different_orders() -> None:
    assert len({tuple(order(8, np.random.default_rng(seed))) for seed in range(20)}) == 20


def test_an_effect_is_found_with_an_interval_that_holds_it() -> None:
    held, shown, effects = 0, 0, []
    for seed in range(60):
        found = judge({"a": made(3.0, seed)})["a"]
        held += found.low <= 3.0 <= found.high
        shown += found.shown and found.verdict == "you can control it"
        effects.append(found.effect)
    assert held >= 54 and shown >= 54  # 95 % wanted; the power is above 99 %
    assert np.median(effects) == pytest.approx(3.0, rel=0.15)
    found = judge({"a": made(3.0, 1)})["a"]
    assert found.auc > 0.9 and found.difference == pytest.approx(3.0, abs=1.2) and found.trials == 16


def test_the_interval_of_nothing_holds_nothing_and_narrows_with_trials() -> None:
    few, many = judge({"a": made(0.0, 3, 6)})["a"], judge({"a": made(0.0, 3, 40)})["a"]
    assert few.low < 0 < few.high and many.high - many.low < 0.6 * (few.high - few.low)


@pytest.mark.parametrize(("wander", "drift"), [(0.0, 0.0), (0.8, 0.0), (0.5, 6.0)])
def test_chance_is_seldom_believed_however_many_controls_are_asked_about(wander: float, drift: float) -> None:
    families, wrong = 120, 0
    for seed in range(families):
        family = {f"c{i}": made(0.0, seed, wander=wander, drift=drift, block=i) for i in range(5)}
        wrong += any(found.shown for found in judge(family, seed).values())
    assert wrong <= 13  # 5 % of the families are 6; more than 13 come once in 300 times


def test_a_drift_neither_hides_an_effect_nor_makes_one() -> None:
    shown = [judge({"a": made(3.0, seed, drift=20.0)})["a"].shown for seed in range(20)]
    assert sum(shown) >= 18


def test_more_controls_ask_for_more_evidence() -> None:
    alone = judge({"a": made(1.5, 5)})["a"]
    among = judge({"a": made(1.5, 5), **{f"n{i}": made(0.0, 5, block=i + 1) for i in range(9)}})["a"]
    assert among.chance > alone.chance and among.low < alone.low and among.effect == alone.effect


def test_the_other_way_round_is_said() -> None:
    found = judge({"a": made(-4.0, 2)})["a"]
    assert found.shown and found.effect < 0 and "invert" in found.verdict and found.auc < 0.1


def test_what_cannot_be_judged_is_not_judged() -> None:
    assert "too few" in judge({"a": made(3.0, 1)[:4]})["a"].verdict and "too few" in judge({"a": []})["a"].verdict
    still = [replace(trial, value=5.0) for trial in made(3.0, 1)]
    assert "did not move" in judge({"a": still})["a"].verdict and not judge({"a": still})["a"].shown


# --- a simulated person -----------------------------------------------------------------------------------------------

ROUTES = {
    "loudness": {"from": "alpha", "smooth_s": 0.3},  # what the person can raise and lower
    "tempo": {"from": "beta", "smooth_s": 0.3},
    "complexity": {"from": "gamma", "smooth_s": 0.3},
}


def person(effort: float = 0.6, **source: object) -> Config:
    calm = {"kind": "simulator", "period_s": 10000.0, "jaw_per_min": 0, "effort": effort, **source}
    return config.resolve({"source": calm, "mapper": {"routes": ROUTES}, "output": {}})


def lead(made: Config, said: list[str] | None = None, **more: object) -> agency.Agency:
    names = agency.chosen(made, ())
    say = (said if said is not None else []).append
    return agency.Agency(made, VirtualClock(), names, say=say, trial_s=6.0, pause_s=1.0, **more)  # type: ignore[arg-type]


def test_a_person_who_steers_alpha_is_found_to_control_what_alpha_drives_and_nothing_else() -> None:
    said: list[str] = []
    bells: list[int] = []
    progress: list[float] = []
    led = lead(
        person(),
        said,
        trials=6,
        bell=lambda: bells.append(1),
        progress=lambda done, total: progress.append(done / total),
    )
    notes: list[Entry] = []
    led._session.journal.listen(notes.append)
    heard = led.run()
    assert heard is not None
    found = judge(heard)
    assert found["loudness"].shown and found["loudness"].low > 0 and found["loudness"].effect > 1.5
    assert not found["tempo"].shown and not found["complexity"].shown
    assert "you can control it" in agency.told(found)[1] or "you can control it" in agency.told(found)[0]

    cues = [note for note in notes if note.kind == "cue" and note.text != "over"]
    assert [note.value for note in cues if note.name == "loudness"] == led.orders["loudness"]
    assert len(bells) == len(cues) == 3 * 15 and len([note for note in notes if note.text == "over"]) == len(cues)
    assert {note.text for note in cues} == {"raise", "lower", "rest"} and "cue loudness raise" in map(str, cues)
    assert all(before.time < after.time for before, after in pairwise(cues))
    assert any("RAISE loudness" in line for line in said) and said[-1].startswith("Done")
    assert progress == sorted(progress) and progress[-1] == pytest.approx(1.0, abs=0.01)


def test_a_person_who_does_nothing_controls_nothing() -> None:
    for seed in (1, 2, 3):
        heard = lead(person(0.0, seed=seed), trials=4, seed=seed).run()
        assert heard is not None
        assert not any(found.shown for found in judge(heard, seed).values())


def test_stopping_stops_it_at_once() -> None:
    stop = threading.Event()
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        if line.startswith("RAISE"):
            stop.set()

    made = person()
    assert agency.Agency(made, VirtualClock(), agency.chosen(made, ()), say=say, stop=stop).run() is None
    assert said[-1].startswith("RAISE")


def test_trials_with_a_bad_signal_do_not_count() -> None:
    heard = lead(person(dropout_every_s=60.0, dropout_s=12.0, dropout_kind="silent"), trials=6).run()
    assert heard is not None
    counts = [len(trials) for trials in heard.values()]
    assert 15 > min(counts) > 6 and sum(counts) < 45


def test_a_headset_that_stays_away_ends_the_test() -> None:
    with pytest.raises(SourceLost, match="went away during the controllability test"):
        lead(person(dropout_every_s=60.0, dropout_s=50.0)).run()


def test_the_source_that_ends_too_soon_is_named() -> None:
    with pytest.raises(SourceLost, match="before the controllability test was done"):
        lead(person(duration_s=30.0)).run()


def test_the_controls_to_be_tested_are_checked() -> None:
    made = person()
    assert [control.name for control in agency.chosen(made, ["tempo", "tempo"])] == ["tempo"]
    with pytest.raises(ConfigError, match="did you mean 'tempo'"):
        agency.chosen(made, ["temop"])
    with pytest.raises(ConfigError, match="'mode' is driven by nothing here"):
        agency.chosen(made, ["mode"])
    frozen = config.resolve({"mapper": {"routes": {"tempo": {"from": "beta", "freeze": True}}}})
    with pytest.raises(ConfigError, match="nothing to be tested"):
        agency.chosen(frozen, [])


# --- kept -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def anna(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Profile:
    """Return a saved profile of a simulated person."""
    monkeypatch.setenv("BRAINMUSIC_PROFILES", str(tmp_path))
    settings = config.resolve({"source": {"kind": "simulator", "jaw_per_min": 0}, "output": {}})
    simulated = registry.build("source", "simulator", {"jaw_per_min": 0, "duration_s": 30.0}, "source")
    profile = calibrate.analyse("anna", settings, {"whole": collect(simulated)}).profile
    profile_file.save(profile)
    return profile


def test_what_was_found_is_kept_in_the_profile_and_told_by_check(anna: Profile) -> None:
    assert profile_file.load("anna").agency == {}  # a profile of before there was such a test
    found = judge({"tempo": made(4.0, 1), "z.0": made(0.0, 1, block=1), "mode": []})
    path = profile_file.save(replace(anna, agency=found))
    kept = profile_file.load("anna").agency
    assert kept["tempo"] == found["tempo"] and kept["z.0"] == found["z.0"] and kept["tempo"].made == date.today()
    assert kept["mode"].verdict == found["mode"].verdict and math.isnan(kept["mode"].effect)
    assert "you can control it" in path.read_text(encoding="utf-8")
    with_profile = config.resolve({"source": {"kind": "simulator"}, "session": {"profile": "anna"}})
    stream = io.StringIO()
    Console(file=stream, width=80, highlight=False).print(printed.render(describe.describe(with_profile)))
    shown = " ".join(stream.getvalue().split())
    assert "tempo: you can control it" in shown and "z.0: not shown" in shown


def test_a_damaged_section_is_a_damaged_profile(anna: Profile) -> None:
    path = profile_file.save(replace(anna, agency={"tempo": made_ability()}))
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("effect =", "efect ="), encoding="utf-8")
    with pytest.raises(ConfigError, match="damaged"):
        profile_file.load("anna")


def made_ability() -> Ability:
    return judge({"tempo": made(4.0, 1)})["tempo"]


def test_a_new_calibration_keeps_nothing_that_no_longer_holds(anna: Profile) -> None:
    profile_file.save(replace(anna, agency={"tempo": made_ability()}))
    profile_file.save(anna)
    assert profile_file.load("anna").agency == {}


# --- recordings -------------------------------------------------------------------------------------------------------


def test_cues_in_a_recording_are_judged_alike(tmp_path: Path, anna: Profile) -> None:
    """The signal of a session in which the simulated person followed the cues, with the cues as markers."""
    import mne

    settings = person()
    led = lead(settings, trials=6)
    tap = Tap(settings.source)
    led = agency.Agency(
        settings, VirtualClock(), agency.chosen(settings, ["loudness", "tempo"]), say=lambda line: None,
        trials=6, trial_s=6.0, pause_s=1.0, source=tap,
    )  # fmt: skip
    notes: list[Entry] = []
    led._session.journal.listen(notes.append)
    live = led.run()
    assert live is not None and tap.info is not None
    samples = np.concatenate([chunk.samples for chunk in tap.chunks])
    raw = mne.io.RawArray(samples.T * 1e-6, mne.create_info(list(tap.info.channels), 250.0, "eeg"), verbose="error")
    raw.set_annotations(mne.Annotations([note.time for note in notes], 0.0, [str(note) for note in notes]))
    path = tmp_path / "steered_raw.fif"
    raw.save(path, verbose="error")

    offline = from_recordings(settings, [path], [])
    assert [trial.cue for trial in offline["loudness"]] == [trial.cue for trial in live["loudness"]]
    values = [[trial.value for trial in found["loudness"]] for found in (live, offline)]
    assert np.corrcoef(values[0], values[1]).min() > 0.99
    assert judge(offline)["loudness"].shown and not judge(offline)["tempo"].shown
    twice = from_recordings(settings, [path, path], ["loudness"])
    assert len(twice["loudness"]) == 2 * len(offline["loudness"]) and [*twice] == ["loudness"]
    with pytest.raises(ConfigError, match="no cue for 'mode'"):
        from_recordings(settings, [path], ["mode"])

    app = typer.Typer()
    app.command()(cli_agency)
    file = tmp_path / "c.toml"
    file.write_text('[mapper.routes.loudness]\nfrom = "alpha"\n[mapper.routes.tempo]\nfrom = "beta"\n', "utf-8")
    result = CliRunner().invoke(app, ["anna", "-c", str(file), "--from", str(path)])
    assert result.exit_code == 0, result.output
    assert "loudness  you can control it" in result.stdout and "tempo     not shown" in result.stdout
    assert profile_file.load("anna").agency["loudness"].shown


def test_a_recording_without_cues_is_refused() -> None:
    with pytest.raises(ConfigError, match="holds no cues"):
        from_recordings(person(), [parts.recordings() / "eyes_open_closed" / "S001R01.edf"], [])


def test_nobody_without_a_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAINMUSIC_PROFILES", str(tmp_path))
    app = typer.Typer()
    app.command()(cli_agency)
    result = CliRunner().invoke(app, ["nobody"])
    assert isinstance(result.exception, ConfigError) and "brainmusic calibrate nobody" in str(result.exception)


def test_a_recorded_test_can_be_judged_again(tmp_path: Path) -> None:
    made = person()
    path = tmp_path / "steered.xdf"
    names = agency.chosen(made, ["loudness"])
    led = agency.Agency(
        made, VirtualClock(), names, say=lambda line: None, trials=4, trial_s=5.0, pause_s=1.0, record=path
    )
    live = led.run()
    assert live is not None
    offline = from_recordings(made, [path], [])
    assert [trial.cue for trial in offline["loudness"]] == [trial.cue for trial in live["loudness"]]
    values = [[trial.value for trial in found["loudness"]] for found in (live, offline)]
    assert np.corrcoef(values[0], values[1]).min() > 0.95
