"""Profiles in and out of the user's data folder: a readable TOML and its arrays, checked on load."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import shutil
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from brainmusic_daemon.api import ConfigError
from brainmusic_daemon.features.profile import Ability, Profile, Ranges
from brainmusic_daemon.there import expanded, is_file

VERSION = 1
EARLIER = "earlier"  # the folder of profiles that were replaced
MOST_EARLIER = 10  # of one name
_ARRAYS = ("logarithmic", "middle", "spread", "reach", "usual")
_NUMBERS = ("effect", "low", "high", "auc", "difference", "chance")
_NAME = re.compile(r"[^\W_][\w-]{0,63}")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)", re.IGNORECASE)  # names that Windows keeps for devices


def folder() -> Path:
    """Return where profiles are kept: the folder that BRAINMUSIC_PROFILES names, else one in the user's data folder."""
    named = os.environ.get("BRAINMUSIC_PROFILES")
    return expanded(named) if named else platformdirs.user_data_path("brainmusic") / "profiles"


def known() -> list[str]:
    """Return the names of all profiles there are."""
    return sorted(path.stem for path in folder().glob("*.toml"))


def check_name(name: str) -> None:
    """Raise ConfigError unless a profile may be called `name`: it is a word that every file system takes."""
    if not _NAME.fullmatch(name) or _RESERVED.fullmatch(name):
        raise ConfigError(
            f"a profile cannot be called {name!r}: take one word of letters, digits, - and _, such as "
            "brainmusic calibrate anna"
        )


def save(profile: Profile) -> Path:
    """Write a profile and return the TOML's path; an older one of the same name is kept aside.  Raises ConfigError.

    A profile is old or new, never half, and where it cannot be written the old one stays.
    """
    check_name(profile.name)
    arrays = _packed(profile)
    path = folder() / f"{profile.name}.toml"
    targets = path.with_suffix(".npz"), path
    parts = [target.with_name(target.name + ".part") for target in targets]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for part, content in zip(parts, (arrays, _toml(profile, arrays).encode()), strict=True):
            part.write_bytes(content)  # a disk that is full says so here
        _keep_aside(targets)
        for part, target in zip(parts, targets, strict=True):
            part.replace(target)
    except OSError as error:
        raise ConfigError(f"cannot write the profile {path}: {error}") from error
    finally:
        for part in parts:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
    return path


def _packed(profile: Profile) -> bytes:
    ranges, packed = profile.ranges, io.BytesIO()
    np.savez_compressed(
        packed,
        f=profile.f,
        density=profile.density,
        names=np.array(ranges.names),
        **{key: getattr(ranges, key) for key in _ARRAYS},
    )
    return packed.getvalue()


def _keep_aside(files: Sequence[Path]) -> None:
    """Copy a profile that is about to be replaced to the folder `earlier`; of many the oldest are given up."""
    if not all(is_file(file) for file in files):
        return
    aside = files[0].parent / EARLIER
    aside.mkdir(exist_ok=True)
    stem, when = files[0].stem, time.strftime("%Y%m%d-%H%M%S", time.localtime(files[-1].stat().st_mtime))
    for file in files:
        shutil.copy2(file, aside / f"{stem}.{when}{file.suffix}")
    kept = sorted({file.stem for file in aside.glob(f"{stem}.*-*.toml")})
    for old in kept[: -MOST_EARLIER or None]:
        for file in files:
            (aside / f"{old}{file.suffix}").unlink(missing_ok=True)


def as_saved(profile: Profile) -> Profile:
    """Return a profile as it would be read back, to the last digit; nothing is written."""
    arrays = _packed(profile)
    return _profile(profile.name, tomllib.loads(_toml(profile, arrays)), arrays)


def load(name: str) -> Profile:
    """Read a profile.  Raises ConfigError: there is none, it is damaged, or of another version."""
    check_name(name)
    path = folder() / f"{name}.toml"
    again = f"make it anew with: brainmusic calibrate {name}"
    if not is_file(path):
        there = f"there are {', '.join(known())}" if known() else "there is none yet"
        raise ConfigError(
            f"there is no profile '{name}' in {path.parent} ({there}); make it with: brainmusic calibrate {name}"
        )
    try:
        text = path.read_text(encoding="utf-8")
        arrays = path.with_suffix(".npz").read_bytes()
        table = tomllib.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"the profile {path} cannot be read ({error}); {again}") from error
    if table.get("version") != VERSION:
        raise ConfigError(
            f"the profile {path} is of version {table.get('version')!r}, and this program reads {VERSION}; {again}"
        )
    if table.get("arrays") != _digest(arrays):
        raise ConfigError(f"{path.with_suffix('.npz')} does not belong to {path}, or is damaged; {again}")
    try:
        return _profile(name, table, arrays)
    except Exception as error:  # whatever numpy and zipfile make of damage is one message to the user
        raise ConfigError(f"the profile {path} is damaged ({type(error).__name__}: {error}); {again}") from error


