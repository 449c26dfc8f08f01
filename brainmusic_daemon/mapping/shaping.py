"""Settings of how a control is bent and followed in, checked; what they do to its value out."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from brainmusic_daemon.api import Control
from brainmusic_daemon.mapping.expression import nearest
from brainmusic_daemon.mapping.smoothing import Kind, Smoothing

Number = Annotated[float, Field(allow_inf_nan=False)]


class Bend(BaseModel):
    """What can be set about the way to a control, wherever its value comes from.

    Mistakes are told in words that lead out of them, «did you mean» included.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    what: ClassVar[str] = "a control"  # has no such setting

    gain: float = Field(1.0, ge=0, le=100, description="stretches around the middle of the range")
    offset: float = Field(0.0, ge=-1, le=1, description="moves everything up or down, in shares of the range")
    invert: bool = Field(False, description="turns it round")
    slew: float | None = Field(None, gt=0, allow_inf_nan=False, description="greatest change per second")
    acceleration: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="greatest change of the change per second, per second"
    )
    freeze: bool = Field(False, description="keep the control where it is")

    @model_validator(mode="wrap")
    @classmethod
    def _helpful(cls, table: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(table)
        except ValidationError as error:
            lines = [cls._line(item) for item in error.errors(include_url=False)]
            raise ValidationError.from_exception_data(cls.__name__, lines) from None

    @classmethod
    def _line(cls, item: ErrorDetails) -> InitErrorDetails:
        """Reword one of pydantic's errors."""
        message, place = item["msg"].removeprefix("Value error, "), item["loc"]
        if item["type"] == "extra_forbidden":
            message = f"{cls.what} has no setting '{place[-1]}'{hint(str(place[-1]), cls.settings())}"
        return InitErrorDetails(
            type=PydanticCustomError("route", "{message}", {"message": message}), loc=place, input=item["input"]
        )

    @classmethod
    def settings(cls) -> list[str]:
        """Return what may be set, by the names that a user writes."""
        return [field.alias or name for name, field in cls.model_fields.items()]

    @property
    def slope(self) -> float:
        """Return by how much a share of the range grows on the way, before curve and output range."""
        return -self.gain if self.invert else self.gain


class Shaping(Bend):
    """How one control is changed on its way from a mapper that it belongs to; what is left out stays the mapper's."""

    what: ClassVar[str] = "an adjustment"

    output: tuple[Number, Number] | None = Field(None, description="range of the control that is used")
    smooth_s: float | None = Field(None, ge=0, le=60, description="time constant of the smoothing, s")
    kind: Kind | None = Field(None, alias="smoothing", description="low-pass, critical or one-euro")
    agility: float | None = Field(None, ge=0, le=100, description="of one-euro: how readily it quickens")
    dead_zone: float | None = Field(None, ge=0, allow_inf_nan=False, description="smaller changes are ignored")

    @property
    def changes_value(self) -> bool:
        """Return whether `function` is anything but the identity."""
        return self.output is not None or self.gain != 1 or self.offset != 0 or self.invert

    def share(self, control: Control) -> float:
        """Return by how much a share of the control's range grows on the way; 0 where it is frozen."""
        first, last = self.output or (control.low, control.high)
        return 0.0 if self.freeze else self.slope * (last - first) / (control.high - control.low)

    def function(self, control: Control) -> Callable[[float], float]:
        """Return the way from a value of `control`, in its unit, to the one that goes on, in its unit and range."""
        low, span = control.low, control.high - control.low
        first, last = (control.clip(end) for end in self.output or (control.low, control.high))
        slope, middle = self.slope, 0.5 + self.offset

        def shaped(value: float) -> float:
            u = middle + slope * ((value - low) / span - 0.5)  # this way round the ends are met exactly
            return first + (last - first) * (u if 0.0 <= u <= 1.0 else 0.0 if u < 0.0 else 1.0)

        return shaped

    def smoothing_over(self, usual: Smoothing) -> Smoothing:
        """Return `usual`, the mapper's own smoothing, with what is set here."""
        return Smoothing(
            time_s=usual.time_s if self.smooth_s is None else self.smooth_s,
            slew=usual.slew if self.slew is None else self.slew,
            dead_zone=usual.dead_zone if self.dead_zone is None else self.dead_zone,
            freeze=self.freeze if "freeze" in self.model_fields_set else usual.freeze,
            kind=usual.kind if self.kind is None else self.kind,
            agility=usual.agility if self.agility is None else self.agility,
            acceleration=usual.acceleration if self.acceleration is None else self.acceleration,
        )

    def smoothing_for(self, control: str) -> Smoothing:
        """Return the smoothing of a control whose mapper has none of its own."""
        return self.smoothing_over(Smoothing())


def hint(word: str, known: Collection[str]) -> str:
    """Return « (did you mean …)», or all that there is."""
    return nearest(word, known) or f"; there is {', '.join(known)}"
