"""Models in files: what is written comes back to the bit, and what is no model is refused in one line."""

from __future__ import annotations

import itertools
import json
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brainmusic_daemon.api import CONTROL, ConfigError
from brainmusic_daemon.mapping import model_file
from brainmusic_daemon.mapping.model import ACTIVATIONS, Model, Span, activate, slope
from tests import parts
from tests.faults import find

TEMPO, LOUDNESS = CONTROL["tempo"], CONTROL["loudness"]


def model(hidden: tuple[int, ...] = (), seed: int = 0, dtype: Any = np.float64, **given: Any) -> Model:
    """Return a model of three features and two controls."""
    rng, sizes = np.random.default_rng(seed), (3, *hidden, 2)
    layers = tuple(
        (rng.normal(size=(a, b)).astype(dtype), rng.normal(size=b).astype(dtype)) for a, b in itertools.pairwise(sizes)
    )
    made: dict[str, Any] = {
        "kind": "neural" if hidden else "linear",
        "features": ("alpha", "beta.O1", "thêta"),
        "controls": (TEMPO, LOUDNESS),
        "mean": rng.random(3),
        "scale": 0.1 + rng.random(3),
        "layers": layers,
        "activation": "tanh" if hidden else "",
    }
    return Model(**made | given)


def parsed(path: Path) -> tuple[dict[str, Any], bytes]:
    raw = path.read_bytes()
    end = 8 + struct.unpack("<Q", raw[:8])[0]
    return json.loads(raw[8:end]), raw[end:]


def written(path: Path, header: dict[str, Any], data: bytes) -> Path:
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return model_file.save(tmp_path / "m.safetensors", model((4,)))


def refused(path: Path) -> str:
    """Return what `load` says: one line that names the file."""
    with pytest.raises(ConfigError) as caught:
        model_file.load(path)
    said = str(caught.value)
    assert "\n" not in said and path.name in said
    return said


texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.lists(texts, min_size=1, max_size=6, unique=True),
    hidden=st.lists(st.integers(1, 5), max_size=3),
    n_controls=st.integers(1, 4),
    activation=st.sampled_from(ACTIVATIONS),
    dropout=st.floats(0, 0.99),
    single=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
    meta=st.dictionaries(
        texts, st.recursive(st.none() | st.booleans() | st.integers() | texts, st.lists, max_leaves=5)
    ),
)
def test_what_is_saved_comes_back_to_the_bit(
    tmp_path: Path,
    names: list[str],
    hidden: list[int],
    n_controls: int,
    activation: str,
    dropout: float,
    single: bool,
    seed: int,
    meta: dict[str, Any],
) -> None:
    rng, sizes = np.random.default_rng(seed), (len(names), *hidden, n_controls)
    dtype = np.float32 if single else np.float64
    spans = tuple(Span(f"c{i}", -float(rng.random()), float(rng.random()) + 0.1, "Hz") for i in range(n_controls))
    layers = tuple(
        (rng.normal(size=(a, b)).astype(dtype), rng.normal(size=b).astype(dtype)) for a, b in itertools.pairwise(sizes)
    )
    made = Model(
        "neural" if hidden else "linear",
        tuple(names),
        spans,
        rng.random(len(names)),
        rng.random(len(names)) + 1e-3,
        layers,
        activation if hidden else "",
        dropout,
        meta,
    )
    found = model_file.load(model_file.save(tmp_path / "m.safetensors", made))
    assert (found.kind, found.features, found.controls) == (made.kind, made.features, made.controls)
    assert (found.activation, found.dropout, found.meta, found.hidden) == (
        made.activation,
        dropout,
        meta,
        tuple(hidden),
    )
    pairs = [(found.mean, made.mean), (found.scale, made.scale)]
    pairs += [(a, b) for one, two in zip(found.layers, made.layers, strict=True) for a, b in zip(one, two, strict=True)]
    for a, b in pairs:
        assert a.dtype == b.dtype and np.array_equal(a, b)


