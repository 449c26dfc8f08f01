"""The sections of a configuration as frozen models: every setting with its default, bounds and help."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from brainmusic_daemon import registry

Hz = Annotated[float, Field(ge=0.1, le=1000)]
Delay = Annotated[float, Field(ge=0, le=2000)]
BANDS: Mapping[str, tuple[float, float]] = {
    "delta": (1.0, 4.0),
    "theta": (4.0, 8.0),
    "alpha": (8.0, 13.0),
    "beta": (13.0, 30.0),
    "gamma": (30.0, 45.0),
}


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SessionConfig(Section):
    """The tick, how patiently devices are waited for, and the name under which the daemon is reached."""

    name: str = Field(
        "brainmusic", pattern=r"^[A-Za-z0-9_-]{1,40}$", description="tells daemons apart that run side by side"
    )
    tick_ms: float = Field(20.0, ge=2, lt=100, description="period of the tick, ms")
    patience_s: float = Field(10.0, ge=0, description="wait this long for a source never seen yet, s; inf: for ever")
    silence_s: float = Field(0.8, gt=0, le=10, description="no sample for this long: the source is lost, s")
    status: bool = Field(True, description="show the live status line")
    resume: bool = Field(
        False, description="take up mapper, scene, preset, levels and profile where the last run ended"
    )
    log: Literal["auto", "text", "json"] = Field(
        "auto", description="lines for people, or JSON; auto: JSON into a journal"
    )
    log_rate: int = Field(
        6, ge=1, le=1000, description="the same message at most so often a minute; the rest is counted"
    )
    profile: str = Field(
        "", description="whose headset this is: a name given to `brainmusic calibrate`; empty: anybody"
    )


class FeaturesConfig(Section):
    """What is taken from the signal, and with how much delay."""

    delay_ms: float = Field(75.0, ge=0, le=2000, description="designed analysis delay of the kernels, ms")
    delays_ms: dict[str, Delay] = Field(default_factory=dict, description="other delays for single bands, ms")
    fidelity: float = Field(0.9, ge=0, lt=1, description="a band waits longer for this correlation; 0: it does not")
    learn_s: float = Field(60.0, ge=0, le=600, description="learn the spectrum for the kernels this long, s; 0: never")
    kernel_s: float = Field(1.0, ge=0.1, le=8, description="length of the kernels, s")
    bands: dict[str, tuple[Hz, Hz]] = Field(default_factory=lambda: dict(BANDS), description="band edges, Hz")
    reference: str | list[str] = Field("none", description="none, average, linked (mastoids or ears), or channel names")
    montage: str = Field("", description="an mne montage name for channel names outside 10-20, e.g. biosemi64")
    channels: list[str] = Field(default_factory=list, description="use only these: names, regions, O*; empty: all")
    exclude: list[str] = Field(default_factory=list, description="leave these channels out: names, regions, wildcards")
    regions: dict[str, list[str]] = Field(default_factory=dict, description="region → channels, beside 10-20's own")
    derived: list[str] = Field(default_factory=list, description="compute only these derived features; empty: all")
    settings: dict[str, dict[str, Any]] = Field(default_factory=dict, description="settings of the derived features")

    @field_validator("reference", mode="before")
    @classmethod
    def _known_reference(cls, value: object) -> object:
        words = ("none", "average", "linked")
        if isinstance(value, str) and value not in words:
            raise ValueError(f'is "none", "average", "linked", or a list of channel names such as ["{value}"]')
        if value == [] or not isinstance(value, str | list):
            raise ValueError('is "none", "average", "linked", or a list of channel names such as ["M1", "M2"]')
        return value

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.bands:
            raise ValueError("bands: at least one band is needed")
        for name, (low, high) in self.bands.items():
            if low >= high:
                raise ValueError(f"band '{name}' is {low} to {high} Hz: the lower edge comes first")
            if not name.isidentifier():
                raise ValueError(f"band name {name!r}: letters, digits and _ only")
        for name in self.delays_ms:
            if name not in self.bands:
                raise ValueError(f"delays_ms: there is no band '{name}'{registry.did_you_mean(name, [*self.bands])}")
        return self


class QualityConfig(Section):
    """When a channel counts as bad, and when the music stops following."""

    flat_uv: float = Field(0.5, ge=0, description="peak to peak below this over a second: flat, µV")
    rail_uv: float = Field(180_000.0, gt=0, description="beyond this the amplifier is railed, µV")
    noise_uv: float = Field(100.0, gt=0, description="deviation above this, drift and mains removed: noise, µV")
    mains_ratio: float = Field(30.0, gt=0, description="mains amplitude over EEG amplitude (4–45 Hz) above this: loose")
    good_share: float = Field(0.25, ge=0, le=1, description="share of good channels that the music needs")
    hold_s: float = Field(2.0, ge=0, description="hold the controls this long before they glide to rest, s")
    glide_s: float = Field(1.0, gt=0, description="time constant of the glide to rest and back, s")


class ArtifactsConfig(Section):
    """What is no brain, and is taken out of the features or bridged."""

    enabled: bool = Field(True, description="take blinks, glances, muscles and cables out of the features")
    blink_uv: float = Field(35.0, gt=0, description="deflection of the foremost electrodes that may be a blink, µV")
    muscle_ratio: float = Field(16.0, gt=1, description="muscle power over the usual above this: a clench")
    pop_uv: float = Field(150.0, gt=0, description="step from one sample to the next above this: a cable, µV")
    moved_uv: float = Field(250.0, gt=0, description="deflection that is no eye's above this: an electrode moved, µV")


class MusicConfig(Section):
    """What is played with the controls."""

    preset: str = Field("drone", min_length=1, description="a preset of the project, or the path of a TOML file")
    seed: int = Field(1, ge=0, le=2**31 - 1, description="another seed is another course of the same piece")


class BaselineConfig(Section):
    """How features become 0..1 around 0.5."""

    memory_s: float = Field(600.0, ge=5, description="a range that is no longer used closes with this time constant, s")
    settle_s: float = Field(10.0, ge=0, description="good signal needed before the state is 'good', s")


class SwapConfig(Section):
    """How another mapper takes over while the music plays, and what it may cost."""

    fade_s: float = Field(0.5, ge=0, le=60, description="cross-fade from one mapper to the next, s")
    budget_ms: float = Field(5.0, gt=0, le=50, description="time per tick for a mapper that may be slow, ms")
    try_s: float = Field(10.0, ge=0, le=60, description="try a new mapper on so much of what was just played, s")
    watch: bool = Field(True, description="take up files when they are saved")


class ControlConfig(Section):
    """How the daemon is commanded over OSC; the shell reaches it without any of this."""

    enabled: bool = Field(True, description="listen for OSC commands")
    host: str = Field("127.0.0.1", min_length=1, description="address to listen at; beyond loopback `allow` is needed")
    allow: list[str] = Field(
        default_factory=list, description='who may command from elsewhere: addresses and networks, or "any"'
    )
    osc_port: int = Field(57121, ge=0, le=65535, description="UDP port of the OSC commands; 0: any that is free")
    explain_hz: float = Field(4.0, ge=0, le=20, description="send the shares behind every control so often, Hz; 0: no")
    folder: Path = Field(Path(), description="where recordings asked for by a bare name go; default: where it started")

    @field_validator("allow")
    @classmethod
    def _addresses(cls, value: list[str]) -> list[str]:
        for entry in value:
            if entry != "any":
                try:
                    ipaddress.ip_network(entry, strict=False)
                except ValueError:
                    raise ValueError(f"'{entry}' is no address, network (as 192.168.1.0/24) or \"any\"") from None
        return value

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if self.enabled and self.beyond_loopback and not self.allow:
            raise ValueError(
                f'host = "{self.host}" can be reached over the network: say who may command, as '
                'allow = ["192.168.1.0/24"], or allow = ["any"] for whoever reaches this computer'
            )
        return self

    @property
    def beyond_loopback(self) -> bool:
        """Return whether other computers may reach it."""
        return _is_beyond_loopback(self.host)


class WebConfig(Section):
    """Where the page, OSCQuery and the metrics are served over HTTP."""

    enabled: bool = Field(True, description="serve the page, OSCQuery and metrics")
    host: str = Field("127.0.0.1", min_length=1, description="address to listen at; 0.0.0.0: whoever has the token")
    port: int = Field(57180, ge=0, le=65535, description="TCP port; 0: any that is free")
    token: str = Field(
        "",
        pattern=r"^([A-Za-z0-9_.~-]{8,200})?$",
        description="asked for; empty: none on loopback, else one is made and kept",
    )
    hosts: list[str] = Field(default_factory=list, description="further names under which this computer is reached")
    advertise: bool = Field(True, description="tell the network where OSC and OSCQuery are, where it can reach them")

    @property
    def beyond_loopback(self) -> bool:
        """Return whether other computers may reach it."""
        return _is_beyond_loopback(self.host)


def _is_beyond_loopback(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"


class LearnConfig(Section):
    """Learning from ratings and turned knobs while the music plays."""

    enabled: bool = Field(False, description="learn from the start; else `learn on` begins")
    explore: float = Field(0.15, ge=0, le=0.3, description="size of the variations to compare, share of range; 0: none")
    step: float = Field(0.06, gt=0, le=0.5, description="a rating moves no control further, share of its range")
    seed: int = Field(1, ge=0, le=2**31 - 1, description="another seed tries other variations")


class SceneConfig(Section):
    """A mapper, a preset and how they sound, to be recalled under one name."""

    mapper: str | dict[str, Any] = Field("", description="as for `brainmusic swap`, or a table; empty: stays")
    preset: str = Field("", description="a preset of the project, or the path of a TOML file; empty: stays")
    fade_s: float | None = Field(None, ge=0, le=60, description="cross-fade, s; default: swap.fade_s")
    help: str = Field("", description="what it is for")


SECTIONS: Mapping[str, type[Section]] = {
    "session": SessionConfig,
    "features": FeaturesConfig,
    "quality": QualityConfig,
    "artifacts": ArtifactsConfig,
    "baseline": BaselineConfig,
    "music": MusicConfig,
    "swap": SwapConfig,
    "control": ControlConfig,
    "web": WebConfig,
    "learn": LearnConfig,
}
