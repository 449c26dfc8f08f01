"""What clocks do: the headset's, the computer's, and both of them in an evening."""

from __future__ import annotations

from functools import partial

from tests.faults import Fault

TITLE = "Clocks"

_row = partial(Fault, group="clocks")
_HERE = "tests/test_faults_clocks.py"
_TIMELINE = "brainmusic_daemon/acquisition/timeline.py"

ROWS = (
    _row(
        name="headset-clock-forward",
        trouble="the clock of a headset that numbers its samples jumps ahead: a tenth of a second, or an hour",
        heard="plays on: numbers decide what is missing, and nothing is",
        state="good",
        message="",
        seconds=0.5,
        recovery="of the sound; after a jump of less than half a second, the latency that is shown stays off by it",
        test=f"{_HERE}::test_the_headsets_clock_jumps_ahead",
        without=(
            _TIMELINE,
            "        if first is None:\n            return self._by_time",
            "        if True:\n            return self._by_time",
        ),
    ),
    _row(
        name="headset-clock-back",
        trouble="the same clock jumps back: a tenth of a second, or an hour",
        heard="plays on",
        state="good",
        message="",
        seconds=0.5,
        recovery="of the sound; after a jump of less than a minute, the latency that is shown stays off by it",
        test=f"{_HERE}::test_the_headsets_clock_jumps_back",
        without=(
            "brainmusic_daemon/acquisition/ring.py",
            "            time = arrival\n",
            "            pass\n",
        ),
    ),
    _row(
        name="headset-clock-forward-without-numbers",
        trouble="the clock of a headset that does not number its samples (LSL) jumps ahead by 2 s, or by an hour",
        heard="holds: it cannot be told from a gap, so a second of new signal is waited for",
        state="held",
        message="the signal is bad: the music holds",
        seconds=2.0,
        test=f"{_HERE}::test_the_clock_jumps_ahead_without_numbers",
        without=(
            "brainmusic_daemon/acquisition/ring.py",
            "            time = arrival\n",
            "            pass\n",
        ),
    ),
    _row(
        name="headset-clock-back-without-numbers",
        trouble="the same clock jumps back by 2 s, or by an hour",
        heard="holds until a second of new signal is there",
        state="held",
        message="the signal is bad: the music holds",
        seconds=2.0,
        test=f"{_HERE}::test_the_clock_jumps_back_without_numbers",
        without=(
            _TIMELINE,
            "            if abs(step) > self._fill_s:\n                self._anew()\n",
            "",
        ),
    ),
    _row(
        name="no-time-stamps",
        trouble="time stamps are no numbers (NaN, infinite) for three seconds",
        heard="plays on: the line through the earlier ones is followed",
        state="good",
        message="",
        seconds=0.5,
        test=f"{_HERE}::test_times_that_are_no_numbers",
        without=(_TIMELINE, "        if math.isfinite(time):\n            return time\n", "        return time\n"),
        loses="nothing: the times that are missing are continued",
    ),
    _row(
        name="standing-time-stamps",
        trouble="the time stamps stand still for three seconds while samples come",
        heard="plays on (with a headset that numbers its samples)",
        state="good",
        message="",
        seconds=12.0,
        recovery="until the time that is told for a sample is right to the tick; the sound never suffers",
        test=f"{_HERE}::test_times_that_stand_still",
        without=(
            _TIMELINE,
            "        if first is None:\n            return self._by_time",
            "        if True:\n            return self._by_time",
        ),
    ),
    _row(
        name="headset-counter-restarts",
        trouble="the headset's sample counter begins again, or jumps by a thousand million",
        heard="holds until a second of new signal is there",
        state="held",
        message="the signal is bad: the music holds",
        seconds=2.0,
        test=f"{_HERE}::test_the_counter_restarts",
        without=(_TIMELINE, "        elif step < -REWIND_S * self._rate:", "        elif step < -1e18:"),
    ),
    _row(
        name="drifting-headset-clock",
        trouble="the headset's clock runs 200 ppm fast or slow, for a day",
        heard="plays on: the true rate is followed, and nothing piles up",
        state="good",
        message="",
        seconds=0.0,
        recovery="never off: the time of a sample stays right within a tick",
        test="tests/test_drift.py::test_a_headset_of_another_clock_is_followed_for_a_day",
        without=(
            "brainmusic_daemon/acquisition/linefit.py",
            "            line += period + 2.0 * gain * error\n",
            "            line += period\n",
        ),
    ),
    _row(
        name="drifting-clocks-of-headset-computer-and-sound-card",
        trouble="the clocks of headset, computer and sound card all differ, up to 200 ppm",
        heard="plays on: notes stay where they belong in the sound",
        state="good",
        message="",
        seconds=0.0,
        recovery="never off",
        test="tests/test_drift.py::test_notes_stay_where_they_belong_for_a_day",
        without=(
            "brainmusic_daemon/outputs/streamclock.py",
            "        self._frame = expected + share * error\n        if age >= SETTLE_S:\n",
            "        self._frame = expected\n        if age < 0:\n",
        ),
    ),
    _row(
        name="wrong-nominal-rate",
        trouble="the headset's program states a rate that is wrong by a tenth or more",
        heard="plays on, but every band is read too high or too low by that share",
        state="good",
        message="source 'amp' states 250 Hz, but … samples a second arrive: … until the rate is set right in its …",
        seconds=None,
        recovery="not by itself; it is said 12 s after the headset has come",
        test=f"{_HERE}::test_a_wrong_rate_is_told",
        without=(
            "brainmusic_daemon/acquisition/scrutiny.py",
            "        if abs(share - 1) <= OFF:",
            "        if abs(share - 1) <= 10:",
        ),
    ),
    _row(
        name="clock-set-by-a-time-server",
        trouble="a time server sets the computer's clock, an hour ahead or back, while it plays",
        heard="plays on: ticks, notes and recordings run on a clock that cannot be set",
        state="good",
        message="",
        seconds=0.0,
        recovery="never off",
        test=f"{_HERE}::test_the_computers_clock_is_set",
        without=(
            "brainmusic_daemon/clock.py",
            "time.perf_counter()\n\n    def now(self) -> float:\n        return time.perf_counter()",
            "time.time()\n\n    def now(self) -> float:\n        return time.time()",
        ),
    ),
    _row(
        name="clock-set-under-brainflow",
        trouble="the same with a board of BrainFlow, which stamps samples with the time of day",
        heard="plays on: the stamps are followed against the clock that cannot be set",
        state="good",
        message="",
        seconds=0.2,
        test="tests/test_brainflow.py::test_a_clock_that_is_set_does_not_move_the_samples",
        without=(
            "brainmusic_daemon/acquisition/brainflow.py",
            "        offset = self._follow()",
            "        offset = self._offset",
        ),
    ),
    _row(
        name="sleep-and-wake",
        trouble="the computer sleeps, for seconds or an hour, and wakes up",
        heard="goes on from now: no burst of ticks, notes or samples that were missed; missed ticks are counted",
        state="lost, held",
        message="source '…': no sample for … s",
        seconds=5.0,
        test="tests/test_devices_vanish.py::test_after_a_sleep_there_is_no_burst_of_what_was_missed",
        without=(
            "brainmusic_daemon/service/ticker.py",
            "                number += skipped\n",
            "",
        ),
        loses="what would have been measured during the sleep",
    ),
)
