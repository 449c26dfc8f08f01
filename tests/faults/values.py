"""What can be wrong with the values of samples: electrodes, amplifiers, mains, numbers that are none."""

from __future__ import annotations

from functools import partial

from tests.faults import Fault

TITLE = "Electrodes, amplifiers, mains"

_row = partial(Fault, group="values")
_HERE = "tests/test_faults_values.py"
_MEND = "brainmusic_daemon/acquisition/mend.py"
_CONTACT = "brainmusic_daemon/features/contact.py"
_GATE = "brainmusic_daemon/features/gate.py"
_HOLDS = "the signal is bad: the music holds (…"
_RESTS = "the signal stays bad: the music glides to rest (…"

ROWS = (
    _row(
        name="not-a-number",
        trouble="values are no numbers (NaN) in all channels for two seconds",
        heard="holds the last good sound, then glides to rest; never a wrong number to a synthesiser",
        state="held, resting",
        message="the signal is bad: the music holds (Fp1 nan, …",
        seconds=7.5,
        recovery="the first half of the way within 3 s",
        test=f"{_HERE}::test_values_that_are_no_numbers",
        without=(_MEND, "            samples, offset = self._repair(samples, start)", "            pass"),
    ),
    _row(
        name="not-a-number-here-and-there",
        trouble="one value in a thousand is none (NaN, ±infinity), for two seconds",
        heard="plays on as long as two channels are whole; each hole is filled with the value before it",
        state="good",
        message="",
        seconds=7.5,
        test=f"{_HERE}::test_holes_in_one_channel",
        without=(_CONTACT, "        flags[NAN, c] = repaired[c]", "        flags[NAN, c] = repaired.any()"),
    ),
    _row(
        name="infinite",
        trouble="values are infinite, or larger than anything on a head (10³⁰ µV), for two seconds",
        heard="holds, then glides to rest",
        state="held, resting",
        message=_HOLDS,
        seconds=7.5,
        test=f"{_HERE}::test_values_without_end",
        without=(_MEND, "            samples, offset = self._repair(samples, start)", "            pass"),
    ),
    _row(
        name="railed",
        trouble="all channels sit at the amplifier's rail, or jump between both rails, for two seconds",
        heard="holds, then glides to rest; the electrodes are named",
        state="held, resting",
        message="the signal is bad: the music holds (Fp1 railed, …",
        seconds=7.0,
        test=f"{_HERE}::test_rails",
        without=(_CONTACT, ">= limits[RAIL_UV]", ">= 1e12"),
    ),
    _row(
        name="saturated",
        trouble="an amplifier with a smaller range clips all channels",
        heard="holds, then glides to rest",
        state="held, resting",
        message="the signal is bad: the music holds (Fp1 saturated, …",
        seconds=7.0,
        test=f"{_HERE}::test_clipping",
        without=(
            _CONTACT,
            "        flags[SATURATED, c] = stays and not at_once",
            "        flags[SATURATED, c] = False",
        ),
    ),
    _row(
        name="flat",
        trouble="all channels are flat for two seconds",
        heard="holds, then glides to rest",
        state="held, resting",
        message=_HOLDS,
        seconds=7.0,
        test=f"{_HERE}::test_flat_lines",
        without=(_GATE, "        elif self._bad_s <= self._hold_s:", "        elif self._bad_s <= 1e9:"),
    ),
    _row(
        name="all-dead",
        trouble="all channels are dead for six seconds: the headset was taken off",
        heard="holds for 2 s, glides to rest, returns when it is worn again",
        state="held, resting",
        message=_RESTS,
        seconds=8.0,
        test=f"{_HERE}::test_all_channels_dead",
        without=(_CONTACT, "        flags[FLAT, c] = span < limits[FLAT_UV]", "        flags[FLAT, c] = False"),
    ),
    _row(
        name="one-dead",
        trouble="one channel of eight is dead from then on",
        heard="plays on with the others",
        state="good",
        message="",
        seconds=2.0,
        recovery="until the others carry the sound alone",
        test=f"{_HERE}::test_one_channel_dead",
        without=(_CONTACT, "step * (score[c] - weights[c])", "step * (1.0 - weights[c])"),
    ),
    _row(
        name="most-dead",
        trouble="six channels of eight are dead",
        heard="plays on with the two that are left (`quality.good_share`)",
        state="good",
        message="",
        seconds=2.5,
        test=f"{_HERE}::test_six_of_eight_dead",
        without=(
            "brainmusic_daemon/features/gate.py",
            "        needed = self._good_share if steady else min(1.2 * self._good_share, 1.0)",
            "        needed = 1.0",
        ),
    ),
    _row(
        name="offset",
        trouble="every electrode stands at 140 mV (half-cell potential, DC-coupled amplifier) all the time",
        heard="plays: a constant costs no precision",
        state="good",
        message="",
        seconds=0.5,
        test=f"{_HERE}::test_a_constant_offset",
        without=(
            _MEND,
            "            offset = np.where(came, firsts, self._ring.offset)",
            "            offset = self._ring.offset",
        ),
    ),
    _row(
        name="offset-jumps",
        trouble="all electrodes jump by 140 mV at once: the reference was touched",
        heard="holds for a second, and goes on",
        state="held",
        message=_HOLDS,
        seconds=3.0,
        test=f"{_HERE}::test_the_offset_jumps",
        without=("brainmusic_daemon/sections.py", "hold_s: float = Field(2.0,", "hold_s: float = Field(0.2,"),
    ),
    _row(
        name="mains-on-one",
        trouble="1 mV of mains (50 or 60 Hz) on one channel: its electrode is loose",
        heard="plays on with the others",
        state="good",
        message="",
        seconds=2.0,
        test=f"{_HERE}::test_mains_on_one_channel",
        without=(
            _CONTACT,
            "        score[c] = 0.0 if unusable or held[c] > 0.0 else max(min(1.0, 2.0 - noise, 2.0 - hum), 0.0)",
            "        score[c] = 0.0 if unusable else 1.0",
        ),
    ),
    _row(
        name="mains-on-all",
        trouble="1 mV of mains (50 or 60 Hz) on all channels: the ground is loose",
        heard="holds for 2 s, glides to rest, returns when the ground is back",
        state="held, resting",
        message=_HOLDS,
        seconds=7.0,
        test=f"{_HERE}::test_mains_on_all_channels",
        without=(
            _GATE,
            "        good = bool(alive and filled and share > 0 and share >= needed)",
            "        good = alive and filled",
        ),
    ),
)
