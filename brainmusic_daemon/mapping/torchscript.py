"""A TorchScript file, or a model's layers, in; a function that PyTorch runs out.  Where mappers meet torch.

TorchScript is a program: it runs when it plays, so only a file that the user names is loaded.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from brainmusic_daemon.api import ConfigError, FloatArray
from brainmusic_daemon.mapping.model import Model
from brainmusic_daemon.there import is_file

MAX_BYTES = 256 << 20
_WARM_UP = 20  # TorchScript specialises on what it sees in its first calls

Network = Callable[[FloatArray], FloatArray]  # (n, n_features) float64 to (n, n_controls) float64


_EXPORT = "export it with torch.jit.script(module).save(FILE)"


def check(path: Path) -> None:
    """Look at the file from outside, without torch.  Raises ConfigError."""
    try:
        if not is_file(path):
            raise ConfigError(f"there is no model '{path}'")
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ConfigError(f"'{path}' has {size / 1e6:,.0f} MB, and mappers have at most {MAX_BYTES / 1e6:.0f}")
        with path.open("rb") as file:
            if file.read(1) == b"\x80":
                raise ConfigError(f"'{path}' is a Python pickle, which can run code: it is not opened; {_EXPORT}")
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile) as error:
        raise ConfigError(f"'{path}' is no TorchScript module, or cut off ({error}); {_EXPORT}") from error
    if not any("/code/" in name for name in names):
        raise ConfigError(f"'{path}' is what torch.save writes, a pickle: it is not opened; {_EXPORT}")


def load(path: Path, n_features: int, n_controls: int) -> tuple[Network, tuple[str, ...]]:
    """Return the module as a function, tried and warmed up, and remarks.  Raises ConfigError; takes a while."""
    torch = _torch(path)
    try:
        with warnings.catch_warnings():  # torch would have other formats; this is what there is
            warnings.simplefilter("ignore", DeprecationWarning)
            module = torch.jit.load(str(path), map_location="cpu").eval()
    except (RuntimeError, ValueError, OSError) as error:
        raise ConfigError(f"'{path}' is no TorchScript module ({_said(error)}); {_EXPORT}") from error

    def network(x: FloatArray) -> FloatArray:
        with torch.inference_mode():
            return np.asarray(module(torch.from_numpy(x.astype(np.float32))).double().numpy())

    rng = np.random.default_rng(0)
    for n in (1, n_features + 1):
        for number in range(_WARM_UP):
            try:
                y = network(rng.random((n, n_features)))
            except (RuntimeError, AttributeError, TypeError) as error:
                raise ConfigError(f"'{path}' fails with {n} times {n_features} features: {_said(error)}") from error
            if y.shape != (n, n_controls):
                raise ConfigError(
                    f"'{path}' gives {y.shape} for {n} times {n_features} features, and ({n}, {n_controls}) is needed: "
                    "look at `features` and `drives`"
                )
            if not number and not np.isfinite(y).all():
                raise ConfigError(f"'{path}' gives NaN or infinite values for features within 0 to 1")
    x = rng.random((1, n_features))
    same = np.array_equal(network(x), network(x))
    return network, () if same else ("it answers differently to the same features: it draws lots, or remembers",)


def perceptron(model: Model) -> Network:
    """Return a model as PyTorch plays it, in float32.  Raises ConfigError where there is no torch."""
    torch = _torch(Path("engine"))
    functions = {"relu": "ReLU", "tanh": "Tanh", "silu": "SiLU", "elu": "ELU", "gelu": "GELU"}
    parts: list[Any] = []
    for w, b in model.layers:
        if parts:
            parts += [getattr(torch.nn, functions[model.activation])(), torch.nn.Dropout(model.dropout)]
        parts.append(torch.nn.Linear(*w.shape))
        with torch.no_grad():
            parts[-1].weight.copy_(torch.from_numpy(w.T.astype(np.float32)))
            parts[-1].bias.copy_(torch.from_numpy(b.astype(np.float32)))
    layers = torch.nn.Sequential(*parts).eval()
    low, high = model.ends

    def network(x: FloatArray) -> FloatArray:
        with torch.inference_mode():
            z = (np.minimum(np.maximum(x, low), high) - model.mean) / model.scale
            return np.asarray(layers(torch.from_numpy(z.astype(np.float32))).double())

    network(model.mean[None])
    return network


def _torch(path: Path) -> Any:
    _preload()
    try:
        import torch
    except ImportError as error:
        raise ConfigError(f"{path.name}: it needs PyTorch: pip install 'brainmusic-daemon[neural]'") from error
    torch.set_num_threads(1)  # more only get in each other's way, and in that of the sound
    return torch


def _preload() -> None:
    """Load the largest of torch's libraries in a call that lets other threads through.

    `import torch` does it too, but keeps the interpreter to itself meanwhile: 140 to 480 ms in one piece here, against
    40 to 90 ms for what is left then.  Where this cannot be done, the import does it.
    """
    found = None if "torch" in sys.modules or os.name != "posix" else importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        return
    for suffix in ("so", "dylib"):
        library = Path(found.origin).parent / "lib" / f"libtorch_cpu.{suffix}"
        if is_file(library):
            dlopen = ctypes.CDLL(None).dlopen  # CDLL(library) would hold the interpreter as well
            dlopen.argtypes, dlopen.restype = (ctypes.c_char_p, ctypes.c_int), ctypes.c_void_p
            dlopen(os.fsencode(library), os.RTLD_NOW)


def _said(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:160] if lines else type(error).__name__
