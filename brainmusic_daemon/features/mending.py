"""What is not brain is taken out of a tick's products, or bridged: the compiled loops of `artifacts`."""

# mypy: disable-error-code="no-untyped-def"
from __future__ import annotations

import math

from brainmusic_daemon.jit import compiled

# Few large arrays, as each argument of a compiled function costs: rows of `channels` (…, n_channels); two rows of what
# is kept for each of the two movements of the eyes.
(FAST, BASE, DEFLECTION, WANDER, STEP, STUCK, HOLD, REASON, MUSCLE, USUAL, EXCESS, LOUD) = range(12)
REFERENCE, PRIOR, SPREAD, PRIOR_DOUBT, DOUBT, SEEN = 12, 14, 16, 18, 20, 22
MEAN = 24  # and as many more as there are bands, µV²: the power of late, which bridges
# columns of `bands` (n_bands + 1, …): the last row is that of deflections
SCALE, LEAK, BRAIN, MOVEMENT, N_BAND_COLUMNS = 0, 1, 2, 4, 6
# entries of `memo`
V, MOVING, REMEMBERED, WEIGHT_SEEN = 0, 2, 4, 6
TICKS, LEARNED, UNLEARNED, PEAK, TOLD, CLENCH, BLINK, JAW, BRIDGED, FACTORED, N_MEMOS = (
    8,
    9,
    10,
    11,
    12,
    13,
    14,
    15,
    16,
    17,
    18,
)
# entries of `options`
TICK, BLINK_UV, MUSCLE_RATIO, POP_UV, MOVED_UV, HOLD_TICKS, DROPOUT, KERNEL_S, N_OPTIONS = range(9)
POPPED, MOVED, DROPPED, REPAIRED = 1, 2, 3, 4  # why a channel is held

LEVEL_S = 0.4  # time constant of the level that deflections are measured from
CLEAN_S = 20.0  # memory of what the brain does at the eyes' electrodes
MEAN_S = 1.0  # memory of the power that bridges
USUAL_S = 10.0  # memory of a channel's usual muscle tone
MUSCLE_S = 0.06  # how fast muscle power follows upwards; half as fast downwards
PRIOR_UV = 30.0  # deflection that the expected spread counts for, against those seen
SAME_S = 0.2  # a movement's ticks say much the same for so long
RESERVE = 7.0  # times its usual power: what of the eyes' component may be brain
LONGEST_S = 0.4  # a blink's
KNOWN = 25.0  # ticks after which the brain's part in the eyes' electrodes is known
N_MOVEMENTS = 8


@compiled
def watch(x, n_fresh, smooth, muscle, channels, memo, options):
    """Follow each channel in time: its deflection from its own recent level, its steps, its muscle power.

    x (n_samples, n_channels) float32 µV, of which the last `n_fresh` are new; `smooth` (k,) sums to 1; `muscle`
    (n_channels, 2) analytic µV.  Returns whether a channel has come to be held.
    """
    n, k, n_channels, tick = x.shape[0], len(smooth), x.shape[1], options[TICK]
    fast, stuck, largest = channels[FAST], channels[STUCK], channels[EXCESS]
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
    follow, fade = tick / LEVEL_S, min(tick / MUSCLE_S, 1.0)
    learn = max(tick / USUAL_S, 1.0 / memo[TICKS])
    new = False
    for c in range(n_channels):
        held = channels[HOLD, c] > 0.0
        channels[DEFLECTION, c] = fast[c] - channels[BASE, c]
        channels[BASE, c] += follow * channels[DEFLECTION, c]
        reason = 0
        if largest[c] > max(options[POP_UV], 5.0 * channels[STEP, c]):
            reason = POPPED
        else:
            channels[STEP, c] += 0.05 * (largest[c] - channels[STEP, c])
        if stuck[c] >= options[DROPOUT]:
            reason = DROPPED
        if reason > 0:
            channels[HOLD, c], channels[REASON, c] = options[HOLD_TICKS], reason
            new = new or not held
        power = 0.5 * (muscle[c, 0] * muscle[c, 0] + muscle[c, 1] * muscle[c, 1])
        before, usual = channels[MUSCLE, c], channels[USUAL, c]
        power = before + (fade if power > before else 0.5 * fade) * (power - before)
        channels[MUSCLE, c] = power
        channels[USUAL, c] = usual + learn * (min(power, 4.0 * usual + 0.01) - usual)
        channels[EXCESS, c] = max(power - 2.5 * usual, 0.0)
        loud = power > options[MUSCLE_RATIO] * (usual + 0.5)
        channels[LOUD, c] = channels[LOUD, c] + tick if loud else 0.0
    return new


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
                    if weights[c] < 0.5 or channels[HOLD, c] > 0.0:
                        total += 1e6 * (trace + 1.0)
                for k in range(j):
                    total -= root[i, k] * root[j, k]
                root[i, j] = math.sqrt(max(total, 1e-12)) if i == j else total / root[j, j]
        for e in range(2):
            gain = 0.0
            for i in range(m):
                total = channels[SPREAD + e, members[i]]
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
            bands[b, BRAIN + e] = brain


