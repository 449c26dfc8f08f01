"""A window in, `Features` out: analysis, derived features, quality, baseline and state of one headset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from brainmusic_daemon.api import Features, FloatArray, State, StreamInfo, Unfit, Window
from brainmusic_daemon.features import delays, montage, reference
from brainmusic_daemon.features.artifacts import Artifacts
from brainmusic_daemon.features.baseline import Baseline
from brainmusic_daemon.features.drift import Drift
from brainmusic_daemon.features.gate import Gate
from brainmusic_daemon.features.montage import Setup
from brainmusic_daemon.features.profile import Profile, fit
from brainmusic_daemon.features.quality import PERIOD_S, Quality
from brainmusic_daemon.features.spectral import Analysis, SpectralBank
from brainmusic_daemon.features.spectrum import Learner, learner

_FADE_S = 1.0  # from one design of the kernels to the next
BLIND = "no electrode near the eyes: blinks are neither told nor taken out of the features"
_DRIFT_S = 40.0  # of good signal that a profile is compared with: so much is in the first minute, blinks left out


class Feature(Protocol):
    """One derived feature: a function of the tick's analysis.  What it finds goes to `analysis.events`.

    A feature that averages over seconds says in `settle_s`, from `prepare` on, after how many its values are steady:
    its range begins anew then.  A file that computes several features at once says their `names` (all that it may ever
    give, in the class; those that this set-up has, in the object, from `prepare` on), gives a `spread` for each, and
    computes as many values.
    """

    scale: str  # "log": judged on its logarithm, must be > 0; "linear"
    spread: float | Sequence[float]  # standard deviation to expect (of the logarithm, if so) before this person's own

    def prepare(self, setup: Setup) -> bool:
        """Look up what is needed; return False where this set-up lacks it: the feature is then left out."""

    def compute(self, analysis: Analysis) -> float | Sequence[float]:
        """Return the physical value, finite; as many as `names` where it has several.  Called once per tick."""


class Leader(Protocol):
    """Whoever leads the features from where another bank left them."""

    def lead(self, values: FloatArray) -> bool:
        """Move the normalised values (n,) in place; return whether that was the last time."""


class FeatureBank:
    """Everything between a window and its features.  Pure: no clock, no thread; the caller says what time it is."""

    def __init__(
        self,
        info: StreamInfo,
        setup: Setup,
        spectral: SpectralBank,
        derived: dict[str, Feature],
        quality: Quality,
        artifacts: Artifacts | None,
        gate: Gate,
        memory_s: float,
        learner: Learner | None = None,
    ) -> None:
        """`learner`: learns the spectrum for better kernels; None: they stay as they are."""
        setup = replace(setup, n_taps=spectral.n_taps, delays=spectral.delays)
        self.setup, self.spectral, self.quality, self.gate = setup, spectral, quality, gate
        self.artifacts = artifacts
        found = [(name, feature) for name, feature in derived.items() if feature.prepare(setup)]
        # those judged on their logarithm first, behind the band powers: the baseline takes them in one stretch
        found.sort(key=lambda item: item[1].scale != "log")
        named = [(feature, getattr(feature, "names", (name,))) for name, feature in found]
        self._derived = [(feature, hasattr(feature, "names"), [*names]) for feature, names in named]
        self._failing: set[int] = set()  # which of them have failed, and that was told
        places = [*list(setup.pools)[: setup.n_named], *setup.channels]
        banded = [f"{band}.{place}" if place else band for place in places for band in setup.bands]
        base = [*banded, *(name for _, names in named for name in names)]
        self.names = (*base, *(f"raw.{name}" for name in base))
        self.index = {name: i for i, name in enumerate(self.names)}
        n_logarithmic = len(banded) + sum(len(names) for feature, names in named if feature.scale == "log")
        spread = [np.full(len(banded), 0.8), *(np.broadcast_to(feature.spread, len(names)) for feature, names in named)]
        self.baseline = Baseline(n_logarithmic, np.concatenate(spread), memory_s)
        places_of = np.split(np.arange(len(banded), len(base)), np.cumsum([len(names) for _, names in named])[:-1])
        late = [(getattr(feature, "settle_s", 0.0), at) for (feature, _), at in zip(named, places_of, strict=False)]
        self._late = sorted((entry for entry in late if entry[0] > 0), key=lambda entry: entry[0])
        self._n, self._n_pooled = len(base), setup.n_named * len(setup.bands)
        self._n_banded = len(banded)
        self._eeg_columns = [column for column, (low, _) in enumerate(setup.bands.values()) if low >= 4]
        self._judge_every = max(1, round(PERIOD_S / setup.tick))
        self._learner = learner
        self.drift: Drift | None = None
        self.bridge: Leader | None = None  # while it takes over from another bank
        self.remarks: list[str] = []  # for people: whoever reads them takes them out; beside the tick
        self._ticks = 0
        self._share = 0.0  # of good channels
        self._n_channels = len(info.channels)
        self.channels = setup.channels
        self.phased = setup.band("alpha") is not None
        self._silent = np.zeros(len(info.channels))
        self._values: FloatArray = np.full(2 * self._n, 0.5)
        self._values[self._n :] = 0.0

    def update(self, time: float, window: Window, *, alive: bool) -> Features:
        """Return the features of the tick at `time`; without new samples (`alive` False) the last ones stay."""
        values = self._values.copy()
        if alive:
            self._analyse(window, values[self._n :])
        filled = window.filled >= len(window.samples)
        state = self.gate.update(alive=alive, share=self._share, filled=filled, learned_s=self.baseline.seconds)
        if alive:
            learn = state in (State.GOOD, State.CALIBRATING) and filled
            learn = learn and self.spectral.analysis.clean
            self.baseline.update(values[self._n :], self.setup.tick, learn, values[: self._n])
            if self.bridge is not None and self.bridge.lead(values[: self._n]):
                self.bridge = None
            if self._late and self.baseline.seconds >= self._late[0][0]:
                self.baseline.restart(self._late.pop(0)[1])
            if learn and self._learner is not None:
                self._learner.tick(window, self.quality.weights)
            if learn and self.drift is not None:
                self.drift.tick(values[self._n :])
        self._values = values
        return Features(
            time=time,
            sample_time=window.time,
            names=self.names,
            values=values,
            index=self.index,
            channels=self.setup.channels,
            quality=self.quality.score if alive else self._silent,
            state=state,
            events=tuple(self.spectral.analysis.events) if alive else (),
        )

    def weigh(self) -> None:
        """Trust each channel as its contact is judged now."""
        self.spectral.set_weights(self.quality.weights)
        good = (self.quality.weights >= 0.5) & (self.quality.score > 0)
        self._share = int(np.count_nonzero(good)) / self._n_channels  # plain numbers from here on

    @property
    def normalised(self) -> FloatArray:
        """Return the features (n,) of the last tick, 0..1."""
        return self._values[: self._n]

    @property
    def n_taps(self) -> int:
        """Return the length of the window that a tick needs, in samples."""
        return self.spectral.n_taps

    @property
    def follow(self) -> float:
        """Return the share by which the music follows, 0..1."""
        return self.gate.follow

    @property
    def delays(self) -> Mapping[str, float]:
        """Return the analysis delay of every band, s."""
        return self.spectral.delays

    @property
    def moment(self) -> tuple[float, complex] | None:
        """Return (session seconds, µV): the analytic alpha at the back of the head, else of all of it, as of now."""
        column = self.setup.band("alpha")
        if column is None:
            return None
        analysis, pool = self.spectral.analysis, self.setup.pool("occipital") or 0
        value = complex(analysis.pooled_real[pool, column], analysis.pooled_imag[pool, column])
        return analysis.window.time - self.setup.delays["alpha"], value

    def know(self, profile: Profile, info: StreamInfo, reference: str) -> None:
        """Start from a person's known ranges.  Raises Unfit where the profile has nothing of this headset."""
        names = self.names[: self._n]
        fitting = fit(profile, info, self.setup, names, reference)
        ranges, of = profile.ranges, fitting.of
        self.baseline.seed(fitting.at, ranges.middle[of], ranges.spread[of], ranges.reach[of])
        self._late.clear()
        self.drift = Drift(profile, fitting, names, tuple(self.setup.bands), _DRIFT_S, self.setup.tick)
        self.remarks.extend(fitting.remarks)

    def improve(self) -> None:
        """Design the kernels anew once enough of the person's spectrum is known, and see what has changed.

        Some ms, beside the tick.
        """
        if self.drift is not None and self.drift.full:
            self.remarks.extend(self.drift.remarks())
            self.drift = None
        learner = self._learner
        if learner is not None and learner.full:
            self._learner = None
            if (density := learner.spectrum(self.spectral.prior)) is not None:
                made = self.spectral.redesigned(density)
                if self.artifacts is not None:
                    self.artifacts.expect(made)
                self.spectral.install(made, round(_FADE_S / self.setup.tick))

    def faults(self) -> dict[str, str]:
        """Return what is wrong with each channel that has something, in one word; beside the tick."""
        words = {channel: self.quality.reason(i) for i, channel in enumerate(self.setup.channels)}
        return {channel: word for channel, word in words.items() if word}

    def _analyse(self, window: Window, raw: FloatArray) -> None:
        analysis = self.spectral.analyse(window)
        analysis.events.clear()
        if self._ticks % self._judge_every == 0:
            at_once = window.filled < len(window.samples)
            eeg = analysis.power[:, self._eeg_columns].sum(axis=1)
            held, excused = (None, None) if self.artifacts is None else (self.artifacts.held, self.artifacts.excused)
            self.quality.judge(window, eeg, at_once=at_once, held=held, excused=excused)
            self.weigh()
        self._ticks += 1
        if self.artifacts is not None:
            self.artifacts.mend(window, analysis, self.quality.weights)
            analysis.clean = not self.artifacts.busy
        self.spectral.pool()
        raw[: self._n_pooled] = analysis.pooled.ravel()[: self._n_pooled]
        raw[self._n_pooled : self._n_banded] = analysis.power.ravel()
        values: list[float] = []
        for number, (feature, several, names) in enumerate(self._derived):
            at = len(values)
            try:
                (values.extend if several else values.append)(feature.compute(analysis))  # type: ignore[arg-type]
                if len(values) != at + len(names):
                    raise ValueError(f"gave {len(values) - at} values instead of {len(names)}")
            except Exception as error:  # noqa: BLE001 - somebody's feature must not take the others, and the music, along
                values[at:] = raw[self._n_banded + at : self._n_banded + at + len(names)]
                if number not in self._failing:
                    self._failing.add(number)
                    self.remarks.append(f"feature '{names[0]}' failed ({error!r}): it stays where it is")
        raw[self._n_banded :] = values


