"""Words, prompts, latents and embeddings on the wire: when they go out, and in which form."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from pythonosc.osc_message import OscMessage

from brainmusic_daemon.api import Prompt, Words
from brainmusic_daemon.clock import VirtualClock
from brainmusic_daemon.outputs.jsonl import Jsonl
from brainmusic_daemon.outputs.osc_encoder import Encoder, make_encoder
from brainmusic_daemon.outputs.osc_encoding import MTU, Message, message
from brainmusic_daemon.outputs.osc_words import plain
from tests.frames import make_frame, make_info

CALM = Words("calm music", (Prompt(0, "ambient", 1.0), Prompt(1, "calm pads", 0.7)))
LIVELY = Words("lively music", (Prompt(0, "ambient", 1.0), Prompt(2, "drums", 0.25)))


def said(encoder: Encoder, number: int, words: Words | None) -> list[Message]:
    batch = encoder.encode(replace(make_frame(number), words=words))
    heads = ("/brainmusic/text", "/brainmusic/prompt", "/brainmusic/embedding")
    return [found for found in batch.messages() if found[0].startswith(heads)]


def test_words_go_out_when_they_change_and_with_the_heartbeat() -> None:
    encoder = make_encoder("brainmusic")
    whole = [
        ("/brainmusic/text", ("calm music",)),
        ("/brainmusic/prompt", (0, "ambient", 1.0)),
        ("/brainmusic/prompt", (1, "calm pads", 0.7)),
    ]
    assert said(encoder, 0, CALM) == whole
    assert said(encoder, 1, CALM) == []
    assert said(encoder, 2, replace(CALM, prompts=(CALM.prompts[0], Prompt(1, "calm pads", 0.71)))) == [
        ("/brainmusic/prompt", (1, "calm pads", 0.71))
    ]
    assert said(encoder, 50, CALM) == whole  # one second later


def test_a_slot_that_vanishes_is_silenced_and_a_mapper_without_words_says_nothing() -> None:
    encoder = make_encoder("brainmusic")
    said(encoder, 0, CALM)
    assert said(encoder, 1, LIVELY) == [
        ("/brainmusic/text", ("lively music",)),
        ("/brainmusic/prompt", (2, "drums", 0.25)),
        ("/brainmusic/prompt", (1, "calm pads", 0.0)),
    ]
    assert said(encoder, 2, None) == [
        ("/brainmusic/text", ("",)),
        ("/brainmusic/prompt", (0, "ambient", 0.0)),
        ("/brainmusic/prompt", (2, "drums", 0.0)),
    ]
    assert said(encoder, 50, None) == []


def test_a_slower_rate_loses_no_words() -> None:
    encoder = make_encoder("brainmusic", rate_hz=5.0)
    said(encoder, 0, CALM)
    assert said(encoder, 1, LIVELY) == []
    assert ("/brainmusic/text", ("lively music",)) in said(encoder, 10, LIVELY)


@pytest.mark.parametrize("dialect", ["muse", "wekinator"])
def test_other_dialects_have_no_words(dialect: str) -> None:
    assert said(make_encoder(dialect), 0, CALM) == []  # type: ignore[arg-type]


def test_text_beyond_ascii_is_spelt_out() -> None:
    assert plain("Größe – café\n“naïve” 音") == 'Grosse - cafe "naive" ?'
    assert len(plain("x" * 5000)) == 1000
    encoder = make_encoder("brainmusic")
    ((_, (text,)), (_, (_, prompt, _))) = said(encoder, 0, Words("träumend", (Prompt(0, "fließend", 0.5),)))
    assert (text, prompt) == ("traumend", "fliessend")


@pytest.mark.parametrize(("size", "parts"), [(8, 1), (512, 2), (768, 3), (4096, 16)])
def test_an_embedding_is_split_below_the_size_of_a_packet(size: int, parts: int) -> None:
    values = tuple(float(number) for number in range(size))
    found = said(make_encoder("brainmusic"), 0, Words("x", (), values))[1:]
    packets = [OscMessage(message(*one)) for one in found]
    assert all(len(packet.dgram) + 20 <= MTU for packet in packets)
    if parts == 1:
        assert packets[0].address == "/brainmusic/embedding"
    else:
        assert [packet.address for packet in packets] == [f"/brainmusic/embedding/{n}" for n in range(parts)]
    assert tuple(value for packet in packets for value in packet.params) == values


def test_an_embedding_goes_out_only_when_it_changes_and_never_with_nan() -> None:
    encoder = make_encoder("brainmusic")
    said(encoder, 0, Words("x", (), (1.0, 2.0)))
    assert said(encoder, 1, Words("x", (Prompt(0, "a", 1.0),), (1.0, 2.0))) == [("/brainmusic/prompt", (0, "a", 1.0))]
    assert said(encoder, 2, Words("x", (Prompt(0, "a", 1.0),), (1.0, float("nan")))) == []
    assert encoder.withheld == 1


def test_latents_of_an_outside_model_come_before_the_own_ones_in_order_of_number() -> None:
    own = {f"z.{number}": number / 10 for number in range(8)}
    outside = {f"latent.{number}": float(number) for number in (10, 2, 0, 1)}
    encoder = make_encoder("brainmusic")
    for controls, expected in ((own, [n / 10 for n in range(8)]), ({**own, **outside}, [0.0, 1.0, 2.0, 10.0])):
        sent = dict(encoder.encode(make_frame(0, controls=controls)).messages())
        assert sent["/brainmusic/latent"] == pytest.approx(expected)
        assert sent["/brainmusic/control/z.3"] == pytest.approx((0.3,))


def test_the_log_of_messages_holds_the_words(tmp_path: Path) -> None:
    output = Jsonl(path=tmp_path / "log.jsonl")
    output.open(VirtualClock(), make_info())
    output.send(replace(make_frame(0), words=CALM))
    output.close()
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert {"time": 0.0, "address": "/brainmusic/text", "args": ["calm music"]} in lines
    assert {"time": 0.0, "address": "/brainmusic/prompt", "args": [1, "calm pads", 0.7]} in lines


def test_signs_that_osc_has_no_letters_for_are_told_in_others() -> None:
    told = OscMessage(message("/brainmusic/reply", ("pitch (engagement ↑, alpha ↓) → 8 µV …",)))
    assert told.params == ["pitch (engagement +, alpha -) -> 8 uV ..."]
