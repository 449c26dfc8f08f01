"""A tick's products in, the same without eyes, muscles and cables out: subtracted, weighed, or bridged."""

# mypy: disable-error-code="no-untyped-def"
from __future__ import annotations

import math

from brainmusic_daemon.features import artifact_memory as at
from brainmusic_daemon.features.eye_filters import factor, follow, learn, look
from brainmusic_daemon.features.watching import tell, watch
from brainmusic_daemon.jit import compiled


@compiled
def mend(Z, power, members, filters, channels, bands, memo, rate):
    """Take the eyes' part out of the products, and bridge what is beyond repair.

    Z (n_channels, 2·n_kernels) µV and power (n_channels, n_bands) µV² are changed in place.
    """
    n_kernels, m, n, n_bands = Z.shape[1] // 2, len(members), Z.shape[0], power.shape[1]
    bridged = 0.0
    for b in range(n_bands):
        scale, leak = bands[b, at.SCALE], bands[b, at.LEAK]
        for e in range(2):
            # how much of the brain's power goes with the movement, and the power of what is taken
            gain = size = 0.0
            brain, expected = bands[b, at.BRAIN + e], bands[b, at.MOVEMENT + e]
            if brain > 0.0:
                real = imag = 0.0
                for i in range(m):
                    real += filters[b, i, m + e] * Z[members[i], b]
                    imag += filters[b, i, m + e] * Z[members[i], n_kernels + b]
                size = real * real + imag * imag
                # Wiener: the share of what the filter sees that is the movement's; without one, what no brain can be
                gain = expected / (expected + brain)
                if size > at.RESERVE * brain and memo[at.LEARNED] > at.KNOWN:
                    gain = max(gain, 1.0 - at.RESERVE * brain / size)
                if gain < 0.02:
                    gain = 0.0
            if gain > 0.0:
                real, imag, size = gain * real, gain * imag, gain * gain * size
                for c in range(n):
                    Z[c, b] -= channels[at.SPREAD + e, c] * real
                    Z[c, n_kernels + b] -= channels[at.SPREAD + e, c] * imag
            if e == 0:
                brain_0, size_0 = gain * brain, size if gain > 0.0 else 0.0
            else:
                brain_1, size_1 = gain * brain, size if gain > 0.0 else 0.0
        for c in range(n):
            seen = (float(Z[c, b]) * Z[c, b] + float(Z[c, n_kernels + b]) * Z[c, n_kernels + b]) * scale
            wrong, p = leak * channels[at.EXCESS, c], seen
            if size_0 + size_1 > 0.0:
                # what brain went with it is given back as what is usual
                p += scale * (channels[at.SPREAD, c] ** 2 * brain_0 + channels[at.SPREAD + 1, c] ** 2 * brain_1)
                wrong += scale * (channels[at.DOUBT, c] * size_0 + channels[at.DOUBT + 1, c] * size_1)
            usually = channels[at.MEAN + b, c]
            if channels[at.HOLD, c] > 0.0:
                trust, p = 0.0, usually
            else:
                # what to expect of |z|² where z + wrong was seen, both normal: Wiener's share of it, and what is open
                trust = (usually + 1e-9) / (usually + wrong + 1e-9)
                p = trust * (trust * p + wrong)
                channels[at.MEAN + b, c] += rate * (p - usually)
            bridged += 1.0 - trust
            if p < seen:
                k = math.sqrt(p / seen)
                Z[c, b] *= k
                Z[c, n_kernels + b] *= k
            power[c, b] = p
    memo[at.BRIDGED] = bridged / (n * n_bands)


@compiled
def step(
    x,
    n_fresh,
    begun,
    muscle,
    Z,
    power,
    weights,
    channels,
    members,
    filters,
    bands,
    shapes,
    smooth,
    movements,
    memo,
    options,
):
    """Do one tick's work, `begun` False: only start to follow.  See `Artifacts` for what the arrays are."""
    n, n_bands, tick = Z.shape[0], power.shape[1], options[at.TICK]
    memo[at.TICKS] += 1.0
    if not begun:
        memo[at.TICKS] = 1.0
        for c in range(n):
            channels[at.BASE, c] = x[x.shape[0] - 1, c]
            channels[at.HOLD, c] = channels[at.STUCK, c] = channels[at.MUSCLE, c] = channels[at.USUAL, c] = 0.0
            channels[at.STEP, c] = 0.0
            for i in range(1, x.shape[0]):
                channels[at.STEP, c] = max(channels[at.STEP, c], abs(x[i, c] - x[i - 1, c]))
            for b in range(n_bands):
                channels[at.MEAN + b, c] = power[c, b]
    if watch(x, n_fresh, smooth, muscle, channels, memo, options):
        factor(filters, members, weights, channels, bands)
    fit, touched = look(members, filters, channels, memo, options)
    if touched >= 0:
        channels[at.HOLD, touched], channels[at.REASON, touched] = options[at.HOLD_TICKS], at.MOVED
        factor(filters, members, weights, channels, bands)
        fit, touched = look(members, filters, channels, memo, options)
    for e in range(2):
        follow(e, fit, channels, bands, movements, memo, options)
    tell(channels, memo, options)
    moving = memo[at.MOVING] + memo[at.MOVING + 1] > 0.0
    remembered = memo[at.REMEMBERED] + memo[at.REMEMBERED + 1] > 0.0
    held = False
    for c in members:
        held = held or channels[at.HOLD, c] > 0.0 or abs(channels[at.DEFLECTION, c]) > options[at.MOVED_UV]
    # what never ends is no movement but this person's own (alpha in front, say): it is learned after all
    memo[at.UNLEARNED] = memo[at.UNLEARNED] + tick if remembered else 0.0
    memo[at.HEIGHT] = max(abs(memo[at.V]), memo[at.HEIGHT] * (1.0 - tick / 0.5))
    low = memo[at.HEIGHT] < at.HIGHEST * options[at.BLINK_UV]
    anyway = memo[at.LEARNED] < 2.0 * at.KNOWN or memo[at.UNLEARNED] > 3.0
    learning = low or memo[at.UNLEARNED] > 10.0 if anyway else not remembered
    if learning and not held:
        memo[at.LEARNED] += 1.0
        learn(Z, members, filters, channels, max(tick / at.CLEAN_S, 1.0 / memo[at.LEARNED]))
    memo[at.FACTORED] += 1.0
    if moving or memo[at.FACTORED] >= 5.0:
        memo[at.FACTORED] = 0.0
        factor(filters, members, weights, channels, bands)
    bands[:, at.MOVEMENT : at.MOVEMENT + 2] = 0.0
    for i in range(at.N_MOVEMENTS):
        age, e = int(movements[i, 2]), int(movements[i, 0])
        if age >= 0:
            for b in range(n_bands):
                bands[b, at.MOVEMENT + e] += movements[i, 1] ** 2 * shapes[e, age, b]
            movements[i, 2] = age + 1 if age + 1 < shapes.shape[1] else -1
    mend(Z, power, members, filters, channels, bands, memo, min(max(tick / at.MEAN_S, 1.0 / memo[at.TICKS]), 1.0))
    for c in range(n):
        channels[at.HOLD, c] = max(channels[at.HOLD, c] - 1.0, 0.0)
