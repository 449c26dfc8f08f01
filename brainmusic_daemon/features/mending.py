"""What is not brain is taken out of a tick's products, or bridged: the compiled loops of `artifacts`."""

# mypy: disable-error-code="no-untyped-def"
from __future__ import annotations

import math

from brainmusic_daemon.jit import compiled

# columns of a channel's state
FAST, BASE, STEP, STUCK, HOLD, MUSCLE, USUAL, EXCESS, DEFLECTION, POPPED = range(10)
N_COLUMNS = 10
POP, MOVED, DROPOUT = 1.0, 2.0, 3.0  # why a channel is held


@compiled
def watch(x, n_fresh, smooth, muscle, state, options):
    """Follow each channel in time: its deflection from its own recent level, its steps, its muscle power.

    x (n_samples, n_channels) float32 µV, of which the last `n_fresh` are new; `smooth` (k,) sums to 1; `muscle`
    (n_channels, 2) analytic µV.  `options`: baseline share, pop threshold, share forgotten of muscle power, share of
    its usual value learned, ticks to hold, dropout length in samples, whether baselines follow.
    """
    follow, pop_uv, fade, learn, hold, dropout = options[0], options[1], options[2], options[3], options[4], options[5]
    n, k = x.shape[0], len(smooth)
    for c in range(x.shape[1]):
        s = state[c]
        fast = 0.0
        for i in range(k):
            fast += smooth[i] * x[n - k + i, c]
        s[FAST] = fast
        s[DEFLECTION] = fast - s[BASE]
        s[BASE] += follow * (fast - s[BASE])
        largest = 0.0
        for i in range(n - n_fresh, n):
            step = abs(x[i, c] - x[i - 1, c])
            largest = max(largest, step)
            s[STUCK] = s[STUCK] + 1.0 if step == 0.0 else 0.0
        if largest > max(pop_uv, 5.0 * s[STEP]):
            s[HOLD], s[POPPED] = hold, POP
        else:
            s[STEP] += 0.05 * (largest - s[STEP])
        if s[STUCK] >= dropout:
            s[HOLD], s[POPPED] = hold, DROPOUT
        power = 0.5 * (muscle[c, 0] * muscle[c, 0] + muscle[c, 1] * muscle[c, 1])
        s[MUSCLE] += (2.0 * fade if power > s[MUSCLE] else fade) * (power - s[MUSCLE])
        s[USUAL] += learn * (min(power, 4.0 * s[USUAL] + 1e-3) - s[USUAL])


@compiled
def factor(cross, members, spread, trusted, root, weights, usual):
    """Find per band and movement the weights (over members) that see it and as little brain as possible.

    The minimum-variance distortionless filter w = C⁻¹a / aᵀC⁻¹a (Capon 1969), C from clean signal.  cross (n, m, m)
    µV²; spread (2, n_channels); trusted (n_channels,) bool.  Writes weights (2, n, m) and usual (2, n) µV²,
    the brain's power in what the filter gives.  `root` (m, m) is scratch.
    """
    m = len(members)
    for b in range(cross.shape[0]):
        trace = 0.0
        for i in range(m):
            trace += cross[b, i, i]
        for i in range(m):
            for j in range(i + 1):
                total = cross[b, i, j]
                if i == j:
                    total += 0.02 * cross[b, i, i] + 0.01 * trace / m + 1e-9
                    if not trusted[members[i]]:
                        total += 1e6 * (trace + 1e-9)
                for k in range(j):
                    total -= root[i, k] * root[j, k]
                root[i, j] = math.sqrt(max(total, 1e-12)) if i == j else total / root[j, j]
        for e in range(2):
            gain = 0.0
            y = weights[e, b]
            for i in range(m):
                total = spread[e, members[i]]
                for k in range(i):
                    total -= root[i, k] * y[k]
                y[i] = total / root[i, i]
                gain += y[i] * y[i]
            for i in range(m - 1, -1, -1):
                total = y[i]
                for k in range(i + 1, m):
                    total -= root[k, i] * y[k]
                y[i] = total / root[i, i]
            usual[e, b] = 1.0 / gain if gain > 1e-12 else 0.0
            for i in range(m):
                y[i] *= usual[e, b]


