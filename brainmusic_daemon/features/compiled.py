"""The arithmetic of a tick in compiled loops: over arrays this small, a numpy call costs more than its sum."""

# mypy: disable-error-code="no-untyped-def"
from __future__ import annotations

import math

from brainmusic_daemon.jit import compiled

STEEP = 1.7  # of the arc tangent: one spread from the middle is 0.83, two are 0.91, ten are 0.98
OUTLIER = 3.0  # spreads; what lies further out pulls no harder than this
NEAR = 1.0  # spreads that a level is pulled by at most: it then lies near the median, where a skewed mean does not
LEVEL_S = 3.0  # time constant of a feature's level: states of a person last longer, the waxing of rhythms does not
WIDEN_S = 4.0  # with which the range opens for a level outside it
EARLY_S = 30.0  # and closes: first within known²/this, so that hands at the headset are forgotten; later `memory`
PRIOR_S = 2.0  # the expected spread weighs as much as this many seconds of data
START_S = 8.0  # before that, averages are still filling: what they show is no range
NORMAL = 1.2533  # √(π/2): from the mean distance to the standard deviation of a normal distribution
FIRST_S = 0.5  # and the first value as much as this
SMALL = 1e-9  # µV²: keeps logarithms finite


@compiled
def powers(Z, n_bands, scale, power):
    """Turn products into powers.

    Z (n_channels, 2·n_kernels) float32: real parts, then imaginary parts, of which the first `n_bands` are bands.
    `scale` (n_bands,).  Writes power (n_channels, n_bands).
    """
    n_kernels = Z.shape[1] // 2
    for c in range(Z.shape[0]):
        for b in range(n_bands):
            real, imag = float(Z[c, b]), float(Z[c, n_kernels + b])
            power[c, b] = (real * real + imag * imag) * scale[b]


@compiled
def pool(Z, power, starts, members, shares, pooled, pooled_real, pooled_imag):
    """Average powers and signals over the pools.

    Pool p averages the channels members[starts[p]:starts[p+1]] by `shares`; a pool whose shares are all 0 keeps its
    powers.  Writes pooled* (n_pools, n_bands).
    """
    n_bands, n_kernels = power.shape[1], Z.shape[1] // 2
    for p in range(len(starts) - 1):
        total = 0.0
        for k in range(starts[p], starts[p + 1]):
            total += shares[k]
        for b in range(n_bands):
            mean = real = imag = 0.0
            for k in range(starts[p], starts[p + 1]):
                c, share = members[k], shares[k]
                mean += share * power[c, b]
                real += share * Z[c, b]
                imag += share * Z[c, n_kernels + b]
            if total > 0.0:
                pooled[p, b] = mean
            pooled_real[p, b], pooled_imag[p, b] = real, imag


@compiled
def normalise(raw, n_logarithmic, share, level, low, high, below, above, floor, known, learn, dt, memory, out):
    """Place physical values in the person's own range, 0..1, and let the range follow them; see `baseline`.

    All arrays (n,).  The first `n_logarithmic` values are judged on their logarithm, and so are their `level` (over
    the last seconds), `low` and `high` (its range), `below` and `above` (mean distances from the middle).  `known`: s
    of good signal behind each; `memory`, `dt` in s.  Writes all but raw, share and floor.
    """
    for i in range(len(raw)):
        x = raw[i]
        if i < n_logarithmic:
            x = math.log(max(x, SMALL))
        if known[i] == 0.0:
            level[i] = low[i] = high[i] = x
        middle = low[i] + share[i] * (high[i] - low[i])
        away = x - middle
        under = away < 0.0
        spread = NORMAL * (below[i] if under else above[i])
        if learn:
            known[i] += dt
            sure = min(known[i] + FIRST_S, LEVEL_S)
            level[i] += dt / sure * (middle + min(max(away, -NEAR * spread), NEAR * spread) - level[i])
            if known[i] < START_S:
                low[i] = high[i] = level[i]
            narrow = dt / min(2.0 + known[i] * known[i] / EARLY_S, memory[i])
            low[i] += (dt / WIDEN_S if level[i] < low[i] else narrow) * (level[i] - low[i])
            high[i] += (dt / WIDEN_S if level[i] > high[i] else narrow) * (level[i] - high[i])
            # each side has half of the time, and what came lately counts more than the first seconds
            step = 2.0 * dt / min(PRIOR_S + 0.5 * known[i], memory[i])
            distance = min(abs(away), OUTLIER * spread)
            if under:
                below[i] = max(below[i] + step * (distance - below[i]), floor[i])
            else:
                above[i] = max(above[i] + step * (distance - above[i]), floor[i])
        out[i] = 0.5 + math.atan(STEEP * away / spread) / math.pi
