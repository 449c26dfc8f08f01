"""The patches in `examples` listen where the bundled configurations send, to addresses that exist."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

import pytest

from brainmusic_daemon.api import Event, Note
from brainmusic_daemon.outputs.osc_encoder import make_encoder
from tests.frames import make_frame
from tests.parts import CHECKOUT

EXAMPLES = CHECKOUT / "examples"
EVENTS = ("alpha_burst", "blink", "jaw")


@pytest.mark.parametrize(
    ("config", "patch", "port"),
    [
        ("puredata", "puredata/brainmusic.pd", "netreceive -u -b 9000;"),
        ("max", "max/brainmusic.maxpat", "udpreceive 7400"),
        ("supercollider", "supercollider/brainmusic.scd", "57120"),
    ],
)
def test_the_configuration_sends_where_the_patch_listens(config: str, patch: str, port: str) -> None:
    assert port in (EXAMPLES / patch).read_text(encoding="utf-8")
    tables = tomllib.loads((CHECKOUT / "configs" / f"{config}.toml").read_text(encoding="utf-8"))
    (number,) = re.findall(r"\d+", port)
    assert tables["output"]["osc"]["targets"] == [f"127.0.0.1:{number}"]


@pytest.fixture(scope="module")
def patcher() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((EXAMPLES / "max" / "brainmusic.maxpat").read_text(encoding="utf-8"))
    return found["patcher"]  # type: ignore[no-any-return]


def test_every_cord_of_the_max_patch_joins_an_outlet_to_an_inlet(patcher: dict[str, Any]) -> None:
    boxes = {item["box"]["id"]: item["box"] for item in patcher["boxes"]}
    assert len(boxes) == len(patcher["boxes"])
    for line in patcher["lines"]:
        (source, outlet), (target, inlet) = line["patchline"]["source"], line["patchline"]["destination"]
        assert outlet < boxes[source]["numoutlets"]
        assert inlet < boxes[target]["numinlets"]
    joined = {line["patchline"][end][0] for line in patcher["lines"] for end in ("source", "destination")}
    assert joined == {name for name, box in boxes.items() if box["maxclass"] != "comment"}


def test_the_max_patch_listens_to_addresses_that_exist(patcher: dict[str, Any]) -> None:
    frame = make_frame(notes=[Note(0, 60, 1, 1)], events=[Event(name, 0, 1) for name in EVENTS])
    sent = {address for address, _ in make_encoder("brainmusic").encode(frame).messages()}
    sent |= {"/brainmusic/panic", "/brainmusic/mute"}  # by service/sounding.py, between the ticks
    routes = [item["box"]["text"].split()[1:] for item in patcher["boxes"] if "route " in item["box"].get("text", "")]
    assert len(routes) == 3
    assert {address for route in routes for address in route} <= sent


def test_the_max_patch_unpacks_a_tone_as_it_is_sent(patcher: dict[str, Any]) -> None:
    """Seven floats and an int, and nothing else: Max truncates what an int outlet gets."""
    (note,) = (a for address, a in make_encoder("brainmusic").encode(make_frame(notes=[Note(0, 60.5, 1, 1)])).messages()
               if address == "/brainmusic/tone")  # fmt: skip
    boxes = {item["box"]["id"]: item["box"] for item in patcher["boxes"]}
    (unpack,) = (name for name, box in boxes.items() if box.get("text", "").startswith("unpack "))
    assert [type(value) for value in note] == [float if "." in a else int for a in boxes[unpack]["text"].split()[1:]]
    sources = [line["patchline"]["source"] for line in patcher["lines"]]
    (route,) = (name for name, box in boxes.items() if "/brainmusic/tone" in box.get("text", ""))
    place = boxes[route]["text"].split().index("/brainmusic/tone") - 1
    assert {"patchline": {"source": [route, place], "destination": [unpack, 0]}} in patcher["lines"]
    assert {outlet for name, outlet in sources if name == unpack} == set(range(7))  # all but the channel is heard