def test_others_read_what_is_written_and_what_others_write_is_read(path: Path, tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.numpy", reason="needs the package safetensors")
    from safetensors import safe_open

    theirs = safetensors.load_file(path)
    ours = model_file.load(path)
    assert {*theirs} == {"mean", "scale", "w0", "b0", "w1", "b1"}
    assert np.array_equal(theirs["w1"], ours.layers[1][0])
    with safe_open(path, "numpy") as file:
        metadata = file.metadata()
    again = tmp_path / "again.safetensors"
    safetensors.save_file(theirs, again, metadata)
    assert np.array_equal(model_file.load(again).layers[0][0], ours.layers[0][0])


def test_what_json_cannot_hold_is_saved_as_what_comes_nearest(tmp_path: Path) -> None:
    meta = {"r2": np.float64(0.5), "none": float("nan"), "all": np.arange(2), "path": Path("a"), 1: (True, np.int64(3))}
    found = model_file.load(model_file.save(tmp_path / "m", model(meta=meta)))
    assert found.meta == {"r2": 0.5, "none": None, "all": [0, 1], "path": "a", "1": [True, 3]}


def test_saving_replaces_at_once_and_leaves_nothing_beside(path: Path) -> None:
    model_file.save(path, model(seed=5))
    assert model_file.load(path).kind == "linear"
    assert [*path.parent.iterdir()] == [path]


def test_where_nothing_can_be_written_the_old_model_stays(path: Path) -> None:
    blocked = path.with_name(path.name + ".part")
    blocked.mkdir()
    with pytest.raises(ConfigError, match="cannot write the model") as caught:
        model_file.save(path, model(seed=5))
    assert find("model-write-breaks-off").says([str(caught.value)])
    assert model_file.load(path).kind == "neural"


# --- bad files ---


def test_every_truncation_is_refused(path: Path) -> None:
    whole = path.read_bytes()
    for size in (*range(0, 20), *range(20, len(whole), 37), len(whole) - 1):
        path.write_bytes(whole[:size])
        said = refused(path)
        assert find("model-cut").says([said]) or "no safetensors" in said, (size, said)
    assert find("model-cut").says([said]) and "1 of" in said and "missing" in said


def test_bytes_too_many_are_refused(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0" * 8)
    assert "8 bytes follow" in refused(path)


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_in_disguise_is_not_opened(tmp_path: Path, protocol: int) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
            return Path.touch, (tmp_path / "sprung",)

    path = tmp_path / "m.safetensors"
    path.write_bytes(pickle.dumps(Trap(), protocol=protocol))
    said = refused(path)
    assert find("model-pickle").says([said]) == (protocol >= 2) and "brainmusic train" in said
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("begin", "said"),
    [
        (b"PK\x03\x04" + b"\0" * 60, "is a zip"),
        (b"\x89HDF\r\n\x1a\n" + b"\0" * 60, "HDF5"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"just text, nothing else", "no safetensors"),
        (struct.pack("<Q", 1 << 40) + b"{" + b" " * 99, "no safetensors"),
        (struct.pack("<Q", 90) + b"{" + b" " * 99, "no JSON"),
        (struct.pack("<Q", 90) + b"{" + b"\xff" * 99, "no JSON"),
        (struct.pack("<Q", 200_000) + b'{"a":' + b"[" * 199_995, "no JSON"),
    ],
)
def test_other_files_are_named_for_what_they_are(tmp_path: Path, begin: bytes, said: str) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(begin)
    assert said in refused(path)


def test_two_gigabytes_are_refused_before_any_is_read(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(2 << 30)  # sparse: it takes no room on the disk
    assert "2,147 MB" in refused(path)


def test_a_header_that_promises_gigabytes_reserves_none(path: Path) -> None:
    header, data = parsed(path)
    header["w0"]["shape"] = [1 << 20, 1 << 20]
    assert "damaged" in refused(written(path, header, data))


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    assert "there is no model" in refused(tmp_path / "nothing")
    assert "there is no model" in refused(tmp_path)


def _meaning(change: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], None]:
    def changed(header: dict[str, Any]) -> None:
        meaning = json.loads(header["__metadata__"][model_file.KEY])
        change(meaning)
        header["__metadata__"][model_file.KEY] = json.dumps(meaning)

    return changed


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_meaning(lambda m: m.update(version=2)), "version 2, and this program reads 1; update"),
        (_meaning(lambda m: m.update(version=0)), "version 0, and this program reads 1; make it anew"),
        (_meaning(lambda m: m.update(version="one")), "version 'one'"),
        (_meaning(lambda m: m.update(format="something")), "format"),
        (_meaning(lambda m: m.update(kind="forest")), "kind"),
        (_meaning(lambda m: m.update(features="alpha")), "features"),
        (_meaning(lambda m: m.update(features=["a", "b"])), "names 2"),
        (_meaning(lambda m: m.update(features=["a", "a", "b"])), "'a' is there twice"),
        (_meaning(lambda m: m["controls"].pop()), "layer 1"),
        (_meaning(lambda m: m["controls"][0].update(low=999)), "range of 'tempo'"),
        (_meaning(lambda m: m["controls"][0].update(high=float("inf"))), "range of 'tempo'"),
        (_meaning(lambda m: m["controls"][0].update(colour="red")), "colour"),
        (_meaning(lambda m: m.update(hidden=[5])), "says [5]"),
        (_meaning(lambda m: m.update(activation="swoosh")), "swoosh"),
        (_meaning(lambda m: m.update(dropout=1.5)), "dropout"),
        (_meaning(lambda m: m.pop("meta") and None), ""),
        (_meaning(lambda m: m.pop("dropout")), "dropout is missing"),
        (lambda h: h.pop("__metadata__"), "does not say what they mean"),
        (lambda h: h.update(__metadata__={"format": "pt"}), "does not say what they mean"),
        (lambda h: h.update(__metadata__={model_file.KEY: "{"}), "description is no JSON"),
        (lambda h: h.update(__metadata__={model_file.KEY: "[]"}), "no JSON object"),
        (lambda h: h.pop("w0"), "damaged"),
        (lambda h: h.update(w9=h.pop("w0")), "mean, scale, w0"),
        (lambda h: h.update(gradient=h.pop("w0")), "'gradient'"),
        (lambda h: h["w0"].update(dtype="I64"), "I64"),
        (lambda h: h["w0"].update(shape=[12]), "layer 0"),
        (lambda h: h["w0"].update(shape=[4, 3]), "layer 0"),
        (lambda h: h["w0"].update(shape=[-3, -4]), "damaged"),
        (lambda h: h["w0"].update(shape=["3", 4]), "damaged"),
        (lambda h: h["w0"].update(data_offsets=[0, 1]), "damaged"),
        (lambda h: h["w0"].update(data_offsets=None), "damaged"),
        (lambda h: h.update(w0=7), "damaged"),
    ],
)
def test_damaged_headers_are_told(path: Path, change: Callable[[dict[str, Any]], Any], said: str) -> None:
    header, data = parsed(path)
    change(header)
    written(path, header, data)
    if said:
        assert said in refused(path)
    else:
        assert model_file.load(path).kind == "neural"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["mean", "scale", "w0", "b0", "w1", "b1"])
