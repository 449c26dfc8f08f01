"""The semantic mapper: what it says when, how steadily, and what the synth gets from the same attributes."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brainmusic_daemon.api import CONTROL, Features, Mapper, State, Words
from brainmusic_daemon.mapping.attribute_routes import DEFAULTS
from brainmusic_daemon.mapping.ladder import Ladder, memberships, share_of
from brainmusic_daemon.mapping.semantic import Semantic
from brainmusic_daemon.mapping.speaker import tidy
from brainmusic_daemon.registry import SettingErrors, build
from tests import parts

NAMES = ("theta", "alpha", "beta", "engagement", "activation", "theta_alpha", "asymmetry", "raw.iaf")
TICK = 0.02


def features(names: tuple[str, ...] = NAMES, **given: float) -> Features:
    index = {name: place for place, name in enumerate(names)}
    values = np.full(len(names), 0.5)
    for name, value in given.items():
        values[index[name.replace("__", ".")]] = value
    return Features(0.0, 0.0, names, values, index, (), np.zeros(0), State.GOOD)


def semantic(names: tuple[str, ...] = NAMES, **settings: Any) -> Semantic:
    mapper: Semantic = build("mapper", "semantic", settings, "mapper")
    mapper.prepare(names, TICK)
    return mapper


def hear(mapper: Semantic, seconds: float, **given: float) -> list[Words]:
    """Return every `Words` that comes within so many seconds."""
    heard: list[Words] = []
    for _ in range(round(seconds / TICK)):
        mapper.map(features(**given))
        assert mapper.words is not None
        if not heard or mapper.words is not heard[-1]:
            heard.append(mapper.words)
    return heard


def weights(words: Words) -> dict[str, float]:
    return {prompt.text: prompt.weight for prompt in words.prompts}


def problems(**given: Any) -> str:
    with pytest.raises(SettingErrors) as caught:
        build("mapper", "semantic", given, "mapper")
    return "\n".join(f"{place}: {text}" for place, text in caught.value.problems)


# Words


def test_is_a_mapper_that_speaks_from_the_beginning() -> None:
    mapper = semantic()
    assert isinstance(mapper, Mapper) and mapper.bounded
    assert [control.name for control in mapper.controls] == list(DEFAULTS)
    assert mapper.words is not None and mapper.words.text == "flowing music with warm chords, at an easy pace"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (dict(engagement=0.9, alpha=0.2, asymmetry=0.9), "energetic happy music full of light"),
        (dict(theta_alpha=0.95, engagement=0.05), "calm contemplative ambient music"),
        (dict(beta=0.95, asymmetry=0.05, engagement=0.5), "tense focused electronic music"),
    ],
)
def test_what_several_features_mean_together(given: dict[str, float], expected: str) -> None:
    mapper = semantic()
    words = hear(mapper, 15, **given)[-1]
    assert words.text.startswith(expected)
    loudest = max(words.prompts[1:], key=lambda prompt: prompt.weight)
    assert loudest.weight == 1.0
    assert len([prompt for prompt in words.prompts[-3:] if prompt.weight > 0]) == 1  # one mood, not several


def test_attributes_have_their_words() -> None:
    mapper = semantic(moods={name: {"enabled": False} for name in ("joyful", "contemplative", "tense")})
    words = hear(mapper, 20, alpha=0.9, engagement=0.1, activation=0.1, asymmetry=0.1, theta_alpha=0.1, beta=0.1)[-1]
    assert words.text == "calm melancholic music with simple harmonies, slow"
    assert mapper.speaker is not None
    assert mapper.speaker.state() == {"energy": "calm", "valence": "sad", "complexity": "simple", "tempo": "slow"}
    assert weights(words)["calm, soft pads, spacious"] == 1.0 and weights(words)["energetic, driving rhythm"] == 0.0


def test_words_do_not_flicker_at_an_edge_and_do_not_change_at_once() -> None:
    rng = np.random.default_rng(1)
    mapper, texts = semantic(), []
    for _ in range(round(120 / TICK)):  # around the edge between calm and moderate, with noise as features have it
        mapper.map(features(engagement=float(np.clip(0.36 + 0.25 * rng.normal(), 0, 1)), activation=0.36))
        assert mapper.words is not None
        if not texts or mapper.words.text != texts[-1]:
            texts.append(mapper.words.text)
    assert len(texts) <= 3
    mapper = semantic()
    assert len({words.text for words in hear(mapper, 0.5, engagement=0.0, activation=0.0)}) == 1


def test_a_word_is_held_and_a_sentence_pauses() -> None:
    fast = {"hysteresis": 0.0, "hold_s": 0.0, "smooth_s": 0.0}
    still = {"joyful": {"enabled": False}, "contemplative": {"enabled": False}, "tense": {"enabled": False}}

    def changes(**given: Any) -> int:
        mapper = semantic(moods=still, every_s=0.0, **given)
        texts = []
        for number in range(round(20 / TICK)):
            mapper.map(features(theta_alpha=float(number % 50 < 25)))  # to and fro every half second
            texts.append(mapper.words.text if mapper.words else "")
        return sum(a != b for a, b in pairwise(texts))

    assert changes(attributes={"complexity": fast}, pause_s=0.0) == 39
    assert changes(attributes={"complexity": {**fast, "hold_s": 3.75}}, pause_s=0.0) == 5
    assert changes(attributes={"complexity": fast}, pause_s=3.75) <= 6
    assert changes(attributes={"complexity": {**fast, "smooth_s": 4.0, "hysteresis": 0.07}}, pause_s=0.0) <= 1


def test_weights_move_continuously_and_only_then_are_there_new_words() -> None:
    mapper = semantic()
    heard = hear(mapper, 10, engagement=0.9)
    steps = np.diff([weights(words)["energetic, driving rhythm"] for words in heard])
    assert len(heard) > 20 and steps.min() >= 0 and 0 < steps.max() < 0.1
    assert hear(mapper, 20, engagement=0.9)[-1] is hear(mapper, 5, engagement=0.9)[0]
    assert all(round(weight * 100, 6).is_integer() for weight in weights(heard[10]).values())
    assert [prompt.slot for prompt in heard[-1].prompts] == list(range(12))


def test_weights_come_no_faster_and_no_finer_than_asked() -> None:
    assert len(hear(semantic(every_s=1.0), 10, engagement=0.9)) <= 11
    assert len(hear(semantic(resolution=0.25), 10, engagement=0.9)) <= 20
    assert len(hear(semantic(every_s=0.0, resolution=0.001), 2, engagement=0.9)) > 90


def test_ladder_and_memberships() -> None:
    ladder = Ladder([0.3, 0.7], 0.05, 0, 1.0, 0.5)
    assert [(ladder.step(value), ladder.rung)[1] for value in (0.74, 0.76, 0.66, 0.64, 0.0, 1.0)] == [1, 2, 2, 1, 0, 2]
    assert memberships(0.5, [0.2, 0.5, 0.8]) == [0.0, 1.0, 0.0]
    assert memberships(0.35, [0.2, 0.5, 0.8]) == pytest.approx([0.5, 0.5, 0.0])
    assert memberships(0.0, [0.2, 0.8]) == [1.0, 0.0] and memberships(1.0, [0.2, 0.8]) == [0.0, 1.0]
    assert share_of(0.0, TICK) == 1.0 and share_of(2.0, 2.0) == pytest.approx(1 - np.exp(-1))
    assert tidy("  calm  , , slow ,") == "calm, slow"


# The synth


def test_controls_follow_the_attributes_and_do_not_wait_for_the_words() -> None:
    mapper = semantic()
    low = mapper.map(features(engagement=0.0, activation=0.0, asymmetry=0.0, theta_alpha=0.0, beta=0.0))
    high = mapper.map(features(engagement=1.0, activation=1.0, asymmetry=1.0, theta_alpha=1.0, beta=1.0))
    for name in ("fundamental_frequency", "loudness", "brightness", "tempo", "mode", "complexity", "density"):
        assert high[name] > low[name]
    assert high["reverb"] < low["reverb"] and high["attack_time"] < low["attack_time"]
    assert (low["mode"], high["mode"]) == (0.0, 1.0)


def test_explanations_add_up() -> None:
    mapper = semantic()
    usual = mapper.map(features())
    values = dict(engagement=0.8, alpha=0.7, asymmetry=0.9, theta_alpha=0.2, beta=0.7)
    now, why = mapper.map(features(**values)), mapper.explain(features(**values))
    for control in mapper.controls:
        moved = (now[control.name] - usual[control.name]) / (control.high - control.low)
        assert sum(share for (_, name), share in why.items() if name == control.name) == pytest.approx(moved)
    assert why["asymmetry", "mode"] == pytest.approx(0.4)
    assert why["alpha", "loudness"] < 0 < why["engagement", "loudness"]


@settings(deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=len(NAMES), max_size=len(NAMES)))
def test_any_finite_features_give_finite_controls_and_words(values: list[float]) -> None:
    mapper = semantic()
    given = features(**dict(zip((name.replace(".", "__") for name in NAMES), values, strict=True)))
    for _ in range(10):
        targets = mapper.map(given)
    assert all(CONTROL[name].low <= value <= CONTROL[name].high for name, value in targets.items())
    assert mapper.words is not None and all(0 <= prompt.weight <= 1 for prompt in mapper.words.prompts)
    assert all(np.isfinite(share) for share in mapper.explain(given).values())


def test_a_headset_without_frontal_pairs_is_neutral_and_says_so() -> None:
    names = ("theta", "alpha", "beta", "engagement", "theta_alpha")
    mapper = semantic(names)
    targets = mapper.map(features(names))
    assert targets["mode"] == 0.5
    assert any(remark.startswith("joyful: this headset has no 'asymmetry'") for remark in mapper.remarks)
    mapper = semantic(names, attributes={"energy": {"from": "activation"}})
    assert "energy" in mapper.unresolved and mapper.map(features(names))["loudness"] == pytest.approx(0.55)


# Settings


def test_own_attributes_moods_sentences_and_routes() -> None:
    mapper = semantic(
        attributes={
            "warmth": {"from": "theta", "words": ["cold", "warm"], "prompts": ["cold", "warm"], "smooth_s": 0.0}
        },
        moods={"dreamy": {"when": "min(warmth, alpha)", "says": "dreamy music", "hold_s": 0.0}},
        sentence="{warmth} music",
        mood_sentence="{warmth} {mood}",
        base=[],
        routes={"reverb": {"from": "warmth"}, "loudness": {}},
    )
    assert list(mapper.map(features(theta=1.0))) == ["loudness", "reverb"]
    assert mapper.map(features(theta=1.0))["reverb"] == 1.0
    assert hear(mapper, 10, theta=1.0)[-1].text == "warm music"
    words = hear(mapper, 20, theta=1.0, alpha=0.9)[-1]
    assert words.text == "warm dreamy music" and weights(words)["dreamy music"] == 1.0
    assert words.prompts[0].text == "calm, soft pads, spacious" and weights(words)["warm"] == 1.0


def test_prompts_from_a_file_lie_under_the_settings(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('sentence = "{energy} drums"\n[attributes.energy]\nwords = ["still", "wild"]\nfrom = "alpha"\n')
    mapper = semantic(prompts=file, attributes={"energy": {"from": "beta"}})
    assert mapper.files == (file,)
    assert hear(mapper, 15, beta=1.0)[-1].text == "wild drums"
    assert "energetic, driving rhythm" not in weights(hear(mapper, 1)[0])  # new words make the old prompts void


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"sentence": "{enery} music"}, "there is no {enery}; did you mean 'energy'?"),
        ({"sentence": "{energy.__class__}"}, "there is no {energy.__class__}"),
        ({"sentence": "{energy!r}"}, "there is no {energy}"),
        ({"sentence": "{energy"}, "sentence"),
        ({"attributes": {"energy": {"from": "alpha +"}}}, "attributes.energy.from"),
        ({"attributes": {"energy": {"words": ["one"]}}}, "attributes.energy.words"),
        ({"attributes": {"energy": {"edges": [0.7, 0.3]}}}, "rising"),
        ({"attributes": {"energy": {"edges": [0.4, 0.45]}}}, "hysteresis"),
        ({"attributes": {"energy": {"says": ["a", "b"]}}}, "2 for 3 words"),
        ({"attributes": {"energy": {"hold": 3}}}, "did you mean 'hold_s'?"),
        ({"attributes": {"energy": {"enabled": False}}}, "there is no {energy}"),
        ({"attributes": {"warm th": {"from": "alpha", "words": ["a", "b"]}}}, "warm th"),
        ({"moods": {"odd": {"when": "alpha"}}}, "moods.odd.says: is missing"),
        ({"moods": {"odd": {"when": "alpha", "says": "x", "above": 0.8, "full": 0.7}}}, "full"),
        ({"moods": {f"m{i}": {"when": "alpha", "says": "x"} for i in range(60)}}, "prompts are too many"),
        ({"routes": {"loudnes": {"from": "energy"}}}, "did you mean 'loudness'?"),
        ({"prompts": "nowhere.toml"}, "cannot read the prompts nowhere.toml"),
        ({"encoder": "nowhere"}, "there is no folder 'nowhere'"),
    ],
)
def test_mistakes_are_named(given: Mapping[str, Any], said: str) -> None:
    assert said in problems(**given)


def test_a_broken_file_of_prompts_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("sentence = ")
    assert "not valid TOML" in problems(prompts=tmp_path / "a.toml")
    (tmp_path / "b.toml").write_text("[attributes.energy]\nfrom = 3")
    assert f"in {tmp_path / 'b.toml'}: attributes.energy.from" in problems(prompts=tmp_path / "b.toml")


# Embeddings


def words_of(folder: Path) -> Any:
    """Make a tokenizer of a few words, and return it saved in `folder`."""
    parts.require(find_spec("transformers"), "the extra clap")
    import tokenizers
    import transformers

    said = ["calm", "energetic", "happy", "minor", "key", "music", "drums", "pads", "slow", "fast", "tempo", "warm"]
    vocabulary = {word: number for number, word in enumerate(["<s>", "<pad>", "</s>", "<unk>", *said])}
    inner = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="<unk>"))
    inner.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made = transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    )
    made.save_pretrained(folder)
    return made


def encoder(folder: Path, kind: str) -> Path:
    """Save a small text encoder with random weights, as a real one lies on a disk."""
    words_of(folder)
    import torch
    import transformers

    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    torch.manual_seed(1)
    if kind == "clap":
        config = transformers.ClapTextConfig(
            vocab_size=32, max_position_embeddings=66, projection_dim=12, pad_token_id=1, **small
        )
        model = transformers.ClapTextModelWithProjection(config)
    elif kind == "t5":
        config = transformers.T5Config(vocab_size=32, d_model=16, d_ff=32, num_layers=1, num_heads=2, d_kv=8)
        model = transformers.T5Model(config)
    else:
        config = transformers.BertConfig(vocab_size=32, max_position_embeddings=64, **small)
        model = transformers.BertModel(config)
    model.save_pretrained(folder)
    return folder


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize(("kind", "size"), [("clap", 12), ("bert", 16), ("t5", 16)])
def test_the_embedding_is_the_weighted_sum_of_the_prompts(
    tmp_path: Path, kind: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = encoder(tmp_path / "model", kind)

    def refuse(*_: object) -> None:
        raise AssertionError("a text encoder went to the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    mapper = semantic(encoder=folder)
    assert mapper.speaker is not None and mapper.speaker.vectors is not None
    vectors = mapper.speaker.vectors
    assert vectors.shape == (12, size) and np.linalg.norm(vectors, axis=1) == pytest.approx(1.0)
    assert np.abs(vectors[1] - vectors[2]).max() > 1e-3  # other words lie elsewhere
    words = hear(mapper, 10, engagement=0.9, asymmetry=0.3)[-1]
    whole = sum(prompt.weight * vectors[prompt.slot] for prompt in words.prompts)
    assert words.embedding == pytest.approx((whole / np.linalg.norm(whole)).tolist())
    before = vectors
    mapper.prepare(NAMES, TICK)  # another headset: nothing is encoded again
    assert mapper.speaker.vectors is before


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_broken_encoders_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "no config.json" in problems(encoder=tmp_path / "empty")
    folder = encoder(tmp_path / "model", "bert")
    (weights_file,) = folder.glob("*.safetensors")
    whole = weights_file.read_bytes()
    weights_file.write_bytes(whole[: len(whole) // 2])
    mapper = build("mapper", "semantic", {"encoder": folder}, "mapper")
    with pytest.raises(Exception, match="cannot be used as a text encoder"):
        mapper.prepare(NAMES, TICK)
    weights_file.unlink()
    assert "no weights in safetensors" in problems(encoder=folder)
