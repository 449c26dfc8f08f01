"""Models in and out of files that hold numbers only: safetensors, with one JSON text that says what they mean.

The format is that of huggingface's library of this name (8 bytes for the length of a JSON header, the header, the
numbers), which reads and writes these files too.  It is read here by hand, since every check comes before the read.
"""

from __future__ import annotations

import json
import math
import os
import re
import struct
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NoReturn

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from brainmusic_daemon import registry
from brainmusic_daemon.api import ConfigError
from brainmusic_daemon.mapping.model import Array, Model, Span
from brainmusic_daemon.there import expanded, is_file

__all__ = ["Model", "Span", "load", "save"]

FORMAT = "brainmusic model"
VERSION = 1
MAX_BYTES = 64 << 20  # a mapping has some thousand numbers
MAX_HEADER_BYTES = 1 << 20
KEY = "brainmusic"  # of the JSON text in the header's metadata
AGAIN = "make it anew with: brainmusic train"

_DTYPES: Mapping[str, np.dtype[np.floating[Any]]] = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8")}
_TENSOR = re.compile(r"mean|scale|[wb]\d{1,3}")
_OTHERS = (  # how files begin that people take for models
    (b"\x80", "is a Python pickle, which can run code: it is not opened"),
    (b"PK\x03\x04", "is a zip, as torch.save and TorchScript write it; a TorchScript module is named .pt or .ts"),
    (b"\x89HDF", "is an HDF5 file, as Keras writes it"),
    (b"version https://git-lfs", "is only the pointer to a file in Git LFS: fetch the file itself with git lfs pull"),
)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Control(_Strict):
    name: str
    low: float
    high: float
    unit: str = ""


class _Meaning(_Strict):
    """The JSON text."""

    format: Literal["brainmusic model"]
    version: Literal[1]
    kind: Literal["linear", "neural"]
    features: list[str]
    controls: list[_Control]
    hidden: list[int]
    activation: str
    dropout: float
    meta: dict[str, Any] = Field(default_factory=dict)


