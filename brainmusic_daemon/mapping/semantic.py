"""Features in; energy, valence, complexity and tempo, words and prompts for them, and the synth's controls out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from brainmusic_daemon.api import CONTROL, Control, Features, FloatArray, Words, plugin
from brainmusic_daemon.mapping import attribute_routes, text_encoder, vocabulary
from brainmusic_daemon.mapping.attribute_routes import AttributeRoutes
from brainmusic_daemon.mapping.ladder import share_of
from brainmusic_daemon.mapping.meaning import Meaning
from brainmusic_daemon.mapping.smoothing import Smoothing
from brainmusic_daemon.mapping.speaker import Speaker, slots
from brainmusic_daemon.there import expanded


@plugin
class Semantic:
    """Describe the music in words, as weighted prompts for text-to-music models, and play it on the own synth too.

    Attributes (expressions of features, 0..1) have words; rules (`moods`) name what several of them mean together.
    The tables `attributes`, `moods` and `base` add to the default vocabulary or change it; docs/mapping.md has it all.
    """

    prompts: Annotated[Path | None, Field(description="TOML file with tables like these; they win over it")] = None
    attributes: Annotated[dict[str, Any], Field(description="attributes by name")] = field(default_factory=dict)
    moods: Annotated[dict[str, Any], Field(description="rules for combined moods, by name")] = field(
        default_factory=dict
    )
    base: Annotated[list[Any] | None, Field(description="prompts that are always there")] = None
    sentence: Annotated[str | None, Field(description="template of the sentence, with {attribute}")] = None
    mood_sentence: Annotated[str | None, Field(description="the same for when a mood has the word")] = None
    pause_s: Annotated[float | None, Field(description="no two sentences come faster than this, s")] = None
    smooth_s: Annotated[float | None, Field(description="time constant of what words and weights follow, s")] = None
    resolution: Annotated[float, Field(ge=1e-4, le=0.5, description="weights move in steps of this")] = 0.01
    every_s: Annotated[float, Field(ge=0, le=60, description="weights move at most so often, s")] = 0.2
    encoder: Annotated[Path | None, Field(description="folder of a text encoder: the prompts' embedding is sent")] = (
        None
    )
    routes: AttributeRoutes = field(default_factory=dict)

    bounded: ClassVar[bool] = True

    controls: tuple[Control, ...] = field(init=False)
    smoothing: Mapping[str, Smoothing] = field(init=False)
    remarks: tuple[str, ...] = field(init=False, default=())
    files: tuple[Path, ...] = field(init=False, default=())
    unresolved: Mapping[str, str] = field(init=False, default_factory=dict)  # what rests → the features it misses here
    vocabulary: vocabulary.Vocabulary = field(init=False)
    terms: tuple[str, ...] = field(init=False, default=())  # what routes may name beside features
    speaker: Speaker | None = field(init=False, default=None)
    _meaning: Meaning | None = field(init=False, default=None)
    _slow: list[float] = field(init=False, default_factory=list)  # what moods hear: features and attributes, smoothed
    _share: float = field(init=False, default=1.0)
    _targets: dict[str, float] = field(init=False, default_factory=dict)
    _vectors: FloatArray | None = field(init=False, default=None)  # (n_slots, n), of length 1

    def __post_init__(self) -> None:
        given = {
            "sentence": self.sentence,
            "mood_sentence": self.mood_sentence,
            "pause_s": self.pause_s,
            "smooth_s": self.smooth_s,
        }
        own = {key: value for key, value in {**given, "base": self.base}.items() if value is not None}
        file = None if self.prompts is None else expanded(self.prompts)
        self.vocabulary = vocabulary.load(file, {**own, "attributes": self.attributes, "moods": self.moods})
        self.files = () if file is None else (file,)
        self.terms = tuple(self.vocabulary.attributes)
        if self.encoder is not None:
            self.encoder = text_encoder.check(self.encoder)
        routes = self.routes or attribute_routes.default()
        self.routes = {name: routes[name] for name in CONTROL if name in routes and routes[name].enabled}
        self.controls = tuple(CONTROL[name] for name in self.routes)
        self.smoothing = {name: route.smoothing for name, route in self.routes.items()}
        self._targets = {control.name: control.rest for control in self.controls}

    def prepare(self, names: Sequence[str], tick: float) -> None:
        """Find the features; what misses one is as usual (attributes), silent (moods) or at rest (controls)."""
        if self.encoder is not None and self._vectors is None:
            self._vectors = text_encoder.embed(self.encoder, [slot.text for slot in slots(self.vocabulary)])
        self._meaning = Meaning(self.vocabulary, self.routes, names)
        self.unresolved = self._meaning.unresolved
        self.remarks = tuple(f"{name}: this headset has no {missing}" for name, missing in self.unresolved.items())
        self._targets = {control.name: control.rest for control in self.controls}
        self._slow, self._share = [], share_of(self.vocabulary.smooth_s, tick)
        if self.speaker is None or self.speaker.tick != tick:  # another headset is no reason to start anew
            self.speaker = Speaker(self.vocabulary, tick, self.resolution, self.every_s, self._vectors)

    def map(self, features: Features) -> Mapping[str, float]:
        """Return the controls' targets, and say what there is to say (see `words`)."""
        assert self._meaning is not None and self.speaker is not None
        values = self._meaning.values(features)
        share = self._share
        self._slow = slow = [old + share * (new - old) for old, new in zip(self._slow or values, values, strict=True)]
        self.speaker.step([*values[self._meaning.count :], *self._meaning.strengths(slow)])
        return {**self._targets, **dict(self._meaning.targets(values))}

    def explain(self, features: Features) -> Mapping[tuple[str, str], float]:
        """Return how far each feature moves each control's target now, against all features as usual."""
        assert self._meaning is not None
        return self._meaning.explain(self._meaning.values(features))

    @property
    def words(self) -> Words | None:
        """Return what is said since the last `map`; the same object as long as nothing has changed."""
        return None if self.speaker is None else self.speaker.words
