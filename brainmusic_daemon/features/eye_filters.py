"""Deflections in; how far the eyes have moved, how that spreads, and the spatial filters that see it, out."""

# mypy: disable-error-code="no-untyped-def"
from __future__ import annotations

import math

from brainmusic_daemon.features import artifact_memory as at
from brainmusic_daemon.jit import compiled


@compiled
def factor(filters, members, weights, channels, bands):
    """Find per band and movement the weights (over members) that see it and as little brain as possible.

    The minimum-variance distortionless filter w = C⁻¹a / aᵀC⁻¹a (Capon 1969), C from clean signal.  filters
    (n_bands + 2, m, m + 2): [b, :, :m] C in µV², [b, :, m + e] w of movement e, the last one is scratch.  `bands` gets
    the brain's power in what the filters give.
    """
    m = len(members)
    root = filters[filters.shape[0] - 1]
    for b in range(filters.shape[0] - 1):
        trace = 0.0
        for i in range(m):
            trace += filters[b, i, i]
        for i in range(m):
            c = members[i]
            for j in range(i + 1):
                total = filters[b, i, j]
                if i == j:
                    total += 0.02 * total + 0.01 * trace / m + 1e-9
                    if weights[c] < 0.5 or channels[at.HOLD, c] > 0.0:
                        total += 1e6 * (trace + 1.0)
                for k in range(j):
                    total -= root[i, k] * root[j, k]
                root[i, j] = math.sqrt(max(total, 1e-12)) if i == j else total / root[j, j]
        for e in range(2):
            gain = 0.0
            for i in range(m):
                total = channels[at.SPREAD + e, members[i]]
                for k in range(i):
                    total -= root[i, k] * filters[b, k, m + e]
                filters[b, i, m + e] = total / root[i, i]
                gain += filters[b, i, m + e] ** 2
            brain = 1.0 / gain if gain > 1e-9 else 0.0
            for i in range(m - 1, -1, -1):
                total = filters[b, i, m + e]
                for k in range(i + 1, m):
                    total -= root[k, i] * filters[b, k, m + e]
                filters[b, i, m + e] = total / root[i, i]
            for i in range(m):
                filters[b, i, m + e] *= brain
            bands[b, at.BRAIN + e] = brain


@compiled
def learn(Z, members, filters, channels, rate):
    """Move the members' cross-powers towards this tick's; an outlier pulls no harder than three times the usual."""
    n_kernels, n_bands, m = Z.shape[1] // 2, filters.shape[0] - 2, len(members)
    for b in range(n_bands + 1):
        now = usual = 0.0
        for i in range(m):
            p = members[i]
            usual += filters[b, i, i]
            now += channels[at.DEFLECTION, p] ** 2 if b == n_bands else Z[p, b] ** 2 + Z[p, n_kernels + b] ** 2
        pull = rate * min(1.0, 3.0 * usual / (now + 1e-9)) if usual > 0.0 else 1.0
        for i in range(m):
            for j in range(i + 1):
                p, q = members[i], members[j]
                if b == n_bands:
                    both = channels[at.DEFLECTION, p] * channels[at.DEFLECTION, q]
                else:
                    both = float(Z[p, b]) * Z[q, b] + float(Z[p, n_kernels + b]) * Z[q, n_kernels + b]
                filters[b, i, j] += pull * (both - filters[b, i, j])


@compiled
def look(members, filters, channels, memo, options):
    """Say how far the eyes have moved, into `memo`; return the share of the members' deflections that this explains.

    An electrode that deflects by itself has been touched: it is held, and left out of the next look.
    """
    m, deflections = len(members), filters.shape[0] - 2
    for e in range(2):
        v = 0.0
        if memo[at.LEARNED] > at.KNOWN:
            for i in range(m):
                v += filters[deflections, i, m + e] * channels[at.DEFLECTION, members[i]]
        else:
            for c in range(channels.shape[1]):
                v += channels[at.REFERENCE + e, c] * channels[at.DEFLECTION, c]
        memo[at.V + e] = v
    total, left, largest, touched = 1e-9, 0.0, 0.0, -1
    for c in range(channels.shape[1]):
        deflection = channels[at.DEFLECTION, c]
        rest = deflection - channels[at.SPREAD, c] * memo[at.V] - channels[at.SPREAD + 1, c] * memo[at.V + 1]
        # of a large movement even a small error in its spread is large
        error = 0.5 * (abs(channels[at.SPREAD, c] * memo[at.V]) + abs(channels[at.SPREAD + 1, c] * memo[at.V + 1]))
        moved = abs(rest) > max(options[at.MOVED_UV], 8.0 * channels[at.WANDER, c]) + error
        if moved and channels[at.HOLD, c] <= 0.0 and abs(deflection) > largest:
            largest, touched = abs(deflection), c
        usual = channels[at.WANDER, c]
        if channels[at.HOLD, c] > 0.0 and abs(rest) > max(0.3 * options[at.MOVED_UV], 3.0 * usual):
            channels[at.HOLD, c] = options[at.HOLD_TICKS]  # it is still on its way: the window has to forget this too
        if channels[at.HOLD, c] > 0.0:  # what goes on for seconds is how it is from now on: strong alpha, say
            channels[at.WANDER, c] = usual + options[at.TICK] / at.ADOPT_S * (abs(rest) - usual)
        else:
            channels[at.WANDER, c] = usual + options[at.TICK] / at.USUAL_S * (min(abs(rest), 3.0 * usual + 1.0) - usual)
    unlike = 0.0
    for i in range(m):
        c = members[i]
        if channels[at.HOLD, c] <= 0.0:
            deflection = channels[at.DEFLECTION, c]
            total += deflection**2
            left += (
                deflection - channels[at.SPREAD, c] * memo[at.V] - channels[at.SPREAD + 1, c] * memo[at.V + 1]
            ) ** 2
            unlike += (
                deflection - channels[at.PRIOR, c] * memo[at.V] - channels[at.PRIOR + 1, c] * memo[at.V + 1]
            ) ** 2
    memo[at.LIKENESS] = 1.0 - unlike / total
    return 1.0 - left / total, touched


