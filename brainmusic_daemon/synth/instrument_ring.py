"""Compiled: sound that another thread made in, the same sound for the callback out: a ring without locks.

One producer writes frames and then moves RING_WRITTEN; the renderer only copies.  Where it finds nothing, it fades from
the last frame, counts what is missing, and waits until the ring is filled again to where it was meant to be.
"""

# mypy: disable-error-code="no-untyped-def"
from __future__ import annotations

from brainmusic_daemon.jit import compiled
from brainmusic_daemon.synth import layout as at
from brainmusic_daemon.synth.queues import fence

_MASK = at.RING_LENGTH - 1
NOT_STARTED = 2


@compiled
def write_ring(F, N, sound):
    """Append frames, (n, 2), of which there must be room (RING_LENGTH); producer thread only."""
    end = N[at.RING_WRITTEN]
    for i in range(sound.shape[0]):
        place = at.RING + 2 * ((end + i) & _MASK)
        F[place] = sound[i, 0]
        F[place + 1] = sound[i, 1]
    fence()
    N[at.RING_WRITTEN] = end + sound.shape[0]


@compiled
def play_ring(F, N, n, left, right):
    """Write the next n frames of the ring to left and right."""
    read = N[at.RING_READ]
    ready = N[at.RING_WRITTEN] - read
    fence()
    if N[at.RING_WAITING] != 0 and ready >= N[at.RING_FILL]:
        N[at.RING_WAITING] = 0
    gain, last_l, last_r = F[at.RING_GAIN], F[at.RING_LAST], F[at.RING_LAST + 1]
    rise = 1.0 / (0.005 * F[at.SAMPLERATE])
    for i in range(n):
        if N[at.RING_WAITING] == 0 and ready > 0:
            gain = min(1.0, gain + rise)
            place = at.RING + 2 * (read & _MASK)
            last_l, last_r = F[place] * gain, F[place + 1] * gain
            read += 1
            ready -= 1
        else:
            if N[at.RING_WAITING] == 0:
                N[at.RING_WAITING] = 1
            N[at.RING_STARVED] += N[at.RING_WAITING] == 1
            gain = 0.0
            last_l *= 0.99
            last_r *= 0.99
        left[i] = last_l
        right[i] = last_r
    F[at.RING_GAIN], F[at.RING_LAST], F[at.RING_LAST + 1] = gain, last_l, last_r
    fence()
    N[at.RING_READ] = read
