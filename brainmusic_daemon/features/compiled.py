"""The arithmetic of a tick in compiled loops: over arrays this small, a numpy call costs more than its sum."""

# mypy: disable-error-code="no-untyped-def"
from __future__ import annotations

import math

from brainmusic_daemon.jit import compiled

LOGISTIC = 1.702  # 1/(1+exp(−1.702 z)) is the normal distribution function within 0.01 (Haley 1952)
OUTLIER = 3.0  # spreads; what lies further out pulls no harder than this
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
def normalise(raw, n_logarithmic, middle, variance, floor, learn, towards_middle, towards_variance, out):
    """Turn physical values into the person's own percentiles, and move middle and variance towards them.

    `raw`, `middle`, `variance`, `floor`, `out` (n,); the first `n_logarithmic` are judged on their logarithm.
    """
    for i in range(len(raw)):
        x = raw[i]
        if i < n_logarithmic:
            x = math.log(max(x, SMALL))
        spread = math.sqrt(variance[i])
        z = (x - middle[i]) / spread
        if learn:
            bounded = min(max(z, -OUTLIER), OUTLIER)
            middle[i] += towards_middle * bounded * spread
            variance[i] = max(variance[i] * (1.0 + towards_variance * (bounded * bounded - 1.0)), floor[i])
        out[i] = 1.0 / (1.0 + math.exp(min(-LOGISTIC * z, 30.0)))
