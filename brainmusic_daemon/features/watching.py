"""Samples in; each channel's deflection, steps and muscle power, and blinks and clenches when they happen, out."""

# mypy: disable-error-code="no-untyped-def"
from __future__ import annotations

import math

from brainmusic_daemon.features import artifact_memory as at
from brainmusic_daemon.jit import compiled


@compiled
def watch(x, n_fresh, smooth, muscle, channels, memo, options):
    """Follow each channel in time: its deflection from its own recent level, its steps, its muscle power.

    x (n_samples, n_channels) float32 µV, of which the last `n_fresh` are new; `smooth` (k,) sums to 1; `muscle`
    (n_channels, 2) analytic µV.  Returns whether a channel has come to be held.
    """
    n, k, n_channels, tick = x.shape[0], len(smooth), x.shape[1], options[at.TICK]
    fast, stuck, largest = channels[at.FAST], channels[at.STUCK], channels[at.EXCESS]
    fast[:] = 0.0
    largest[:] = 0.0
    for i in range(k):
        for c in range(n_channels):
            fast[c] += smooth[i] * x[n - k + i, c]
    for i in range(n - n_fresh, n):
        for c in range(n_channels):
            step = abs(x[i, c] - x[i - 1, c])
            largest[c] = max(largest[c], step)
            stuck[c] = stuck[c] + 1.0 if step == 0.0 else 0.0
    follow, fade = tick / at.LEVEL_S, min(tick / at.MUSCLE_S, 1.0)
    learn = max(tick / at.USUAL_S, 1.0 / memo[at.TICKS])
    new, shift = False, 0.0
    for c in range(n_channels):
        held = channels[at.HOLD, c] > 0.0
        channels[at.DEFLECTION, c] = fast[c] - channels[at.BASE, c]
        channels[at.BASE, c] += follow * channels[at.DEFLECTION, c]
        reason = 0
        eyes = abs(channels[at.SPREAD, c]) + abs(channels[at.SPREAD + 1, c])  # a lid can be as quick as a cable there
        if largest[c] > max(options[at.POP_UV] * (1.0 + eyes), 5.0 * channels[at.STEP, c]):
            reason = at.POPPED
        channels[at.STEP, c] += tick * (min(largest[c], 2.0 * channels[at.STEP, c] + 1.0) - channels[at.STEP, c])
        if stuck[c] >= options[at.DROPOUT]:
            reason = at.DROPPED
        if reason > 0:
            channels[at.HOLD, c], channels[at.REASON, c] = options[at.HOLD_TICKS], reason
            new = new or not held
        power = 0.5 * (muscle[c, 0] * muscle[c, 0] + muscle[c, 1] * muscle[c, 1])
        before, usual = channels[at.MUSCLE, c], channels[at.USUAL, c]
        power = before + (fade if power > before else 0.5 * fade) * (power - before)
        channels[at.MUSCLE, c] = power
        channels[at.USUAL, c] = usual + learn * (min(power, 4.0 * usual + 0.01) - usual)
        channels[at.EXCESS, c] = max(power - 2.5 * usual, 0.0)
        loud = power > options[at.MUSCLE_RATIO] * (usual + at.SOFT_UV2)
        channels[at.LOUD, c] = channels[at.LOUD, c] + tick if loud else 0.0
        if channels[at.HOLD, c] <= 0.0:
            shift += channels[at.SHARE, c] * channels[at.DEFLECTION, c]
    if shift != 0.0:
        for c in range(n_channels):
            channels[at.DEFLECTION, c] -= shift
    return new


@compiled
def tell(channels, memo, options):
    """Say once of each blink and each clench how large it is, into `memo`; 0: there was none in this tick."""
    tick, size = options[at.TICK], abs(memo[at.V])
    memo[at.BLINK] = memo[at.JAW] = 0.0
    if memo[at.MOVING] > 0.0 and memo[at.LEARNED] > at.KNOWN:
        if memo[at.MOVING] <= 1.5 * tick:
            memo[at.PEAK], memo[at.TOLD] = 0.0, 0.0
        memo[at.PEAK] = max(memo[at.PEAK], size)
        if memo[at.TOLD] == 0.0 and size < 0.8 * memo[at.PEAK] and memo[at.MOVING] < at.LONGEST_S:
            rebound = memo[at.V] * memo[at.SIGN] < 0.0 and memo[at.SINCE] < at.REBOUND_S
            memo[at.TOLD] = 1.0
            if not rebound:
                memo[at.BLINK], memo[at.SIGN], memo[at.SINCE] = memo[at.PEAK], memo[at.V], 0.0
    memo[at.SINCE] += tick
    loud, power, n = 0, 0.0, channels.shape[1]
    for c in range(n):
        if channels[at.LOUD, c] > 0.0 and channels[at.HOLD, c] <= 0.0:
            loud += 1
            power = max(power, channels[at.MUSCLE, c])
    if loud >= min(2, n):
        before = memo[at.CLENCH]
        memo[at.CLENCH] += tick
        if before < 0.06 <= memo[at.CLENCH]:
            memo[at.JAW], memo[at.CLENCH] = math.sqrt(power), at.REST_S + 0.06
    else:
        memo[at.CLENCH] = max(min(memo[at.CLENCH], at.REST_S + 0.06) - tick, 0.0)