def _digest(arrays: bytes) -> str:
    return hashlib.sha256(arrays).hexdigest()[:16]


def _profile(name: str, table: Mapping[str, Any], arrays: bytes) -> Profile:
    headset, alpha, found = table["headset"], table["alpha"], table["found"]
    with np.load(io.BytesIO(arrays), allow_pickle=False) as stored:
        names = tuple(str(feature) for feature in stored["names"])
        ranges = Ranges(names, **{key: stored[key] for key in _ARRAYS})
        f, density = stored["f"], stored["density"]
    n = len(names)
    shapes = ((ranges.middle, (n,)), (ranges.spread, (n, 2)), (ranges.reach, (n, 2)), (density, f.shape))
    if any(array.shape != shape or not np.isfinite(array).all() for array, shape in shapes):
        raise ValueError("its arrays do not fit together")
    bands = {band: (float(low), float(high)) for band, (low, high) in table["bands"].items()}
    if not all(0 < low < high for low, high in bands.values()):
        raise ValueError("a band's lower edge comes first")
    return Profile(
        name=name,
        made=date.fromisoformat(str(table["made"])),
        source=str(headset["source"]),
        uid=str(headset["uid"]),
        channels=tuple(headset["channels"]),
        samplerate=float(headset["samplerate"]),
        usable=tuple(headset["usable"]),
        reference=str(headset["reference"]),
        conditions={key: float(value) for key, value in table["seconds"].items()},
        alpha_hz=float(alpha["frequency"]) if "frequency" in alpha else None,
        confidence=float(alpha["confidence"]),
        bands=bands,
        mains_hz=float(found["mains"]) if "mains" in found else None,
        noise_uv=float(found["noise_floor"]),
        f=f,
        density=density,
        ranges=ranges,
        agency={name: _ability(found) for name, found in table.get("agency", {}).items()},
    )


def _ability(found: Mapping[str, Any]) -> Ability:
    made, trials = date.fromisoformat(str(found["made"])), int(found["trials"])
    if "why_not" in found:
        return replace(Ability.unknown(trials, str(found["why_not"])), made=made)
    effect, low, high, auc, difference, chance = (float(found[key]) for key in _NUMBERS)
    return Ability(effect, low, high, auc, difference, chance, trials, made=made)


def _toml(profile: Profile, arrays: bytes) -> str:
    return "\n".join(_lines(profile, _digest(arrays))) + "\n"


def _lines(profile: Profile, digest: str) -> Iterator[str]:
    def text(value: object) -> str:  # a JSON string, number or list of them is TOML too
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")

    yield f"# What `brainmusic calibrate {profile.name}` found; spectrum and ranges are in the .npz beside it."
    yield from (f"version = {VERSION}", f"made = {profile.made.isoformat()}", f"arrays = {text(digest)}")
    yield from ("", "[headset]", f"source = {text(profile.source)}", f"uid = {text(profile.uid)}")
    yield from (f"samplerate = {profile.samplerate!r}  # Hz", f"reference = {text(profile.reference)}")
    yield from (f"channels = {text(profile.channels)}", f"usable = {text(profile.usable)}")
    yield from ("", "[seconds]  # of good signal", *(f"{key} = {v:.1f}" for key, v in profile.conditions.items()))
    yield from ("", "[alpha]")
    if profile.alpha_hz is not None:
        yield f"frequency = {profile.alpha_hz:.2f}  # Hz"
    yield f"confidence = {profile.confidence:.2f}  # 0 a guess, 1 beyond doubt"
    yield from ("", "[bands]  # Hz", *(f"{band} = [{low:g}, {high:g}]" for band, (low, high) in profile.bands.items()))
    yield from ("", "[found]")
    if profile.mains_hz is not None:
        yield f"mains = {profile.mains_hz:g}  # Hz"
    yield f"noise_floor = {profile.noise_uv:.4g}  # uV per root Hz"
    for control, ability in profile.agency.items():
        yield from ("", f"[agency.{text(control)}]  # {ability.verdict}", f"made = {ability.made.isoformat()}")
        yield f"trials = {ability.trials}"
        if ability.why_not:
            yield f"why_not = {text(ability.why_not)}"
        else:
            yield from (f"{key} = {float(getattr(ability, key))!r}" for key in _NUMBERS)