def save(path: str | Path, model: Model) -> Path:
    """Write a model, replacing an older one at once, never by halves; return the path.  Raises ConfigError."""
    path = expanded(path)
    arrays = {"mean": model.mean, "scale": model.scale}
    for number, (w, b) in enumerate(model.layers):
        arrays |= {f"w{number}": w, f"b{number}": b}
    meaning = {
        "format": FORMAT,
        "version": VERSION,
        "kind": model.kind,
        "features": model.features,
        "controls": [{"name": c.name, "low": c.low, "high": c.high, "unit": c.unit} for c in model.controls],
        "hidden": model.hidden,
        "activation": model.activation,
        "dropout": model.dropout,
        "meta": _plain(model.meta),
    }
    header: dict[str, Any] = {"__metadata__": {KEY: json.dumps(meaning, ensure_ascii=False, allow_nan=False)}}
    end, parts = 0, []
    for name, array in sorted(arrays.items(), key=lambda item: -item[1].itemsize):  # the wider first: all stay aligned
        dtype = "F32" if array.dtype == np.float32 else "F64"
        part = np.ascontiguousarray(array, _DTYPES[dtype]).tobytes()
        header[name] = {"dtype": dtype, "shape": array.shape, "data_offsets": [end, end + len(part)]}
        end += len(part)
        parts.append(part)
    text = json.dumps(header, ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > MAX_HEADER_BYTES or end + len(text) + 8 > MAX_BYTES:
        raise ConfigError(f"a model of {end + len(text):,} bytes is too large: {MAX_BYTES:,} are allowed")
    partial = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            file.write(b"".join([struct.pack("<Q", len(text)), text, *parts]))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise ConfigError(f"cannot write the model {path}: {error.strerror or error}") from error
    return path


def load(path: str | Path) -> Model:
    """Read a model; nothing in the file is run.  Raises ConfigError with one line that says what to do."""
    path = expanded(path)
    try:
        if not is_file(path):
            raise ConfigError(f"there is no model '{path}'; {AGAIN}")
        size = path.stat().st_size
        if size > MAX_BYTES:
            _refuse(path, f"has {size / 1e6:,.0f} MB, and no mapper's model has more than {MAX_BYTES / 1e6:.0f}")
        with path.open("rb") as file:
            head = file.read(64)
            length = _header_length(path, head, size)
            file.seek(8)
            text, data = file.read(length), file.read(MAX_BYTES)
    except OSError as error:
        raise ConfigError(f"cannot read the model {path}: {error.strerror or error}") from error
    header = _json(path, text, "its header")
    metadata = header.pop("__metadata__", None)
    if not isinstance(metadata, dict) or not isinstance(metadata.get(KEY), str):
        _refuse(path, "holds numbers, but does not say what they mean: it is not one of `brainmusic train`")
    meaning = _meaning(path, _json(path, metadata[KEY], "its description"))
    arrays = _arrays(path, header, data)
    layers: list[tuple[Array, Array]] = []
    while f"w{len(layers)}" in arrays and f"b{len(layers)}" in arrays:
        layers.append((arrays[f"w{len(layers)}"], arrays[f"b{len(layers)}"]))
    if "mean" not in arrays or "scale" not in arrays or len(arrays) != 2 + 2 * len(layers):
        _refuse(path, f"has the numbers {', '.join(sorted(arrays)) or 'of nothing'}; mean, scale, w0, b0, … are needed")
    try:
        model = Model(
            kind=meaning.kind,
            features=tuple(meaning.features),
            controls=tuple(Span(c.name, c.low, c.high, c.unit) for c in meaning.controls),
            mean=arrays["mean"],
            scale=arrays["scale"],
            layers=tuple(layers),
            activation=meaning.activation,
            dropout=meaning.dropout,
            meta=meaning.meta,
        )
    except ValueError as error:
        _refuse(path, f"does not fit together: {error}")
    if [*model.hidden] != meaning.hidden:
        _refuse(path, f"has hidden layers of {[*model.hidden]}, and says {meaning.hidden}")
    return model


def _refuse(path: Path, why: str) -> NoReturn:
    raise ConfigError(f"the model '{path}' {' '.join(why.split())}; {AGAIN}")  # names may hold line breaks


def _header_length(path: Path, head: bytes, size: int) -> int:
    for begin, what in _OTHERS:
        if head.startswith(begin) and head[8:9] != b"{":
            raise ConfigError(f"'{path}' {what}; the models of `brainmusic train` are safetensors files")
    if size < 10:
        _refuse(path, f"is cut off: it has {size} bytes")
    length = int(struct.unpack("<Q", head[:8])[0])
    if head[8:9] != b"{" or not 2 <= length <= MAX_HEADER_BYTES:
        _refuse(path, "is no safetensors file")
    if 8 + length > size:
        _refuse(path, f"is cut off: its header alone has {length:,} bytes, and the file {size:,}")
    return length


def _json(path: Path, text: str | bytes, what: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
        json.dumps(found, ensure_ascii=False).encode()  # half a surrogate could be read, and never be written
    except (ValueError, RecursionError) as error:
        _refuse(path, f"is damaged: {what} is no JSON ({error})")
    if not isinstance(found, dict):
        _refuse(path, f"is damaged: {what} is no JSON object")
    return found


def _meaning(path: Path, found: dict[str, Any]) -> _Meaning:
    version = found.get("version")
    if found.get("format") == FORMAT and version != VERSION:
        newer = isinstance(version, int) and version > VERSION
        way = "update brainmusic-daemon, or make it anew with this version's brainmusic train" if newer else AGAIN
        raise ConfigError(f"the model '{path}' is of version {version!r}, and this program reads {VERSION}; {way}")
    try:
        return _Meaning.model_validate(found)
    except ValidationError as error:
        (place, message), *more = registry.describe(error, "")
        others = f" (and {len(more)} more)" if more else ""
        _refuse(path, f"is damaged: {place or 'its description'} {message}{others}")


def _arrays(path: Path, header: Mapping[str, Any], data: bytes) -> dict[str, Array]:
    """Return the numbers by name; their places follow each other and fill the file, as the format demands."""
    arrays: dict[str, Array] = {}
    end = 0
    try:
        for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
            dtype, shape, (begin, stop) = entry["dtype"], entry["shape"], entry["data_offsets"]
            if not _TENSOR.fullmatch(name) or dtype not in _DTYPES:
                _refuse(path, f"has numbers '{name}' of type {dtype}, which no mapper's model has")
            whole = all(type(n) is int and 0 <= n <= MAX_BYTES for n in (*shape, begin, stop))
            if (
                not whole
                or len(shape) > 2
                or begin != end
                or stop - begin != math.prod(shape) * _DTYPES[dtype].itemsize
            ):
                _refuse(path, f"is damaged: '{name}' of shape {shape} is said to be at bytes {begin} to {stop}")
            end = stop
            if stop <= len(data):
                array = np.frombuffer(data, _DTYPES[dtype], math.prod(shape), begin).reshape(shape)
                arrays[name] = array.astype(array.dtype.newbyteorder("="))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        _refuse(path, f"is damaged: its header does not say where the numbers are ({type(error).__name__}: {error})")
    if end > len(data):
        _refuse(path, f"is cut off: {end - len(data):,} of {end:,} bytes of numbers are missing")
    if end < len(data):
        _refuse(path, f"is damaged: {len(data) - end:,} bytes follow after its numbers")
    return arrays


def _plain(value: Any) -> Any:
    """Return what JSON can hold: numpy's numbers as plain ones, NaN and infinities as null, paths and dates as text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, np.ndarray | list | tuple | set | frozenset):
        return [_plain(part) for part in (value.tolist() if isinstance(value, np.ndarray) else value)]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)
