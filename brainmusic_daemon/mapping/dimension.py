"""A table of settings in, what one latent may do out."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

Finite = Annotated[float, Field(allow_inf_nan=False, ge=-1000, le=1000)]
Span = tuple[Finite, Finite]


class Dimension(BaseModel):
    """One latent; what is left out is as for all of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    output: Span | None = Field(None, description="range that is used; [high, low] turns it round")
    gain: float | None = Field(None, ge=0, le=100, description="stretches around the middle of the range")
    offset: float = Field(0.0, ge=-1, le=1, description="moves it, in halves of the range")
    smooth_s: float | None = Field(None, ge=0, le=60, description="time constant, s")
    slew: float | None = Field(None, gt=0, allow_inf_nan=False, description="greatest change per second")
    dead_zone: float = Field(0.0, ge=0, allow_inf_nan=False, description="smaller changes are ignored")
    freeze: bool = Field(False, description="keep it where it is")

    @field_validator("output")
    @classmethod
    def _wide(cls, span: Span | None) -> Span | None:
        if span is not None and span[0] == span[1]:
            raise ValueError("both ends are the same; freeze = true keeps a latent where it is")
        return span
