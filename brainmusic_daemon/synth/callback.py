"""PortAudio's request for a block in, `render` on the shared block out: a C function that never meets the interpreter.

Importing this module compiles it, or loads it from the cache.
"""

# mypy: disable-error-code="no-untyped-def"
from __future__ import annotations

import ctypes
from pathlib import Path

import numba
import numpy as np
from numba import carray, types

from brainmusic_daemon.jit import can_cache, in_cache_folder
from brainmusic_daemon.synth import layout as at
from brainmusic_daemon.synth.kernels import render

UNDERFLOW_FLAG = 0x4  # paOutputUnderflow; a larger bit, priming, is no glitch
_UNSIGNED_LONG = types.uint32 if ctypes.sizeof(ctypes.c_ulong) == 4 else types.uint64  # Windows: 4 bytes
_SIGNATURE = types.int32(
    types.voidptr, types.voidptr, _UNSIGNED_LONG, types.voidptr, _UNSIGNED_LONG, types.voidptr
)  # PaStreamCallback


def _callback(_input, output, frames, time_info, flags, block):
    F = carray(block, (at.WORDS,), np.float64)
    N = carray(block, (at.WORDS,), np.int64)
    n = int(frames)
    out = carray(output, (n, 2), np.float32)
    times = carray(time_info, (3,), np.float64)  # input ADC, now, output DAC
    render(F, N, out, n)
    N[at.CALLBACKS] += 1
    N[at.LAST_FRAMES] = n
    N[at.UNDERFLOWS] += (int(flags) & UNDERFLOW_FLAG) != 0
    F[at.CALLBACK_TIME] = times[1]
    F[at.DAC_TIME] = times[2]
    return 0  # paContinue


_FOLDER = Path(__file__).parent
with in_cache_folder(_FOLDER):
    callback = numba.cfunc(_SIGNATURE, cache=can_cache(_FOLDER), error_model="numpy")(_callback)

ADDRESS: int = callback.address
"""Of the C function; `userdata` is the address of an engine's block."""