@compiled
def learn(Z, members, filters, channels, rate):
    """Move the members' cross-powers towards this tick's."""
    n_kernels, n_bands = Z.shape[1] // 2, filters.shape[0] - 2
    for i in range(len(members)):
        for j in range(i + 1):
            p, q = members[i], members[j]
            for b in range(n_bands):
                now = float(Z[p, b]) * Z[q, b] + float(Z[p, n_kernels + b]) * Z[q, n_kernels + b]
                filters[b, i, j] += rate * (now - filters[b, i, j])
            now = channels[DEFLECTION, p] * channels[DEFLECTION, q]
            filters[n_bands, i, j] += rate * (now - filters[n_bands, i, j])


@compiled
def look(members, filters, channels, memo, options):
    """Say how far the eyes have moved, into `memo`; return the share of the members' deflections that this explains.

    An electrode that deflects by itself has been touched: it is held, and left out of the next look.
    """
    m, deflections = len(members), filters.shape[0] - 2
    for e in range(2):
        v = 0.0
        if memo[LEARNED] > KNOWN:
            for i in range(m):
                v += filters[deflections, i, m + e] * channels[DEFLECTION, members[i]]
        else:
            for c in range(channels.shape[1]):
                v += channels[REFERENCE + e, c] * channels[DEFLECTION, c]
        memo[V + e] = v
    total, left, largest, touched = 1e-9, 0.0, 0.0, -1
    for c in range(channels.shape[1]):
        deflection = channels[DEFLECTION, c]
        rest = deflection - channels[SPREAD, c] * memo[V] - channels[SPREAD + 1, c] * memo[V + 1]
        if abs(rest) > max(options[MOVED_UV], 8.0 * channels[WANDER, c]):
            if channels[HOLD, c] <= 0.0 and abs(deflection) > largest:
                largest, touched = abs(deflection), c
        else:
            channels[WANDER, c] += options[TICK] / USUAL_S * (abs(rest) - channels[WANDER, c])
    for i in range(m):
        c = members[i]
        if channels[HOLD, c] <= 0.0:
            deflection = channels[DEFLECTION, c]
            total += deflection**2
            left += (deflection - channels[SPREAD, c] * memo[V] - channels[SPREAD + 1, c] * memo[V + 1]) ** 2
    return 1.0 - left / total, touched


