"""Takes of a person with open and closed eyes in, a profile and what to tell the person out; or a refusal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np

from brainmusic_daemon import config as configuration
from brainmusic_daemon.api import ConfigError, FloatArray
from brainmusic_daemon.config import Config
from brainmusic_daemon.features import montage, peak, ranges
from brainmusic_daemon.features.profile import Profile, Ranges
from brainmusic_daemon.service.contact import EYES, SHORTEST_S, long_enough, too_short, usable_but
from brainmusic_daemon.service.takes import Heard, Take, hear

_SURE = 0.3  # confidence in the alpha peak from which on the bands follow it
_SEGMENT_S = 4.0
_HIGHEST_HZ = 100.0
_REACTION = 1.25  # closed over open alpha power below which there is no reaction worth the name


@dataclass(frozen=True, slots=True)
class Found:
    """What calibration found."""

    profile: Profile
    lines: tuple[str, ...]  # in plain words
    warnings: tuple[str, ...]

    def text(self, path: Path) -> str:
        """Return all of it for the terminal; `path` is where the profile was saved."""
        name = self.profile.name
        return "\n".join(
            [
                f"{name}, calibrated with {self.profile.source}:",
                *(f"  {line}" for line in self.lines),
                *(f"  note: {warning}" for warning in self.warnings),
                f"saved as {path}",
                f"use it with: brainmusic run --set session.profile={name}",
            ]
        )


def analyse(
    name: str,
    config: Config,
    takes: Mapping[str, Take],
    progress: Callable[[float, float], None] = lambda done, all_: None,
    breathe: Callable[[], None] = lambda: None,
) -> Found:
    """Return the profile of the person in `takes`: `open` and `closed`, or `whole`.

    The signal goes through the pipeline twice: to judge contact and to find alpha, then with the person's own bands and
    kernels for the ranges.  `breathe` is called often, between two pieces of work.  Raises ConfigError for bad contact,
    naming the electrodes, and for too little signal.
    """
    total, done = 2 * sum(take.seconds for take in takes.values()), 0.0
    plain = replace(config, profile=None, features=config.features.model_copy(update={"learn_s": 0.0}))

    def listen(to: Config) -> dict[str, Heard]:
        nonlocal done
        heard = {}
        for condition, take in takes.items():
            tell = lambda seconds, start=done: progress(start + seconds, total)  # noqa: E731
            heard[condition] = hear(to, take, tell, breathe)
            done += take.seconds
        return heard

    long_enough({condition: take.seconds for condition, take in takes.items()})
    heard = listen(plain)
    first = next(iter(heard.values()))
    left_out = usable_but(heard)
    for condition, one in heard.items():
        if one.good.sum() * config.tick < SHORTEST_S:
            raise too_short(condition, float(one.good.sum()) * config.tick)
    usable = tuple(channel for channel in first.channels if channel not in left_out)
    info = next(iter(takes.values())).info
    spectra = {condition: _density(take, usable) for condition, take in takes.items()}
    f = next(iter(spectra.values()))[0]
    found, seen_in = _peak(spectra, usable)
    sure = found is not None and found.confidence >= _SURE
    average = np.exp(np.mean([np.log(density).mean(axis=1) for _, density in spectra.values()], axis=0))
    mains = peak.mains(f, average)
    kept = (f >= 1) & (f <= min(_HIGHEST_HZ, 0.45 * info.samplerate))
    for line in (50.0, 60.0) if mains is None else (mains,):
        kept &= np.abs(f - np.maximum(np.round(f / line), 1) * line) > 1.0
    provisional = Profile(
        name=name,
        made=date.today(),
        source=info.name,
        uid=info.uid,
        channels=first.channels,
        samplerate=info.samplerate,
        usable=usable,
        reference=str(config.features.reference),
        conditions={condition: float(one.good.sum()) * config.tick for condition, one in heard.items()},
        alpha_hz=found.hz if found is not None else None,
        confidence=found.confidence if found is not None else 0.0,
        bands=peak.personal(config.features.bands, found.hz if sure and found is not None else None),
        mains_hz=mains,
        noise_uv=float(np.sqrt(np.percentile(average[kept & (f > 20)], 5))) if (kept & (f > 20)).any() else 0.0,
        f=f[kept],
        density=average[kept],
        ranges=_no_ranges(),
    )
    again = listen(configuration.personal(plain, provisional))
    second = next(iter(again.values()))
    measured = ranges.measure(
        second.names, second.logarithmic, [one.raw[one.good] for one in again.values()], config.tick
    )
    profile = replace(
        provisional, bands=dict(configuration.personal(plain, provisional).features.bands), ranges=measured
    )
    return _told(profile, found, seen_in, left_out, again)


def _density(take: Take, channels: tuple[str, ...]) -> tuple[FloatArray, FloatArray]:
    """Return frequencies (n_f,) Hz and power densities (n_f, n_channels) µV²/Hz: medians over windows of 4 s."""
    x = take.samples[:, [take.info.channels.index(channel) for channel in channels]]
    n = round(_SEGMENT_S * take.info.samplerate)
    taper = np.hanning(n + 1)[:-1, None]
    segments = [x[start : start + n] for start in range(0, len(x) - n + 1, n // 2)]
    finite = [segment for segment in segments if np.isfinite(segment).all()]
    if not finite:
        raise ConfigError(f"the recording has no {_SEGMENT_S:g} s without missing samples: nothing can be calibrated")
    power = [np.abs(np.fft.rfft((s - s.mean(axis=0)) * taper, axis=0)) ** 2 for s in finite]
    # the median of an exponential distribution is ln 2 of its mean: bursts count as little as they should
    density = np.median(power, axis=0) / np.log(2) * 2 / (take.info.samplerate * float((taper**2).sum()))
    return np.fft.rfftfreq(n, 1 / take.info.samplerate), np.asarray(np.maximum(density, 1e-12))


def _peak(
    spectra: Mapping[str, tuple[FloatArray, FloatArray]], channels: tuple[str, ...]
) -> tuple[peak.Peak | None, str]:
    """Return the alpha peak and the condition in which it was clearest: closed eyes where it is clear there."""
    back = [i for i, name in enumerate(channels) if montage.region_of(name) in ("parietal", "occipital")]
    picked = back or list(range(len(channels)))
    found = {condition: peak.alpha_peak(f, density[:, picked]) for condition, (f, density) in spectra.items()}
    ranked = sorted(
        ((one, condition) for condition, one in found.items() if one is not None),
        key=lambda item: (item[1] == "closed" and item[0].confidence >= _SURE, item[0].confidence),
    )
    return ranked[-1] if ranked else (None, "")


def _no_ranges() -> Ranges:
    none = np.zeros(0)
    return Ranges((), none.astype(bool), none, none.reshape(0, 2), none.reshape(0, 2), none.reshape(0, 1, 3))


def _told(
    profile: Profile, found: peak.Peak | None, seen_in: str, left_out: Mapping[str, str], heard: Mapping[str, Heard]
) -> Found:
    """Say what was found in plain words."""
    lines, warnings = [], []
    low, high = profile.bands.get("alpha", (0.0, 0.0))
    if found is None:
        warnings.append("no alpha peak was found: the usual bands are used. It may show with eyes closed and relaxed")
    elif found.confidence < _SURE:
        warnings.append(
            f"alpha peaks at {found.hz:.1f} Hz perhaps, but hardly stands out (confidence {found.confidence:.2f}): "
            "the usual bands are used"
        )
    else:
        lines.append(
            f"alpha    your rhythm is at {found.hz:.1f} Hz, {found.height:.1f} times above the background with "
            f"{EYES[seen_in]} (confidence {found.confidence:.2f}); the alpha band is now {low:g} to {high:g} Hz"
        )
    if {"open", "closed"} <= set(heard):
        place = "alpha.occipital" if "alpha.occipital" in profile.ranges.names else "alpha"
        if place in profile.ranges.names:
            column = profile.ranges.names.index(place)
            mean = {condition: float(one.raw[one.good, column].mean()) for condition, one in heard.items()}
            ratio = mean["closed"] / max(mean["open"], 1e-12)
            lines.append(f"eyes     closing them makes {place} {ratio:.1f} times as strong")
            if ratio < _REACTION:
                warnings.append(
                    f"alpha hardly answers the eyes, or the other way round ({ratio:.1f} times): people differ, and "
                    "the music works all the same; if you had expected otherwise, check the electrodes at the back"
                )
    seconds = ", ".join(f"{value:.0f} s {EYES[condition]}" for condition, value in profile.conditions.items())
    lines.append(f"contact  {len(profile.usable)} of {len(profile.channels)} channels are good ({seconds})")
    hum = "no mains hum was seen" if profile.mains_hz is None else f"mains at {profile.mains_hz:g} Hz"
    lines.append(f"noise    {hum}; noise floor {profile.noise_uv:.2g} uV per root Hz")
    if left_out:
        warnings.append(f"left out of the profile, as very noisy: {', '.join(left_out)}")
    return Found(profile, tuple(lines), tuple(warnings))
