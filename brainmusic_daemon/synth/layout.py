"""The one block of memory that Python and the audio callback share: what lies where, in 8-byte words.

The block is seen twice, as float64 (`F`) and as int64 (`N`); all names below are word offsets or lengths.  Constants
only: numba compiles them in.
"""

from __future__ import annotations

from typing import Final

MAX_VOICES: Final = 8
MAX_PARTIALS: Final = 100  # a multiple of 4: the oscillator bank works on four partials at a time
QUANTUM: Final = 64  # frames between two updates of the ramps, on absolute frame numbers
NOISE_BANDS: Final = 16
LINES: Final = 8  # delay lines of the room
LINE_LENGTH: Final = 16_384  # a power of two; the longest line is 91 ms at 96 kHz
ALLPASSES: Final = 4  # diffusers, two per side
ALLPASS_LENGTH: Final = 2_048
CHORUS_LENGTH: Final = 4_096

# --- targets: what voicing computes once a tick -----------------------------------------------------------------------
LEVEL, T60, WET, DAMPING, CHORUS, PULSE, ATTACK, DRIFT = range(8)
"""Level: amplitude.  T60: s.  Wet: 0..1.  Damping: Hz.  Chorus: 0..1.  Pulse: Hz.  Attack: s.  Drift: cents."""
NOISE: Final = 16  # amplitude of each noise band
VOICE_FREQUENCY: Final = NOISE + NOISE_BANDS  # Hz
VOICE_LEVEL: Final = VOICE_FREQUENCY + MAX_VOICES  # amplitude
VOICE_PAN: Final = VOICE_LEVEL + MAX_VOICES  # -1 left … 1 right
VOICE_DEPTH: Final = VOICE_PAN + MAX_VOICES  # how deep the pulse cuts, 0..1
VOICE_RATIO: Final = VOICE_DEPTH + MAX_VOICES  # pulses of this voice per pulse; keep it constant: it has no ramp
SPECTRUM: Final = VOICE_RATIO + MAX_VOICES  # amplitude of each partial of each voice
TARGETS: Final = SPECTRUM + MAX_VOICES * MAX_PARTIALS

# --- entries of the two queues ----------------------------------------------------------------------------------------
ROW: Final = TARGETS + 2  # frame number, kind, values
STATE_ROWS: Final = 128
SET_TARGETS, FADE, PANIC = range(3)  # kinds of the state queue; FADE: target, seconds
EVENT: Final = 10  # frame number, kind, voice, frequency, amplitude, pan, attack s, length s, decay s, release s
EVENT_ROWS: Final = 1_024
NOTE_ON, NOTE_OFF, NOTE_FREE = range(
    3
)  # kinds of the event queue; NOTE_FREE ends the note and gives the voice back to the drone

# --- integers ---------------------------------------------------------------------------------------------------------
FRAME: Final = 0  # frames rendered so far
STATE_HEAD, STATE_TAIL, STATE_LOST = 1, 2, 3
EVENT_HEAD, EVENT_TAIL, EVENT_LOST = 4, 5, 6
CALLBACKS, UNDERFLOWS, FLAGS, LAST_FRAMES = 8, 9, 10, 11
LIMITED, REPAIRED = 12, 13  # frames with gain reduction; frames that were not finite
LIMITER_SUM: Final = 14
LIMITER_IDLE: Final = 15
WIPE: Final = 16  # 1: empty the room as soon as the fade has reached silence
STARTED: Final = 17  # 1 once the first targets have arrived: they are taken at once, not glided to
INSTRUMENT: Final = 18  # 1: the sound comes from the ring rather than from voices and breath
RING_READ, RING_WRITTEN, RING_STARVED = 19, 20, 21  # frames; starved: that were missing when they were due
RING_FILL, RING_WAITING = 22, 23  # frames to wait for; 0 playing, 1 starved, 2 not started yet
VOICE_NOTE: Final = 24  # per voice: 1 while it plays notes
VOICE_GATE: Final = VOICE_NOTE + MAX_VOICES  # 0 let go, 1 rising or held, 2 struck and fading
VOICE_END: Final = VOICE_GATE + MAX_VOICES  # frame at which the gate closes
VOICE_LEAVES: Final = VOICE_END + MAX_VOICES  # 1: back to the drone as soon as its note has faded
INTEGERS: Final = VOICE_LEAVES + MAX_VOICES