@compiled
def follow(e, fit, channels, bands, movements, memo, options):
    """Follow one movement of the eyes from its beginning; learn how it spreads."""
    tick, size = options[TICK], abs(memo[V + e])
    memo[REMEMBERED + e] = max(memo[REMEMBERED + e] - tick, 0.0)
    brain = bands[bands.shape[0] - 1, BRAIN + e] if memo[LEARNED] > KNOWN else 100.0
    threshold = max(options[BLINK_UV], 4.0 * math.sqrt(brain))
    moving = memo[MOVING + e]
    if not ((size > threshold and fit > 0.4) or (moving > 0.0 and size > 0.5 * threshold)):
        memo[MOVING + e] = 0.0
        return
    memo[MOVING + e] = moving + tick
    memo[REMEMBERED + e] = options[KERNEL_S]
    newest, oldest = -1, 0
    for i in range(N_MOVEMENTS):
        age, age_of_newest, age_of_oldest = movements[i, 2], movements[newest, 2], movements[oldest, 2]
        if movements[i, 0] == e and age >= 0.0 and (newest < 0 or age < age_of_newest):
            newest = i
        if age_of_oldest >= 0.0 and (age < 0.0 or age > age_of_oldest):
            oldest = i
    if moving == 0.0 or newest < 0 or movements[newest, 2] * tick > LONGEST_S:
        newest = oldest
        movements[newest, 0], movements[newest, 1], movements[newest, 2] = e, 0.0, 0.0
    movements[newest, 1] = max(movements[newest, 1], size)
    if memo[LEARNED] <= KNOWN or fit < 0.4:
        return
    prior, forget, v = PRIOR_UV**2, 1.0 if moving > 0.0 else 0.8, memo[V + e]
    memo[WEIGHT_SEEN + e] = forget * memo[WEIGHT_SEEN + e] + tick / SAME_S * v * v
    share = 1.0 / (prior + memo[WEIGHT_SEEN + e])
    for c in range(channels.shape[1]):
        channels[SEEN + e, c] = forget * channels[SEEN + e, c] + tick / SAME_S * v * channels[DEFLECTION, c]
        channels[SPREAD + e, c] = share * (prior * channels[PRIOR + e, c] + channels[SEEN + e, c])
        channels[DOUBT + e, c] = share * prior * channels[PRIOR_DOUBT + e, c]


@compiled
def tell(channels, memo, options):
    """Say once of each blink and each clench how large it is, into `memo`; 0: there was none in this tick."""
    tick, size = options[TICK], abs(memo[V])
    memo[BLINK] = memo[JAW] = 0.0
    if memo[MOVING] > 0.0:
        if memo[MOVING] <= 1.5 * tick:
            memo[PEAK], memo[TOLD] = 0.0, 0.0
        memo[PEAK] = max(memo[PEAK], size)
        if memo[TOLD] == 0.0 and size < 0.8 * memo[PEAK] and memo[MOVING] < LONGEST_S:
            memo[BLINK], memo[TOLD] = memo[PEAK], 1.0
    loud, power, n = 0, 0.0, channels.shape[1]
    for c in range(n):
        if channels[LOUD, c] > 0.0 and channels[HOLD, c] <= 0.0:
            loud += 1
            power = max(power, channels[MUSCLE, c])
    if loud >= min(2, n):
        before = memo[CLENCH]
        memo[CLENCH] = max(before, 0.0) + tick
        if before < 0.06 <= memo[CLENCH]:
            memo[JAW] = math.sqrt(power)
    else:
        memo[CLENCH] = max(min(memo[CLENCH], 0.3) - tick, 0.0)


