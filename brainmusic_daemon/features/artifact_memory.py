"""Where the compiled loops of `artifacts` keep what they know: names for rows, columns and entries."""

from __future__ import annotations

# Few large arrays, as each argument of a compiled function costs: rows of `channels` (…, n_channels); two rows of what
# is kept for each of the two movements of the eyes.
(FAST, BASE, DEFLECTION, WANDER, STEP, STUCK, HOLD, REASON, MUSCLE, USUAL, EXCESS, LOUD, SHARE) = range(13)
REFERENCE, PRIOR, SPREAD, PRIOR_DOUBT, DOUBT, SEEN, NOW = range(13, 27, 2)
MEAN = 27  # and as many more as there are bands, µV²: the power of late, which bridges
# columns of `bands` (n_bands + 1, …): the last row is that of deflections
SCALE, LEAK, BRAIN, MOVEMENT, N_BAND_COLUMNS = 0, 1, 2, 4, 6
# entries of `memo`
V, MOVING, REMEMBERED, WEIGHT_SEEN, WEIGHT_NOW = 0, 2, 4, 6, 8
TICKS, LEARNED, UNLEARNED, PEAK, TOLD, CLENCH, BLINK, JAW, BRIDGED, FACTORED, LIKENESS, HEIGHT, SIGN, SINCE, N_MEMOS = (
    range(10, 25)
)
# entries of `options`
TICK, BLINK_UV, MUSCLE_RATIO, POP_UV, MOVED_UV, HOLD_TICKS, DROPOUT, KERNEL_S, N_OPTIONS = range(9)
POPPED, MOVED, DROPPED, REPAIRED = 1, 2, 3, 4  # why a channel is held

LEVEL_S = 0.25  # time constant of the level that deflections are measured from
CLEAN_S = 10.0  # memory of what the brain does at the eyes' electrodes
MEAN_S = 1.0  # memory of the power that bridges
USUAL_S = 10.0  # memory of a channel's usual muscle tone
ADOPT_S = 1.0  # time constant with which a held channel's deflections become its usual ones
MUSCLE_S = 0.06  # how fast muscle power follows upwards; half as fast downwards
SOFT_UV2 = 4.0  # on top of a channel's usual muscle power: no clench is softer than some 8 µV
PRIOR_UV = 30.0  # deflection that the expected spread counts for, against those seen
SAME_S = 0.2  # a movement's ticks say much the same for so long
RESERVE = 7.0  # times its usual power: what of the eyes' component may be brain
LONGEST_S = 0.4  # a blink's
REBOUND_S = 0.5  # after a blink the level it was measured from makes one of the other sign
REST_S = 0.4  # a clench has ended when no muscle was loud for so long
FITS = 0.5  # share of the deflections that must spread as the eyes' do
HIGHEST = 2.5  # times the smallest blink: what brains do not reach
KNOWN = 25.0  # ticks after which the brain's part in the eyes' electrodes is known
N_MOVEMENTS = 8