def build(info: StreamInfo, config: Any, derived: dict[str, Feature]) -> FeatureBank:
    """Make the bank for a stream from the configuration's sections `session`, `features`, `quality`, `baseline`."""
    features, quality, baseline, tick = config.features, config.quality, config.baseline, config.tick
    usable = {name: edges for name, edges in features.bands.items() if edges[0] < info.samplerate / 2 - 1}
    if not usable:
        raise Unfit(
            f"a headset of {info.samplerate:g} Hz shows none of the bands ({', '.join(features.bands)}): "
            f"it takes more than {2 * min(low for low, _ in features.bands.values()) + 2:g} Hz"
        )
    referenced = reference.channels_of(features.reference, info.channels)
    setup = montage.setup(
        info.channels,
        info.samplerate,
        tick,
        usable,
        montage=features.montage,
        named=features.regions,
        leave_out=() if referenced is None or features.reference == "average" else referenced.tolist(),
    )
    spectral = SpectralBank(
        setup,
        [*delays.configured(features, usable).values()],
        features.kernel_s,
        reference=referenced,
        prior=config.profile.prior if config.profile is not None else delays.expected(usable),
    )
    judge = Quality(
        len(info.channels),
        info.samplerate,
        flat_uv=quality.flat_uv,
        rail_uv=min(quality.rail_uv, info.rail_uv or quality.rail_uv),
        noise_uv=quality.noise_uv,
        mains_ratio=quality.mains_ratio,
    )
    artifacts = None
    if config.artifacts.enabled:
        artifacts = Artifacts(spectral, **config.artifacts.model_dump(exclude={"enabled"}))
    gate = Gate(
        good_share=quality.good_share,
        hold_s=quality.hold_s,
        glide_s=quality.glide_s,
        settle_s=baseline.settle_s,
        tick=tick,
    )
    bank = FeatureBank(
        info,
        setup,
        spectral,
        derived,
        judge,
        artifacts,
        gate,
        baseline.memory_s,
        learner(setup, spectral, features.learn_s),
    )
    if artifacts is not None and not artifacts.sees_blinks:
        bank.remarks.append(BLIND)
    if config.profile is not None:
        bank.know(config.profile, info, str(features.reference))
    return bank