@compiled
def mend(Z, power, members, filters, channels, bands, memo, rate):
    """Take the eyes' part out of the products, and bridge what is beyond repair.

    Z (n_channels, 2·n_kernels) µV and power (n_channels, n_bands) µV² are changed in place.
    """
    n_kernels, m, n, n_bands = Z.shape[1] // 2, len(members), Z.shape[0], power.shape[1]
    bridged = 0.0
    for b in range(n_bands):
        scale, leak = bands[b, SCALE], bands[b, LEAK]
        for e in range(2):
            # how much of the brain's power goes with the movement, and the power of what is taken
            gain = size = 0.0
            brain, expected = bands[b, BRAIN + e], bands[b, MOVEMENT + e]
            if brain > 0.0:
                real = imag = 0.0
                for i in range(m):
                    real += filters[b, i, m + e] * Z[members[i], b]
                    imag += filters[b, i, m + e] * Z[members[i], n_kernels + b]
                size = real * real + imag * imag
                # Wiener: the share of what the filter sees that is the movement's; without one, what no brain can be
                gain = expected / (expected + brain)
                if size > RESERVE * brain and memo[LEARNED] > KNOWN:
                    gain = max(gain, 1.0 - RESERVE * brain / size)
                if gain < 0.02:
                    gain = 0.0
            if gain > 0.0:
                real, imag, size = gain * real, gain * imag, gain * gain * size
                for c in range(n):
                    Z[c, b] -= channels[SPREAD + e, c] * real
                    Z[c, n_kernels + b] -= channels[SPREAD + e, c] * imag
            if e == 0:
                brain_0, size_0 = gain * brain, size if gain > 0.0 else 0.0
            else:
                brain_1, size_1 = gain * brain, size if gain > 0.0 else 0.0
        for c in range(n):
            seen = (float(Z[c, b]) * Z[c, b] + float(Z[c, n_kernels + b]) * Z[c, n_kernels + b]) * scale
            wrong, p = leak * channels[EXCESS, c], seen
            if size_0 + size_1 > 0.0:
                # what brain went with it is given back as what is usual
                p += scale * (channels[SPREAD, c] ** 2 * brain_0 + channels[SPREAD + 1, c] ** 2 * brain_1)
                wrong += scale * (channels[DOUBT, c] * size_0 + channels[DOUBT + 1, c] * size_1)
            usually = channels[MEAN + b, c]
            if channels[HOLD, c] > 0.0:
                trust, p = 0.0, usually
            else:
                # what to expect of |z|² where z + wrong was seen, both normal: Wiener's share of it, and what is open
                trust = (usually + 1e-9) / (usually + wrong + 1e-9)
                p = trust * (trust * p + wrong)
                channels[MEAN + b, c] += rate * (p - usually)
            bridged += 1.0 - trust
            if p < seen:
                k = math.sqrt(p / seen)
                Z[c, b] *= k
                Z[c, n_kernels + b] *= k
            power[c, b] = p
    memo[BRIDGED] = bridged / (n * n_bands)


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
    n, n_bands, tick = Z.shape[0], power.shape[1], options[TICK]
    memo[TICKS] += 1.0
    if not begun:
        memo[TICKS] = 1.0
        for c in range(n):
            channels[BASE, c] = x[x.shape[0] - 1, c]
            channels[HOLD, c] = channels[STUCK, c] = channels[MUSCLE, c] = channels[USUAL, c] = 0.0
            for b in range(n_bands):
                channels[MEAN + b, c] = power[c, b]
    stale = watch(x, n_fresh, smooth, muscle, channels, memo, options)
    fit, touched = look(members, filters, channels, memo, options)
    if touched >= 0:
        channels[HOLD, touched], channels[REASON, touched] = options[HOLD_TICKS], MOVED
        stale = True
    if stale:
        factor(filters, members, weights, channels, bands)
        fit, touched = look(members, filters, channels, memo, options)
    for e in range(2):
        follow(e, fit, channels, bands, movements, memo, options)
    tell(channels, memo, options)
    moving = memo[MOVING] + memo[MOVING + 1] > 0.0
    remembered = memo[REMEMBERED] + memo[REMEMBERED + 1] > 0.0
    held = False
    for i in range(len(members)):
        held = held or channels[HOLD, members[i]] > 0.0
    # what never ends is no movement but this person's own (alpha in front, say): it is learned after all
    memo[UNLEARNED] = memo[UNLEARNED] + tick if remembered else 0.0
    if (not remembered or memo[LEARNED] < 2.0 * KNOWN or memo[UNLEARNED] > 3.0) and not held:
        memo[LEARNED] += 1.0
        learn(Z, members, filters, channels, max(tick / CLEAN_S, 1.0 / memo[LEARNED]))
    memo[FACTORED] += 1.0
    if moving or memo[FACTORED] >= 5.0:
        memo[FACTORED] = 0.0
        factor(filters, members, weights, channels, bands)
    bands[:, MOVEMENT : MOVEMENT + 2] = 0.0
    for i in range(N_MOVEMENTS):
        age, e = int(movements[i, 2]), int(movements[i, 0])
        if age >= 0:
            for b in range(n_bands):
                bands[b, MOVEMENT + e] += movements[i, 1] ** 2 * shapes[e, age, b]
            movements[i, 2] = age + 1 if age + 1 < shapes.shape[1] else -1
    mend(Z, power, members, filters, channels, bands, memo, min(max(tick / MEAN_S, 1.0 / memo[TICKS]), 1.0))
    for c in range(n):
        channels[HOLD, c] = max(channels[HOLD, c] - 1.0, 0.0)