@compiled
def spread_anew(e, channels, memo):
    """Say how a movement spreads, by what was expected, by the movements seen and by the one that goes on."""
    prior = at.PRIOR_UV**2
    share = 1.0 / (prior + memo[at.WEIGHT_SEEN + e] + memo[at.WEIGHT_NOW + e])
    for c in range(channels.shape[1]):
        seen = channels[at.SEEN + e, c] + channels[at.NOW + e, c]
        expected = channels[at.PRIOR + e, c]
        room = 0.08 + 0.5 * abs(expected)
        channels[at.SPREAD + e, c] = min(max(share * (prior * expected + seen), expected - room), expected + room)
        channels[at.DOUBT + e, c] = share * prior * channels[at.PRIOR_DOUBT + e, c]


@compiled
def conclude(e, channels, memo):
    """Remember how a movement has spread that has just ended, if it was one: what lasts was an electrode's drift."""
    if memo[at.WEIGHT_NOW + e] <= 0.0:
        return
    keep = memo[at.MOVING + e] < at.LONGEST_S
    memo[at.WEIGHT_SEEN + e] = (
        0.8 * memo[at.WEIGHT_SEEN + e] + memo[at.WEIGHT_NOW + e] if keep else memo[at.WEIGHT_SEEN + e]
    )
    for c in range(channels.shape[1]):
        if keep:
            channels[at.SEEN + e, c] = 0.8 * channels[at.SEEN + e, c] + channels[at.NOW + e, c]
        channels[at.NOW + e, c] = 0.0
    memo[at.WEIGHT_NOW + e] = 0.0
    spread_anew(e, channels, memo)


@compiled
def follow(e, fit, channels, bands, movements, memo, options):
    """Follow one movement of the eyes from its beginning; learn how it spreads."""
    tick, size = options[at.TICK], abs(memo[at.V + e])
    memo[at.REMEMBERED + e] = max(memo[at.REMEMBERED + e] - tick, 0.0)
    brain = bands[bands.shape[0] - 1, at.BRAIN + e] if memo[at.LEARNED] > at.KNOWN else 100.0
    muscle = 0.0
    for c in range(channels.shape[1]):
        muscle += abs(channels[at.REFERENCE + e, c]) * channels[at.EXCESS, c]
    threshold = options[at.BLINK_UV] * min(max(1.0, 4.0 * math.sqrt(brain) / options[at.BLINK_UV]), at.HIGHEST)
    threshold = math.sqrt(threshold * threshold + 4.0 * muscle)  # what is left of muscles in a deflection
    moving = memo[at.MOVING + e]
    if not ((size > threshold and fit > at.FITS) or (moving > 0.0 and size > 0.5 * threshold)):
        conclude(e, channels, memo)
        memo[at.MOVING + e] = 0.0
        return
    memo[at.MOVING + e] = moving + tick
    memo[at.REMEMBERED + e] = options[at.KERNEL_S]
    newest, oldest = -1, 0
    for i in range(at.N_MOVEMENTS):
        age, age_of_newest, age_of_oldest = movements[i, 2], movements[newest, 2], movements[oldest, 2]
        if movements[i, 0] == e and age >= 0.0 and (newest < 0 or age < age_of_newest):
            newest = i
        if age_of_oldest >= 0.0 and (age < 0.0 or age > age_of_oldest):
            oldest = i
    if moving == 0.0 or newest < 0 or movements[newest, 2] * tick > at.LONGEST_S:
        newest = oldest
        movements[newest, 0], movements[newest, 1], movements[newest, 2] = e, 0.0, 0.0
    movements[newest, 1] = max(movements[newest, 1], size)
    if memo[at.LEARNED] > at.KNOWN and memo[at.LIKENESS] > at.FITS:
        v = memo[at.V + e]
        memo[at.WEIGHT_NOW + e] += tick / at.SAME_S * v * v
        for c in range(channels.shape[1]):
            channels[at.NOW + e, c] += tick / at.SAME_S * v * channels[at.DEFLECTION, c]
        spread_anew(e, channels, memo)
