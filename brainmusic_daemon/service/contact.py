"""How well the electrodes sat during a calibration in; which are left out, or why there can be none, out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from brainmusic_daemon.api import ConfigError
from brainmusic_daemon.config import Config
from brainmusic_daemon.service.takes import Heard

SHORTEST_S = 10.0  # of good signal in each condition: alpha waxes and wanes over seconds
EYES = {"open": "eyes open", "closed": "eyes closed", "whole": "the recording"}
_BAD = 0.5  # a channel that is good for less of the time has no contact
_NET = 17  # channels from which on a few noisy ones are left out instead of refused
_NOISY_SHARE = 0.1  # of a net
_REASONS = {
    "railed": "saturated: its amplifier is at its limit",
    "saturated": "saturated: its signal is cut off",
    "nan": "unreadable: no numbers come from it",
    "flat": "flat: no signal at all",
    "noisy": "very noisy",
    "loose": "loose: hardly anything but mains hum",
    "moved": "moving all the time",
    "popped": "its cable crackles",
    "dropout": "its signal drops out",
    "": "gone for half of the time",
}


def long_enough(seconds: Mapping[str, float]) -> None:
    """Raise ConfigError where a calibration with so many seconds per condition would be of no use."""
    if not seconds:
        raise ConfigError("there is nothing to calibrate with: give --eyes-open or --eyes-closed some seconds, or both")
    for condition, length in seconds.items():
        if length < SHORTEST_S:
            raise too_short(condition, length)


def too_short(condition: str, seconds: float) -> ConfigError:
    return ConfigError(
        f"too little good signal for a calibration: {seconds:.1f} s with {EYES[condition]}, and {SHORTEST_S:g} s are "
        "needed, 30 s are better; take longer, and sit still"
    )


def usable_but(heard: Mapping[str, Heard]) -> dict[str, str]:
    """Return the channels that are left out, and why.  Raises ConfigError where that would be too many."""
    channels = next(iter(heard.values())).channels
    bad: dict[str, str] = {}
    for i, channel in enumerate(channels):
        for one in heard.values():
            if one.quality[i] < _BAD and channel not in bad:
                bad[channel] = one.faults.get(channel, "")
    if (refused := refusal(bad, len(channels))) is not None:
        raise refused
    return bad


def offer(bad: Mapping[str, str], n_channels: int) -> tuple[str, ...]:
    """Return the channels without which a calibration could be had that cannot be had with them; none: no way out."""
    return tuple(bad) if len(bad) < n_channels and refusal(bad, n_channels) is not None else ()


def chosen(text: str, channels: Sequence[str]) -> tuple[str, ...]:
    """Return the channels that `text` names, as the headset writes them.  Raises ConfigError; "": none."""
    known = {channel.casefold(): channel for channel in channels}
    wishes = [wish.strip() for wish in text.split(",") if wish.strip()]
    there = f"there is {', '.join(channels)}"
    for wish in wishes:
        if wish.casefold() not in known:
            raise ConfigError(f"cannot calibrate without '{wish[:60]}': the headset has no such channel; {there}")
    found = tuple(dict.fromkeys(known[wish.casefold()] for wish in wishes))
    if found and len(found) == len(channels):
        raise ConfigError(f"cannot calibrate without all of {', '.join(channels)}: no channel would be left")
    return found


def leaving(config: Config, without: Sequence[str]) -> Config:
    """Return a configuration whose features know nothing of some channels, as with `features.exclude`."""
    if not without:
        return config
    exclude = [*config.features.exclude, *without]
    return replace(config, features=config.features.model_copy(update={"exclude": exclude}))


def refusal(bad: Mapping[str, str], n_channels: int) -> ConfigError | None:
    """Return why a calibration cannot be had with these channels (name → fault), or None where it can.

    A few noisy channels of a large net are no reason: they are left out.  One without contact always is.
    """
    noisy_only = all(fault == "noisy" for fault in bad.values())
    if not bad or (noisy_only and n_channels >= _NET and len(bad) <= _NOISY_SHARE * n_channels):
        return None
    named = ", ".join(f"{channel} ({_REASONS.get(fault, fault)})" for channel, fault in list(bad.items())[:12])
    named += f" and {len(bad) - 12} more" if len(bad) > 12 else ""
    way_out = (
        f"; or calibrate without {','.join(bad)} (--without, or the page's button)" if len(bad) < n_channels else ""
    )
    return ConfigError(
        f"bad contact, so nothing was calibrated: {named}. Press the electrode on, moisten it, check its cable, and "
        f"calibrate again{way_out}"
    )
