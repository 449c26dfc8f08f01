"""The network in; the LSL streams on it, and what they say about themselves, out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from xml.etree import ElementTree

from brainmusic_daemon import liblsl
from brainmusic_daemon.acquisition.formats.choose import Candidate
from brainmusic_daemon.api import ConfigError, Unfit
from brainmusic_daemon.harmless import harmless

MOST_CHANNELS, MOST_HZ = 8_192, 100_000.0
FORMATS = {1: "float32", 2: "float64", 4: "int32", 5: "int16", 6: "int8", 7: "int64"}  # liblsl's numbers; 3 is text


@dataclass(frozen=True, slots=True)
class Found:
    """One stream that answers on the network."""

    name: str
    type: str
    channels: int
    rate: float  # nominal Hz; 0: irregular
    format: str
    host: str
    source_id: str


def visible(wait_s: float = 1.0) -> list[Found]:
    """Return the streams that answer within `wait_s`, by name; shorter than 0.5 s may miss some."""
    pylsl = liblsl.load()
    return sorted(
        (found_from(info) for info in pylsl.resolve_streams(wait_s)), key=lambda found: (found.name, found.type)
    )


def found_from(info: Any) -> Found:
    kind = FORMATS.get(info.channel_format(), "text")
    name, type_, host, source_id = map(harmless, (info.name(), info.type(), info.hostname(), info.source_id()))
    return Found(name, type_, info.channel_count(), info.nominal_srate(), kind, host, source_id)


def bounded(info: Any) -> None:
    """Raise Unfit for a stream that no headset has: it would take the memory before anything is known of it."""
    count, rate = info.channel_count(), info.nominal_srate()
    if count > MOST_CHANNELS or not 0 <= rate <= MOST_HZ:
        raise Unfit(
            f"the LSL stream '{info.name()}' on {info.hostname()} has {count} channels at {rate:g} Hz; at most "
            f"{MOST_CHANNELS} at {MOST_HZ:g} Hz are read"
        )


def candidate(info: Any) -> Candidate:
    text = info.channel_format() not in FORMATS
    return Candidate(
        info.name(), "marker" if text else info.type(), [], [], [], info.nominal_srate(), info.channel_count()
    )


def rivals(infos: Sequence[Any], at: int) -> str:
    """Return, for people, which other streams look just like the one that is taken; "" where there is none."""
    taken = found_from(infos[at])
    alike = {
        other.source_id or other.host
        for other in map(found_from, infos)
        if replace(other, host=taken.host, source_id=taken.source_id) == taken
    } - {taken.source_id or taken.host}
    if not alike:
        return ""
    there, others = taken.source_id or taken.host, ", ".join(f"'{name}'" for name in sorted(alike))
    return f"{len(alike) + 1} streams are called '{taken.name}': this is '{there}'; for {others} name its source_id"


def quoted(value: str) -> str:
    """Return an XPath 1.0 string, which has no escapes: one kind of quotes can be inside, not both."""
    if "'" in value and '"' in value:
        raise ConfigError(f"the LSL property {value!r} holds both kinds of quotes: use `predicate` with contains()")
    return f'"{value}"' if "'" in value else f"'{value}'"


def described(xml: str, count: int) -> list[tuple[str, str, str]]:
    """Return (label, unit, kind) of every channel, "" where the description is silent or too short."""
    found: list[tuple[str, str, str]] = []
    try:
        for channel in ElementTree.fromstring(xml).findall("desc/channels/channel"):
            label, name, unit, kind = (
                harmless((channel.findtext(key) or "").strip(), more=" ") for key in ("label", "name", "unit", "type")
            )
            found.append((label or name, unit, kind))
    except ElementTree.ParseError:  # a sender that wrote raw bytes into its description
        pass
    return (found + [("", "", "")] * count)[:count]