@compiled
def learn(Z, n_bands, members, state, cross, rate):
    """Move the cross-powers (n_bands + 1, m, m) of the members towards this tick's; the last are of deflections."""
    n_kernels = Z.shape[1] // 2
    for i in range(len(members)):
        for j in range(i + 1):
            now = state[members[i], DEFLECTION] * state[members[j], DEFLECTION]
            cross[n_bands, i, j] += rate * (now - cross[n_bands, i, j])
    for b in range(n_bands):
        for i in range(len(members)):
            for j in range(i + 1):
                p, q = members[i], members[j]
                now = float(Z[p, b]) * Z[q, b] + float(Z[p, n_kernels + b]) * Z[q, n_kernels + b]
                cross[b, i, j] += rate * (now - cross[b, i, j])


@compiled
def mend(Z, n_bands, scale, power, mean, members, weights, usual, spread, doubt, leak, state, expected, reserve, rate):
    """Take the eyes' part out of the products, and bridge what is beyond repair; return the share that was bridged.

    Z (n_channels, 2·n_kernels), power and mean (n_channels, n_bands) are changed in place.  `expected` (2, n_bands) µV²: power of
    the movements in the window, as the kernels see it at the reference; beyond `reserve` times its usual power a
    component is no brain even where no movement was seen.
    """
    n_kernels, m, n = Z.shape[1] // 2, len(members), Z.shape[0]
    bridged = 0.0
    for b in range(n_bands):
        taken, gains, unsure = 0.0, (0.0, 0.0), (0.0, 0.0)
        for e in range(2):
            if usual[e, b] <= 0.0:
                continue
            real = imag = 0.0
            for i in range(m):
                real += weights[e, b, i] * Z[members[i], b]
                imag += weights[e, b, i] * Z[members[i], n_kernels + b]
            size, brain = real * real + imag * imag, usual[e, b]
            # Wiener: the share of what the filter sees that is the movement's; without one, what no brain can be
            g = expected[e, b] / (expected[e, b] + brain)
            if size > reserve * brain:
                g = max(g, 1.0 - reserve * brain / size)
            if g < 0.02:
                continue
            real, imag, size = g * real, g * imag, g * g * size
            for c in range(n):
                Z[c, b] -= spread[e, c] * real
                Z[c, n_kernels + b] -= spread[e, c] * imag
            if e == 0:
                gains, unsure = (g, gains[1]), (size, unsure[1])
            else:
                gains, unsure = (gains[0], g), (unsure[0], size)
            taken += g
        for c in range(n):
            s = state[c]
            seen = (float(Z[c, b]) * Z[c, b] + float(Z[c, n_kernels + b]) * Z[c, n_kernels + b]) * scale[b]
            wrong = leak[b] * s[EXCESS]
            p = seen
            if taken > 0.0:
                for e in range(2):
                    # what brain went with it is given back as what is usual
                    p += scale[b] * gains[e] * spread[e, c] ** 2 * usual[e, b]
                    wrong += scale[b] * doubt[e, c] * unsure[e]
            usually = mean[c, b]
            if s[HOLD] > 0.0:
                trust, p = 0.0, usually
            else:
                # what to expect of |z|² where z + wrong was seen, both normal: Wiener's share of it and what is open
                trust = (usually + 1e-9) / (usually + wrong + 1e-9)
                p = trust * (trust * p + wrong)
                mean[c, b] += rate * (p - usually)
            bridged += 1.0 - trust
            if p < seen:
                k = math.sqrt(p / seen)
                Z[c, b] *= k
                Z[c, n_kernels + b] *= k
            power[c, b] = p
    return bridged / (n * n_bands)