def test_numbers_that_are_none_are_refused(path: Path, name: str, bad: float) -> None:
    header, data = parsed(path)
    begin = header[name]["data_offsets"][0]
    written(path, header, data[:begin] + struct.pack("<d", bad) + data[begin + 8 :])
    assert f"numbers in {name} are NaN or infinite" in refused(path)


def test_a_scale_of_nothing_is_refused(path: Path) -> None:
    header, data = parsed(path)
    begin = header["scale"]["data_offsets"][0] + 8
    written(path, header, data[:begin] + struct.pack("<d", 0.0) + data[begin + 8 :])
    assert "scale of 'beta.O1' is not above 0" in refused(path)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255))
def test_one_wrong_byte_gives_a_model_or_a_clear_word(path: Path, place: float, byte: int) -> None:
    whole = model_file.save(path, model((4,))).read_bytes()
    at = int(place * len(whole))
    path.write_bytes(whole[:at] + bytes([byte]) + whole[at + 1 :])
    try:
        found = model_file.load(path)
    except ConfigError as error:
        assert "\n" not in str(error)
    else:
        assert np.isfinite(found.layers[0][0]).all()


# --- what a model computes ---


def test_a_linear_model_is_its_matrix() -> None:
    made = model()
    x = np.random.default_rng(1).random((5, 3))
    w, b = made.layers[0]
    assert np.allclose(made.predict(x), (x - made.mean) / made.scale @ w + b)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_those_of_torch_and_slopes_their_derivatives(name: str) -> None:
    x = np.linspace(-6, 6, 400)
    h = 1e-5
    assert np.allclose(slope(name, x), (activate(name, x + h) - activate(name, x - h)) / (2 * h), atol=1e-6)
    try:
        import torch
    except ImportError:
        parts.require(None, "the extra 'neural' (PyTorch)")
    theirs = getattr(torch.nn.functional, name)(torch.from_numpy(x)).numpy()
    assert np.allclose(activate(name, x), theirs, atol=1e-12)


def test_influence_counts_shares_of_ranges_not_units() -> None:
    w = np.array([[100.0, 0.0], [0.0, 0.9], [0.0, 0.0]])  # the whole of tempo, the whole of loudness, nothing
    found = model(layers=((w, np.zeros(2)),)).influence
    assert np.allclose(found, [0.5, 0.5, 0.0])