# --- scalars, set once ------------------------------------------------------------------------------------------------
SAMPLERATE: Final = 64
GAIN: Final = 65  # output gain, amplitude; may be written while it plays
CEILING: Final = 66
RELEASE: Final = 67  # per frame
DC_POLE: Final = 68
LOW_CUT: Final = 69
# --- scalars that move ------------------------------------------------------------------------------------------------
GAIN_BEGIN, GAIN_END = 70, 71  # on the way to GAIN
FADE_BEGIN, FADE_END, FADE_TARGET, FADE_STEP = 72, 73, 74, 75
PULSE_PHASE: Final = 76
LIMITER_GAIN: Final = 77
DC: Final = 80  # x and y of both sides
CUT: Final = 84  # low-cut state of both sides
DAC_TIME, CALLBACK_TIME = 88, 89  # PortAudio's clock, s
RING_GAIN: Final = 90  # rises when the ring plays again
RING_LAST: Final = 91  # newest frame of both sides
LINE_DELAY: Final = 96  # frames, of each line
LINE_RATE: Final = LINE_DELAY + LINES  # Hz of each line's slow movement
DAMPED: Final = LINE_RATE + LINES  # low-pass state of each line
LINE_GAIN: Final = DAMPED + LINES  # begin of the quantum
LINE_SLOPE: Final = LINE_GAIN + LINES
LINE_MOVE: Final = LINE_SLOPE + LINES  # delay now, and its slope
LINE_MOVE_SLOPE: Final = LINE_MOVE + LINES
ALLPASS_DELAY: Final = LINE_MOVE_SLOPE + LINES
CHORUS_MOVE: Final = ALLPASS_DELAY + ALLPASSES  # delay of both sides, and its slope
CHORUS_SLOPE: Final = CHORUS_MOVE + 2
V: Final = 176  # per voice, MAX_VOICES words each:
V_PHASE, V_INC, V_INC_SLOPE = V, V + 8, V + 16
V_LEFT, V_LEFT_SLOPE, V_RIGHT, V_RIGHT_SLOPE = V + 24, V + 32, V + 40, V + 48
V_ENV, V_ENV_FROM, V_ENV_SLOPE = V + 56, V + 64, V + 72
V_PULSE: Final = V + 80
V_PARTIALS: Final = V + 88
V_NOTE_FREQUENCY, V_NOTE_LEVEL, V_NOTE_PAN, V_NOTE_ATTACK, V_NOTE_GLIDE = V + 96, V + 104, V + 112, V + 120, V + 128
V_NOTE_DECAY, V_NOTE_RELEASE, V_SHADE = V + 136, V + 144, V + 152

# --- arrays -----------------------------------------------------------------------------------------------------------
TARGET: Final = 384
COEFFICIENT: Final = TARGET + TARGETS  # share of the way to the target per quantum
BEGIN: Final = COEFFICIENT + TARGETS
END: Final = BEGIN + TARGETS
AMPLITUDE: Final = END + TARGETS  # of partials, Nyquist fade included, at the begin of the quantum
AMPLITUDE_SLOPE: Final = AMPLITUDE + MAX_VOICES * MAX_PARTIALS
NOISE_B: Final = AMPLITUDE_SLOPE + MAX_VOICES * MAX_PARTIALS
NOISE_A1: Final = NOISE_B + NOISE_BANDS
NOISE_A2: Final = NOISE_A1 + NOISE_BANDS
NOISE_Y1: Final = NOISE_A2 + NOISE_BANDS  # left bands, right bands
NOISE_Y2: Final = NOISE_Y1 + 2 * NOISE_BANDS
NOISE_X: Final = NOISE_Y2 + 2 * NOISE_BANDS  # x1, x2 of both sides
NOISE_OUT: Final = NOISE_X + 4
SCRATCH: Final = NOISE_OUT + 2 * NOISE_BANDS + 4
SINE, SINE_BEFORE, COSINE, SUM = SCRATCH, SCRATCH + QUANTUM, SCRATCH + QUANTUM * 2, SCRATCH + QUANTUM * 3
LEFT, RIGHT, WET_LEFT, WET_RIGHT = SUM + QUANTUM, SUM + QUANTUM * 2, SUM + QUANTUM * 3, SUM + QUANTUM * 4
TAPS: Final = SCRATCH + QUANTUM * 8  # LINES blocks of QUANTUM
HISTORY: Final = 144  # frames of the past that the limiter looks at
LIMIT_LEFT: Final = TAPS + QUANTUM * LINES
LIMIT_RIGHT: Final = LIMIT_LEFT + HISTORY + QUANTUM
LIMIT_GAIN: Final = LIMIT_RIGHT + HISTORY + QUANTUM  # what each frame needs
LIMIT_HELD: Final = LIMIT_GAIN + HISTORY + QUANTUM  # after release, in 2**-30
LIMIT_WORK: Final = LIMIT_HELD + HISTORY + QUANTUM
PEAK_TAPS: Final = LIMIT_WORK + HISTORY + QUANTUM  # 3 phases of 12
LINE: Final = PEAK_TAPS + 36 + 4
ALLPASS: Final = LINE + LINES * LINE_LENGTH
CHORUS_LINE: Final = ALLPASS + ALLPASSES * ALLPASS_LENGTH
STATE_QUEUE: Final = CHORUS_LINE + 2 * CHORUS_LENGTH
EVENT_QUEUE: Final = STATE_QUEUE + STATE_ROWS * ROW
RING_LENGTH: Final = 131_072  # frames, a power of two
RING: Final = EVENT_QUEUE + EVENT_ROWS * EVENT  # left, right, left …
WORDS: Final = RING + 2 * RING_LENGTH
