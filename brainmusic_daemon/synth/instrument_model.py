"""A TorchScript file in, a decoder of latents to sound out, as exports of RAVE for nn~ have it.

The file is a program: `load` runs code that is in it.  The only file of the synth that imports torch.
"""

from __future__ import annotations

import logging
import math
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from brainmusic_daemon.api import ConfigError
from brainmusic_daemon.there import expanded, is_file

Array = npt.NDArray[np.float64]

_log = logging.getLogger(__name__)

CHUNK_FRAMES = 1_024  # at least so many are decoded at a time
SHARE_OF_TIME = 0.75  # a decoder that needs more than this of the time it makes sound for is too slow
COMFORTABLE = 0.4
PATIENCE_S = 10.0  # to time a model


@dataclass(frozen=True, slots=True)
class Model:
    """A loaded decoder, tried and timed."""

    path: Path
    module: Any
    latents: int
    ratio: int  # frames per latent step
    samplerate: float  # Hz, the model's own
    steps: int  # latent steps that are decoded at a time
    seconds: float  # that decoding them takes, the slowest of some
    gain: float  # that brings its sound to a K-weighted power of 1

    @property
    def chunk_s(self) -> float:
        """Seconds of sound per chunk."""
        return self.steps * self.ratio / self.samplerate

    def decode(self, latents: Array, number: int) -> Array:
        """Return (steps · ratio, 2) finite frames for (steps, latents); `number` seeds the noise that a model adds."""
        return np.clip(_finite(_decode(self.module, latents, number)) * self.gain, -8.0, 8.0)


def check(instrument: str, model: Path | None) -> Path | None:
    """Return the path of the model; raises ConfigError where the two settings don't go together."""
    if instrument == "torchscript" and model is None:
        raise ConfigError('instrument = "torchscript" needs the file of an exported model: model = "PATH.ts"')
    if instrument != "torchscript" and model is not None:
        raise ConfigError(f"model = '{model}' has no effect without instrument = \"torchscript\"")
    return None if model is None else expanded(model)


