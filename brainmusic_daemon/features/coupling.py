"""The arithmetic of derived features in compiled loops: phase advance, phase coupling, common phase, 1/f fit."""

# mypy: disable-error-code="no-untyped-def"
from __future__ import annotations

import math

from brainmusic_daemon.jit import compiled


@compiled
def advance(products, column, shares, past, state, end, lag, centre):
    """Add to `state` how far the phase went since about `lag` samples ago; return whether there was such a past.

    products (n_channels, 2·n_kernels) float32, of which `column` is looked at; shares (n_channels,) weights.  `past`
    (n_past, n_channels, 2) is a ring of products, and state[4:] their sample numbers (0: none), of which state[3] is
    the newest; `end` is the number of the newest sample, `centre` in radians per sample.  Adds to state[:3] the cross
    product of now and then (real, imaginary; turned back by `centre`) and its weight times the lag, in samples.
    """
    n_past, n_kernels = past.shape[0], products.shape[1] // 2
    newest = int(state[3])
    then = -1
    for step in range(n_past):
        row = (newest - step) % n_past
        if state[4 + row] == 0.0:
            break
        if end - state[4 + row] >= lag:
            then = row
            break
    if then >= 0 and end - state[4 + then] < 2.0 * lag:
        real = imag = weight = 0.0
        for c in range(products.shape[0]):
            a, b = products[c, column], products[c, n_kernels + column]
            p, q = past[then, c, 0], past[then, c, 1]
            real += shares[c] * (a * p + b * q)
            imag += shares[c] * (b * p - a * q)
        went = end - state[4 + then]
        cosine, sine = math.cos(centre * went), math.sin(centre * went)
        state[0] += real * cosine + imag * sine
        state[1] += imag * cosine - real * sine
        weight = math.sqrt(real * real + imag * imag)
        state[2] += weight * went
        state[3 + 1 + n_past] += weight
    row = (newest + 1) % n_past
    for c in range(products.shape[0]):
        past[row, c, 0], past[row, c, 1] = products[c, column], products[c, n_kernels + column]
    state[3], state[4 + row] = row, end
    return then >= 0


@compiled
def lagged(pooled_real, pooled_imag, column, pairs, keep, seen, chance, sums, out):
    """Average the lagged part of the cross spectra, and write their weighted phase lag index.

    pairs (n_pairs, 2) of pools; sums (n_pairs, 2): Σw·Im and Σw·|Im|, with weights w that fade by `keep` per call; out
    (n_pairs,) 0..1.  `seen` is the share (0..1) of the full memory that was seen; the rest counts as `chance`.
    """
    for p in range(len(pairs)):
        i, j = pairs[p, 0], pairs[p, 1]
        x = pooled_imag[i, column] * pooled_real[j, column] - pooled_real[i, column] * pooled_imag[j, column]
        sums[p, 0] = keep * sums[p, 0] + x
        sums[p, 1] = keep * sums[p, 1] + abs(x)
        out[p] = seen * abs(sums[p, 0]) / (sums[p, 1] + 1e-9) + (1.0 - seen) * chance


@compiled
def common_phase(products, column, shares):
    """Return |Σ s·z²| / Σ s·|z|²: 1 when all channels are in phase or in opposite phase, 0 when phases are anyhow."""
    n_kernels = products.shape[1] // 2
    real = imag = total = 0.0
    for c in range(products.shape[0]):
        a, b = float(products[c, column]), float(products[c, n_kernels + column])
        real += shares[c] * (a * a - b * b)
        imag += shares[c] * 2.0 * a * b
        total += shares[c] * (a * a + b * b)
    return math.sqrt(real * real + imag * imag) / (total + 1e-9)


@compiled
def straight(x, y, line):
    """Fit y ≈ line[0] + line[1]·x, undisturbed by peaks; x, y (n,).

    Iteratively reweighted least squares.  Peaks only ever lie above: what lies more than a spread above counts less
    the further out (Cauchy's weight, squared), and the spread is that of what lies below, where there are no peaks.
    """
    n = len(x)
    offset = slope = 0.0
    spread = 1e9
    for _ in range(12):
        s = sx = sy = sxx = sxy = 0.0
        for i in range(n):
            r = (y[i] - offset - slope * x[i]) / spread
            w = 1.0 / (1.0 + r * r) ** 2 if r > 0.0 else 1.0
            s += w
            sx += w * x[i]
            sy += w * y[i]
            sxx += w * x[i] * x[i]
            sxy += w * x[i] * y[i]
        slope = (s * sxy - sx * sy) / (s * sxx - sx * sx)
        offset = (sy - slope * sx) / s
        below, count = 0.0, 0
        for i in range(n):
            r = y[i] - offset - slope * x[i]
            if r < 0.0:
                below += r * r
                count += 1
        spread = max(math.sqrt(below / max(count, 1)), 1e-3)
    line[0], line[1] = offset, slope


@compiled
def note(products, scale, bias, members, seen, least, logs, levels):
    """Average log10 densities of the channels `members` (m,), and their means over frequency.

    products (m, 2·n_f) float32: real parts, then imaginary parts, |·|²·scale is a density.  `seen` (n_channels,) counts
    the looks: the average is a plain one at first and forgets by `least` per look later on.  logs (n_channels, n_f).
    """
    n_f = logs.shape[1]
    for m in range(len(members)):
        c = members[m]
        seen[c] += 1.0
        step = max(least, 1.0 / seen[c])
        total = 0.0
        for k in range(n_f):
            a, b = float(products[m, k]), float(products[m, n_f + k])
            density = math.log10(max((a * a + b * b) * scale, 1e-9)) + bias
            logs[c, k] += step * (density - logs[c, k])
            total += logs[c, k]
        levels[c] = total / n_f


@compiled
def background(x, logs, levels, members, seen, weights, y, line):
    """Fit the line under the mean (over good `members`) of log spectra; return whether there was any.

    x (n_f,) log10 frequency; logs (n_channels, n_f); levels, seen, weights (n_channels,).  `y` (n_f,) is scratch.
    line (3,): offset and slope of the line, and log10 of how far the mean spectrum lies above the mean log spectrum.
    """
    n_f = len(x)
    total = level = 0.0
    y[:] = 0.0
    for c in members:
        if seen[c] > 0.0:
            total += weights[c]
            level += weights[c] * levels[c]
            for k in range(n_f):
                y[k] += weights[c] * logs[c, k]
    if total < 1e-3:
        return False
    y /= total
    level /= total
    mean = 0.0
    for c in members:
        if seen[c] > 0.0:
            mean += weights[c] * 10.0 ** min(max(levels[c] - level, -3.0), 3.0)
    line[2] = math.log10(mean / total)
    straight(x, y, line)
    return True
