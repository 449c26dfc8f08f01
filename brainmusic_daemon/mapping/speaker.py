"""Attributes and moods of every tick in, `Words` out: a new object only when something has changed enough."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from brainmusic_daemon.api import FloatArray, Prompt, Words
from brainmusic_daemon.mapping import ladder
from brainmusic_daemon.mapping.ladder import Ladder
from brainmusic_daemon.mapping.vocabulary import Attribute, Mood, Vocabulary

USUAL = 0.5  # where an attribute stands before anything is known
_GAPS = re.compile(r"\s*(?:,\s*)+")


@dataclass(frozen=True, slots=True)
class Slot:
    """One prompt and what its weight follows."""

    text: str
    weight: float  # at most
    ladder: int  # index of its attribute or mood; -1: it is always there
    rung: int = 0


def slots(vocabulary: Vocabulary) -> tuple[Slot, ...]:
    """Return all prompts there can be, in order of their numbers: the base, the attributes' words, the moods."""
    found = [Slot(base.text, base.weight, -1) for base in vocabulary.base]
    for index, attribute in enumerate(vocabulary.attributes.values()):
        texts = enumerate(attribute.prompts)
        found += [Slot(text, attribute.weight, index, rung) for rung, text in texts if text]
    first = len(vocabulary.attributes)
    moods = enumerate(vocabulary.moods.values(), start=first)
    return (*found, *(Slot(mood.prompt or mood.says, mood.weight, index, 1) for index, mood in moods))


@dataclass(slots=True)
class Speaker:
    """Keeps what is said; no clock: it counts ticks."""

    vocabulary: Vocabulary
    tick: float  # s
    resolution: float = 0.01  # of weights
    every_s: float = 0.2  # weights change at most so often
    vectors: FloatArray | None = None  # (n_slots, n), the slots' embeddings of length 1
    words: Words = field(init=False)
    _ladders: list[Ladder] = field(init=False)
    _slots: tuple[Slot, ...] = field(init=False)
    _middles: list[list[float]] = field(init=False)  # of each attribute's rungs
    _moods: list[tuple[int, str, Mood]] = field(init=False)  # ladder, name
    _mood: int = field(default=-1, init=False)  # ladder of the one that has the word
    _levels: list[int] = field(default_factory=list, init=False)  # weights in steps of `resolution`
    _quiet: int = field(default=0, init=False)  # ticks since the sentence changed
    _count: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        v = self.vocabulary
        steady = [(attribute, attribute.borders) for attribute in v.attributes.values()]
        self._ladders = [
            *(self._ladder(one, edges, v.smooth_s if one.smooth_s is None else one.smooth_s) for one, edges in steady),
            *(self._ladder(mood, [mood.above], 0.0) for mood in v.moods.values()),  # they hear what is smoothed
        ]
        for each in self._ladders[len(steady) :]:
            each.value, each.rung = 0.0, 0
        self._middles = [ladder.centres(edges) for _, edges in steady]
        self._moods = [(len(steady) + i, name, mood) for i, (name, mood) in enumerate(v.moods.items())]
        self._slots = slots(v)
        self._levels = self._weigh()
        self.words = self._say(self._sentence())
        self._quiet = round(v.pause_s / self.tick)

    def step(self, values: Sequence[float]) -> None:
        """Go on by one tick; values: the attributes', then the moods' strengths, 0..1."""
        for rungs, value in zip(self._ladders, values, strict=True):
            rungs.step(value)
        self._count += 1
        self._quiet += 1
        if self._count * self.tick < self.every_s:
            return
        self._count = 0
        text, levels = self.words.text, self._weigh()
        if self._quiet * self.tick >= self.vocabulary.pause_s:
            text = self._sentence()
        if text != self.words.text:
            self._quiet = 0
        if text != self.words.text or levels != self._levels:
            self._levels = levels
            self.words = self._say(text)

    def _ladder(self, one: Attribute | Mood, edges: Sequence[float], smooth_s: float) -> Ladder:
        share = ladder.share_of(smooth_s, self.tick)
        return Ladder(edges, one.hysteresis, round(one.hold_s / self.tick), share, USUAL)

    def state(self) -> Mapping[str, str]:
        """Return attribute → word, and `mood` where there is one."""
        pairs = zip(self.vocabulary.attributes.items(), self._ladders, strict=False)
        found = {name: attribute.words[rungs.rung] for (name, attribute), rungs in pairs}
        mood = next((name for index, name, _ in self._moods if index == self._mood), None)
        return found if mood is None else {**found, "mood": mood}

    def _sentence(self) -> str:
        v = self.vocabulary
        said = {
            name: (attribute.says or attribute.words)[rungs.rung]
            for (name, attribute), rungs in zip(v.attributes.items(), self._ladders, strict=False)
        }
        on = [(self._ladders[index].value - mood.above, index, mood) for index, _, mood in self._moods]
        on = [one for one in on if self._ladders[one[1]].rung]
        # the mood that has the word keeps it: two that are on take turns for nothing
        chosen = next((one for one in on if one[1] == self._mood), max(on, key=lambda one: one[0], default=None))
        self._mood = -1 if chosen is None else chosen[1]
        if chosen is None:
            return tidy(v.sentence.format_map(said))
        return tidy(v.mood_sentence.format_map({**said, "mood": chosen[2].says}))

    def _weigh(self) -> list[int]:
        shares = [
            ladder.memberships(rungs.value, middles)
            for rungs, middles in zip(self._ladders, self._middles, strict=False)
        ]
        for index, _, mood in self._moods:
            width = mood.full - mood.above
            strength = (self._ladders[index].value - mood.above + width) / (2 * width)
            shares.append([0.0, min(max(strength, 0.0), 1.0)])
        steps = 1.0 / self.resolution
        return [
            round(slot.weight * steps * (1.0 if slot.ladder < 0 else shares[slot.ladder][slot.rung]))
            for slot in self._slots
        ]

    def _say(self, text: str) -> Words:
        weights = [level * self.resolution for level in self._levels]
        prompts = tuple(
            Prompt(number, slot.text, round(weight, 6))
            for number, (slot, weight) in enumerate(zip(self._slots, weights, strict=True))
        )
        return Words(text, prompts, self._embedding(weights))

    def _embedding(self, weights: Sequence[float]) -> tuple[float, ...]:
        """Return the vectors' sum by weight, of length 1; the newest one again where they cancel out."""
        if self.vectors is None:
            return ()
        whole = weights @ self.vectors
        length = float(whole @ whole) ** 0.5
        if length < 1e-6:
            return self.words.embedding if hasattr(self, "words") else tuple(whole.tolist())
        return tuple((whole / length).tolist())


def tidy(text: str) -> str:
    """Close the gaps that empty words leave."""
    return " ".join(_GAPS.sub(", ", text).split()).strip(" ,")
