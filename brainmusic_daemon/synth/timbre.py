"""Compiled: the frequency of each tone and a few shape numbers in, all partials at equal loudness out."""

# mypy: disable-error-code="no-untyped-def"
from __future__ import annotations

from brainmusic_daemon.jit import compiled
from brainmusic_daemon.synth.layout import MAX_PARTIALS, MAX_VOICES


@compiled
def k_weight(hz):
    """Return about the power weight of ITU-R BS.1770 at a frequency: a 60 Hz low cut and +4 dB above 1.5 kHz."""
    x = (hz / 60.0) * (hz / 60.0)
    x *= x
    y = (hz / 1500.0) * (hz / 1500.0)
    return x / (1.0 + x) * (1.0 + 2.51 * y) / (1.0 + y)


@compiled
def spectra(frequency, slope, cutoff, odd, colour, out):
    """Write the partials of each tone, out (MAX_VOICES · MAX_PARTIALS,), at a K-weighted power of 1 for each tone.

    A power law of the partial's number, a soft low-pass in Hz so that high tones don't shriek, and even partials weaker
    by `odd`, which makes a tone hollow; times the `colour`, (MAX_VOICES, MAX_PARTIALS) or (0, 0) for none.
    """
    coloured = colour.size > 0
    for k in range(MAX_PARTIALS):
        base = (k + 1.0) ** -slope
        if k % 2 == 1:
            base *= 1.0 - odd
        for v in range(MAX_VOICES):
            hz = frequency[v] * (k + 1.0)
            ratio = hz / cutoff
            a = base / (1.0 + ratio * ratio)
            if coloured:
                a *= colour[v, k]
            out[v * MAX_PARTIALS + k] = a if a > 2e-5 else 0.0
    for v in range(MAX_VOICES):
        total = 0.0
        for k in range(MAX_PARTIALS):
            a = out[v * MAX_PARTIALS + k]
            if a > 0.0:
                total += a * a * k_weight(frequency[v] * (k + 1.0))
        scale = (2.0 / total) ** 0.5 if total > 1e-12 else 0.0
        for k in range(MAX_PARTIALS):
            out[v * MAX_PARTIALS + k] *= scale