def load(path: Path, samplerate: float) -> Model:
    """Load, check, warm up and time a model; `samplerate` is taken where the file states none.  Raises ConfigError.

    Some seconds; not for the tick.
    """
    module = _open(path)
    latents, ratio, channels = _parameters(path, module)
    rate = _samplerate(module)
    if rate is None:
        rate = samplerate
        _log.warning("'%s' states no sample rate (sr, sampling_rate): taken as %.0f Hz", path, rate)
    if not 8_000 <= rate <= 192_000:
        raise ConfigError(f"'{path}' states a sample rate of {rate:g} Hz; the synth plays 8000 to 192000 Hz")
    steps = max(1, math.ceil(CHUNK_FRAMES / ratio))
    sound, seconds = _time(path, module, latents, ratio, channels, steps)
    share = seconds[len(seconds) // 2] / (steps * ratio / rate)
    if SHARE_OF_TIME < share < 4:  # longer chunks cost less per second
        steps *= 4
        sound, seconds = _time(path, module, latents, ratio, channels, steps)
        share = seconds[len(seconds) // 2] / (steps * ratio / rate)
    if share > SHARE_OF_TIME:
        raise ConfigError(
            f"'{path}' is too slow for this machine: it computes for {share:.2f} s per second of sound "
            f"(at most {SHARE_OF_TIME} can be played live); use a smaller model, or a faster machine"
        )
    if share > COMFORTABLE:
        _log.warning("'%s' computes for %.2f s per second of sound: it gets more buffer", path, share)
    return Model(path, module, latents, ratio, rate, steps, seconds[-1], 1 / math.sqrt(max(_power(sound, rate), 1e-6)))


def _open(path: Path) -> Any:
    try:
        import torch
    except ImportError as error:
        raise ConfigError(
            "instrument = \"torchscript\" needs PyTorch: pip install 'brainmusic-daemon[neural]'"
        ) from error
    if not is_file(path):
        raise ConfigError(f"there is no model '{path}'")
    try:
        with warnings.catch_warnings():  # the format is that of all exports there are, whatever torch thinks of it
            warnings.simplefilter("ignore", DeprecationWarning)
            module = torch.jit.load(str(path), map_location="cpu").eval()  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError, OSError) as error:
        said = str(error).strip().splitlines()[:1]
        raise ConfigError(f"'{path}' is no TorchScript file ({''.join(said)[:120]}); export the model again") from error
    return module


def _parameters(path: Path, module: Any) -> tuple[int, int, int]:
    """Return latents, frames per step and channels from `decode_params`: in_dim, in_ratio, out_dim, out_ratio."""
    for needed in ("decode", "decode_params"):
        if not hasattr(module, needed):
            raise ConfigError(f"'{path}' has no '{needed}': an export of RAVE, or of nn_tilde.Module, is needed")
    try:
        values = [int(x) for x in module.decode_params]
    except (TypeError, ValueError, RuntimeError) as error:
        raise ConfigError(f"'{path}': decode_params are not four whole numbers") from error
    if len(values) != 4 or values[0] < 1 or values[1] < 1 or values[2] not in (1, 2) or values[3] != 1:
        raise ConfigError(
            f"'{path}': decode_params are {values}; needed are latents, frames per latent step, 1 or 2 channels, and 1"
        )
    if values[1] > 1 << 14:
        raise ConfigError(f"'{path}' makes {values[1]} frames per latent step; at most {1 << 14} can be buffered")
    return values[0], values[1], values[2]


def _samplerate(module: Any) -> float | None:
    for name in ("sr", "sampling_rate", "sample_rate"):
        value = getattr(module, name, None)
        if value is not None and not callable(value):
            try:
                return float(value)
            except (TypeError, ValueError, RuntimeError):
                continue
    return None


def _time(path: Path, module: Any, latents: int, ratio: int, channels: int, steps: int) -> tuple[Array, list[float]]:
    """Decode a wander through the latents; return its sound, the warm-up left out, and the sorted seconds per chunk."""
    rng = np.random.default_rng(0)
    sound, seconds = [], []
    for number in range(13):  # the first calls compile: TorchScript specialises on what it sees
        z = np.repeat(rng.normal(0, 0.7, (1, latents)), steps, axis=0)
        begin = time.perf_counter()
        try:
            made = _decode(module, z, number)
        except RuntimeError as error:
            said = str(error).strip().splitlines()[-1:]
            raise ConfigError(
                f"'{path}': decode fails with latents of shape (1, {latents}, {steps}): {said}"
            ) from error
        seconds.append(time.perf_counter() - begin)
        if number > 5 and sum(seconds) > PATIENCE_S:
            break
        if made.shape != (steps * ratio, 2):
            raise ConfigError(
                f"'{path}': decode gives {made.shape[0]} frames for {steps} latent steps, not the {steps * ratio} "
                f"({channels} channels) that decode_params state"
            )
        sound.append(made)
    return _finite(np.concatenate(sound[5:])), sorted(seconds[5:])


def _finite(sound: Array) -> Array:
    return np.nan_to_num(sound, nan=0.0, posinf=0.0, neginf=0.0)


def _decode(module: Any, latents: Array, number: int) -> Array:
    import torch

    z = torch.from_numpy(np.ascontiguousarray(latents.T[None], dtype=np.float32))
    with torch.inference_mode(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(number)  # the same recording gives the same sound
        sound = module.decode(z)
    if not isinstance(sound, torch.Tensor) or sound.dim() != 3 or sound.shape[0] != 1 or sound.shape[1] not in (1, 2):
        shape = tuple(getattr(sound, "shape", ())) or type(sound).__name__
        raise RuntimeError(f"the answer is {shape}, not (1, 1 or 2, frames)")
    both = sound[0].to(torch.float64).numpy()
    return np.ascontiguousarray(np.broadcast_to(both, (2, both.shape[1])).T)


def _power(sound: Array, samplerate: float) -> float:
    """Return about the K-weighted power of both sides together."""
    hz = np.fft.rfftfreq(len(sound), 1 / samplerate)
    square = (hz / 60.0) ** 4
    shelf = (hz / 1_500.0) ** 4
    weight = square / (1 + square) * (1 + 2.51 * shelf) / (1 + shelf)  # as synth.timbre.k_weight
    return float(2 * (np.abs(np.fft.rfft(sound, axis=0)) ** 2).sum(axis=1) @ weight / len(sound) ** 2)
