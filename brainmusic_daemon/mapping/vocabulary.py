"""TOML tables of words, moods and sentences in, one frozen and fully checked `Vocabulary` out."""

from __future__ import annotations

import string
import tomllib
from collections.abc import Collection, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from brainmusic_daemon import registry
from brainmusic_daemon.api import ConfigError
from brainmusic_daemon.mapping.expression import parse

MAX_SLOTS = 64
MAX_TEXT = 400  # characters


def _readable(text: str) -> str:
    parse(text)
    return text


def _rising(edges: list[float]) -> list[float]:
    if any(not 0 < edge < 1 for edge in edges) or any(low >= high for low, high in pairwise(edges)):
        raise ValueError("are rising numbers between 0 and 1")
    return edges


Text = Annotated[str, Field(max_length=MAX_TEXT)]
Formula = Annotated[str, AfterValidator(_readable)]
Weight = Annotated[float, Field(ge=0, le=10)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Steady(_Model):
    """How a word follows its value."""

    hysteresis: float = Field(0.05, ge=0, le=0.25, description="how far beyond an edge, 0..1")
    hold_s: float = Field(6.0, ge=0, le=600, description="a word stays at least so long, s")
    weight: Weight = Field(1.0, description="of the prompts")
    enabled: bool = True


class Attribute(_Steady):
    """An expression of features, 0..1, and the words for its parts.

    A feature is often at 0.3 or 0.7, but its mean over some seconds seldom leaves 0.4 to 0.6: the edges are for that.
    """

    source: Formula = Field(alias="from", description="a feature, or an expression of features")
    smooth_s: float | None = Field(None, ge=0, le=60, description="time constant, s; default: that of everything")
    words: list[Text] = Field(min_length=2, max_length=9, description="from low to high")
    says: list[Text] = Field(default_factory=list, description="the same in a sentence; default: the words")
    prompts: list[Text] = Field(default_factory=list, description="the same as prompts; default: none")
    edges: Annotated[list[float], AfterValidator(_rising)] = Field(
        default_factory=list,
        description="where a word ends; default: spread over 0.42 to 0.58, where means over seconds are",
    )

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        count = len(self.words)
        for name, wanted in (("says", count), ("prompts", count), ("edges", count - 1)):
            given = getattr(self, name)
            if given and len(given) != wanted:
                raise ValueError(f"{name}: {len(given)} for {count} words; write {wanted}")
        if any(high - low <= 2 * self.hysteresis for low, high in pairwise(self.borders)):
            raise ValueError(f"hysteresis: {self.hysteresis:g} on both sides leaves nothing of the narrowest word")
        return self

    @property
    def borders(self) -> list[float]:
        """Return the edges."""
        count = len(self.words)
        return self.edges or ([0.5] if count == 2 else [0.42 + 0.16 * i / (count - 2) for i in range(count - 1)])


class Mood(_Steady):
    """What several attributes or features mean together, all of them smoothed."""

    when: Formula = Field(description="an expression of attributes and features, 0..1")
    says: Text = Field(min_length=1, description="in a sentence")
    prompt: Text = Field("", description="default: what it says")
    above: float = Field(0.57, gt=0, lt=1, description="from here on it has the word")
    full: float = Field(0.64, gt=0, le=1, description="here its prompt has its whole weight")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.full <= self.above:
            raise ValueError(f"full: {self.full:g} is not above {self.above:g} (above)")
        return self


class Base(_Model):
    """A prompt that is always there."""

    text: Text = Field(min_length=1)
    weight: Weight = 1.0


class Vocabulary(_Model):
    """Everything that the semantic mapper can say."""

    sentence: Text
    mood_sentence: Text
    pause_s: float = Field(6.0, ge=0, le=600)
    smooth_s: float = Field(4.0, ge=0, le=60)
    base: list[Base] = Field(default_factory=list, max_length=16)
    attributes: dict[str, Attribute] = Field(min_length=1)
    moods: dict[str, Mood] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for name in ("sentence", "mood_sentence"):
            more = ["mood"] if name == "mood_sentence" else []
            try:
                _check_template(getattr(self, name), [*self.attributes, *more])
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        for name in self.attributes:
            if not name.isidentifier() or name == "mood":
                raise ValueError(f"attributes.{name}: a name is one word of letters, digits and _ (and not 'mood')")
        slots = len(self.base) + len(self.moods) + sum(len(one.words) for one in self.attributes.values())
        if slots > MAX_SLOTS:
            raise ValueError(f"{slots} prompts are too many; at most {MAX_SLOTS}")
        return self


def load(file: Path | None, own: Mapping[str, Any]) -> Vocabulary:
    """Read the default vocabulary, lay that of `file` over it, and `own` over both; check the whole.

    Raises ConfigError with every problem at once.
    """
    tables = _read(Path(__file__).with_name("vocabulary.toml"))
    if file is not None:
        tables = _over(tables, _read(file))
    tables = _over(tables, own)
    for group in ("attributes", "moods"):
        if isinstance(tables[group], Mapping):
            tables[group] = {
                name: table
                for name, table in tables[group].items()
                if not (isinstance(table, Mapping) and table.get("enabled") is False)
            }
    try:
        return Vocabulary.model_validate(tables)
    except ValidationError as error:
        origin = f"in {file}: " if file is not None else ""
        raise ConfigError(origin + "; ".join(_told(item) for item in error.errors(include_url=False))) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the prompts {path}: {error}") from error
    except (ValueError, RecursionError) as error:  # also a number that is too long for Python
        raise ConfigError(f"the prompts {path} are not valid TOML: {error}") from error


def _over(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lay tables over tables; new words make the old ones' sayings, prompts and edges void."""
    found = {
        key: value for key, value in under.items() if not ("words" in over and key in ("says", "prompts", "edges"))
    }
    for key, value in over.items():
        below = found.get(key)
        found[key] = _over(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return found


def _check_template(template: str, known: Collection[str]) -> None:
    """Raise ValueError unless every {name} is known and plain: nothing in a text may look into objects."""
    for _, name, form, conversion in string.Formatter().parse(template):
        if name is None:
            continue
        if name not in known or form or conversion:
            raise ValueError(f"there is no {{{name}}}{registry.did_you_mean(name, [*known])}")


def _told(item: Any) -> str:
    place = ".".join(str(part) for part in item["loc"])
    message = item["msg"].removeprefix("Value error, ")
    if item["type"] == "extra_forbidden":
        groups: dict[str, type[_Model]] = {"attributes": Attribute, "moods": Mood, "base": Base}
        known = groups.get(str(item["loc"][0]), Vocabulary)
        names = [field.alias or name for name, field in known.model_fields.items()]
        message = f"there is no such setting{registry.did_you_mean(str(item['loc'][-1]), names)}"
    elif item["type"] == "missing":
        message = "is missing"
    return f"{place}: {message[:1].lower() + message[1:]}" if place else message
