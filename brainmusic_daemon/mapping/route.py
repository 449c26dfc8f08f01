"""One table of settings in, the function from features to one control out: a route."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationInfo, field_validator, model_validator
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from brainmusic_daemon.api import CONTROL
from brainmusic_daemon.mapping import curves
from brainmusic_daemon.mapping.expression import Expression, parse
from brainmusic_daemon.mapping.shaping import Bend, Number, Shaping, hint
from brainmusic_daemon.mapping.smoothing import Kind, Smoothing

__all__ = ["DEFAULTS", "Route", "Routes", "Shaping", "check"]

_NAME = "[control]"  # no one can mistake it for a setting

DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    # Eyes closed means strong alpha: lower, slower, sparser, softer, darker, in a larger room.
    "fundamental_frequency": {"from": "engagement", "output": (110.0, 440.0), "curve": "exp", "smooth_s": 0.1},
    "loudness": {"from": "activation", "output": (0.2, 0.9), "smooth_s": 0.03},
    "brightness": {"from": "theta_alpha", "output": (0.05, 0.9), "smooth_s": 0.05},
    "noise_amount": {"from": "beta", "output": (0.0, 0.3), "curve": "power", "smooth_s": 0.05},
    "reverb": {"from": "connectivity | alpha", "output": (0.1, 0.8), "smooth_s": 0.3},
    "attack_time": {"from": "engagement", "invert": True, "curve": "exp", "smooth_s": 0.1},
    "tempo": {"from": "engagement", "output": (50.0, 130.0), "smooth_s": 0.5},
    "mode": {"from": "asymmetry", "smooth_s": 0.5},
    "complexity": {"from": "theta_alpha", "output": (0.1, 0.9), "smooth_s": 0.3},
    "density": {"from": "0.5 + beta - alpha", "output": (0.1, 0.8), "smooth_s": 0.3},
}
"""The wiring where a configuration gives none, in the order of CONTROLS."""


class Route(Bend):
    """What drives one control, and how.

    The feature's value goes through the input range to 0..1, is stretched by `gain` around the middle, turned
    round by `invert`, moved by `offset`, bent by the curve, and spread over the output range.
    """

    what: ClassVar[str] = "a route"

    control: str = Field(alias="[control]", description="the name of the table")
    source: str = Field(alias="from", description="a feature, or an expression of features")
    input: tuple[Number, Number] = Field((0.0, 1.0), description="range of the feature that is used")
    output: tuple[Number, Number] = Field(
        (0.0, 0.0), description="range of the control that is used; default: all of it"
    )
    curve: curves.Shape = Field("linear", description="linear, exp (musical for pitch), log, s or power")
    amount: float | None = Field(None, gt=0, le=20, description="how strongly the curve bends")
    smooth_s: float = Field(0.1, ge=0, le=60, description="time constant of the smoothing, s")
    kind: Kind = Field("low-pass", alias="smoothing", description="low-pass, critical or one-euro")
    agility: float = Field(0.5, ge=0, le=100, description="of one-euro: how readily it quickens")
    dead_zone: float = Field(0.0, ge=0, allow_inf_nan=False, description="smaller changes are ignored, control's unit")
    enabled: bool = Field(True, description="false: the control stays at rest")

    @classmethod
    def _line(cls, item: ErrorDetails) -> InitErrorDetails:
        """Reword one of pydantic's errors; the name of the control is the table's name, not a setting of it."""
        if item["type"] == "missing":
            message = 'no feature drives this control by default: say which, e.g. from = "alpha"'
            kind = PydanticCustomError("route", "{message}", {"message": message})
            return InitErrorDetails(type=kind, loc=item["loc"], input=None)
        line = super()._line(item)
        if item["loc"] == (_NAME,):
            line["loc"] = ()
        return line

    @classmethod
    def settings(cls) -> list[str]:
        """Return what may be set, by the names that a user writes."""
        return [name for name in super().settings() if name != _NAME]

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, table: Any) -> Any:
        """Let the default wiring of the same control speak for what a table without `from` leaves open."""
        if not isinstance(table, Mapping) or table.get(_NAME) not in CONTROL:
            return table
        control = CONTROL[table[_NAME]]
        whole = {"output": (control.low, control.high)}
        default = {} if "from" in table else DEFAULTS.get(control.name, {})
        return {**whole, **default, **table}

    @field_validator("control")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in CONTROL:
            raise ValueError(f"there is no control '{name}'{hint(name, CONTROL)}")
        return name

    @field_validator("source")
    @classmethod
    def _readable(cls, text: str) -> str:
        parse(text)
        return text

    @field_validator("input")
    @classmethod
    def _wide(cls, span: tuple[float, float]) -> tuple[float, float]:
        if span[0] == span[1]:
            raise ValueError("both ends are the same")
        return span

    @field_validator("output")
    @classmethod
    def _inside(cls, span: tuple[float, float], info: ValidationInfo) -> tuple[float, float]:
        control = CONTROL.get(info.data.get("control", ""))
        if control and not all(control.low <= end <= control.high for end in span):
            raise ValueError(f"must stay within {control.low:g} to {control.high:g} {control.unit}".rstrip())
        return span

    @property
    def expression(self) -> Expression:
        return parse(self.source)

    @property
    def smoothing(self) -> Smoothing:
        """Return how the host smooths it."""
        return Smoothing(
            time_s=self.smooth_s,
            slew=self.slew,
            dead_zone=self.dead_zone,
            freeze=self.freeze,
            kind=self.kind,
            agility=self.agility,
            acceleration=self.acceleration,
        )

    def function(self, index: Mapping[str, int]) -> Callable[[Sequence[float]], float]:
        """Return the control's target as a function of the features' values.  Raises KeyError for a missing feature."""
        feature, (first, last), (low, high) = self.expression.compile(index), self.input, self.output
        scale = self.slope / (last - first)
        shift = 0.5 - 0.5 * self.slope - scale * first + self.offset
        span, curve = high - low, curves.make(self.curve, self.amount, low, high)
        if self.curve == "linear":  # the usual case, without the call

            def straight(values: Sequence[float]) -> float:
                u = scale * feature(values) + shift
                return low + span * (u if 0.0 <= u <= 1.0 else 0.0 if u < 0.0 else 1.0)

            return straight

        def bent(values: Sequence[float]) -> float:
            u = scale * feature(values) + shift
            return low + span * curve(u if 0.0 <= u <= 1.0 else 0.0 if u < 0.0 else 1.0)

        return bent


def _wired(tables: Any) -> Any:
    """Tell every route which control it is for; without any `from`, put the default wiring underneath."""
    if not isinstance(tables, Mapping):
        return tables
    if isinstance(latents := tables.get("z"), Mapping):  # [mapper.routes.z.0] is a table within a table to TOML
        flat = {f"z.{number}": table for number, table in latents.items()}
        tables = {name: table for name, table in tables.items() if name != "z"} | flat
    own = any(isinstance(table, Route) or (isinstance(table, Mapping) and "from" in table) for table in tables.values())
    named = {name: {**table, _NAME: name} if isinstance(table, Mapping) else table for name, table in tables.items()}
    return named if own else {name: {_NAME: name} for name in DEFAULTS} | named


Routes = Annotated[dict[str, Route], BeforeValidator(_wired)]
"""Control → route.  Checked by pydantic; also makes the default wiring from an empty table."""


def check(tables: Mapping[str, Any]) -> dict[str, Route]:
    """Return checked routes.  Raises ValidationError (a ValueError) with all that is wrong."""
    return TypeAdapter(Routes).validate_python(tables)
