"""Mappers, features, sources and outputs of others that break their promises."""

from __future__ import annotations

from functools import partial

from tests.faults import Fault

TITLE = "Mappers and other code of your own"

_row = partial(Fault, group="user_code", state="good")
_replaced = partial(_row, heard="cross-fades within 0.25 s to the mapper before it, or to the fallback", seconds=0.27)
_same_tick = "tests/test_host.py::test_what_fails_is_replaced_in_the_same_tick"
_SEAT = "brainmusic_daemon/mapping/seat.py"

ROWS = (
    _replaced(
        name="mapper-raises",
        trouble="a mapper raises an error",
        message="mapper '…' failed: …; '…' plays now",
        test=f"{_same_tick}[raises-Constant]",
        without=(
            "brainmusic_daemon/mapping/host.py",
            "            except Fault as fault:\n                self._replace",
            "            except ZeroDivisionError as fault:\n                self._replace",
        ),
    ),
    _replaced(
        name="mapper-exits",
        trouble="a mapper wants to end the program (`sys.exit`)",
        message="mapper '…' failed: SystemExit: …; '…' plays now",
        test=f"{_same_tick}[exits-Constant]",
        without=(
            _SEAT,
            "        except KeyboardInterrupt:\n            raise\n",
            "        except SystemExit:\n            raise\n",
        ),
    ),
    _replaced(
        name="mapper-gives-nan",
        trouble="a mapper gives NaN, an infinity, or a value beyond the control's range",
        message="mapper '…' gave … = …, which is not within … to …; '…' plays now",
        test=f"{_same_tick}[nan-Constant]",
        without=(_SEAT, "if not low <= value <= high:", "if value < low or value > high:"),
    ),
    _replaced(
        name="mapper-gives-too-little",
        trouble="a mapper gives no value for one of its controls",
        message="mapper '…' gave no value for …; '…' plays now",
        test=f"{_same_tick}[missing-Constant]",
        without=(
            _SEAT,
            "                value = values[name]\n",
            "                value = values.get(name, control.rest)\n",
        ),
    ),
    _replaced(
        name="mapper-gives-text",
        trouble="a mapper gives text where a number belongs",
        message="mapper '…' gave no number: …; '…' plays now",
        test=f"{_same_tick}[text-Constant]",
        without=(
            _SEAT,
            "except (KeyError, TypeError, ValueError) as error:\n            if not",
            "except KeyError as error:\n            if not",
        ),
    ),
    _row(
        name="mappers-both-fail",
        trouble="a mapper fails, and so does the one that played before it",
        heard="cross-fades within 0.25 s to the fallback, which has no code of its own",
        message="mapper '…' failed: …; 'the fallback' plays now",
        seconds=0.27,
        test="tests/test_host.py::test_when_the_one_before_fails_too_the_fallback_plays",
        without=("brainmusic_daemon/mapping/host.py", "            stands_in = self.fallback", "            pass"),
    ),
    _row(
        name="mapper-late-once",
        trouble="a mapper is late once",
        heard="holds the values of the tick before for one tick",
        message="",
        seconds=0.02,
        test="tests/test_host.py::test_once_late_is_no_reason",
        without=("brainmusic_daemon/mapping/host.py", "LATE_TICKS = 2", "LATE_TICKS = 1"),
    ),
    _replaced(
        name="mapper-hangs",
        trouble="a mapper hangs, or takes too long, in mid-run",
        message="mapper '…' took longer than … ms, 2 ticks in a row; '…' plays now",
        seconds=0.29,
        test="tests/test_host.py::test_a_mapper_that_hangs_is_left_behind_within_two_ticks",
        without=("brainmusic_daemon/mapping/guard.py", "self._done.acquire(timeout=budget_s)", "self._done.acquire()"),
    ),
    _replaced(
        name="mapper-loops",
        trouble="a mapper loops without end in Python",
        message="mapper '…' took longer than … ms, 2 ticks in a row; '…' plays now",
        seconds=0.29,
        recovery="its thread is ended from outside",
        test="tests/test_host.py::test_an_endless_loop_is_ended_from_outside",
        without=(
            "brainmusic_daemon/mapping/guard.py",
            "            ctypes.pythonapi.PyThreadState_SetAsyncExc(",
            "            (lambda *_: None)(",
        ),
    ),
    _row(
        name="mapper-hangs-while-prepared",
        trouble="a mapper hangs while it is prepared for a headset that comes back",
        heard="the fallback plays after 10 s; before, it rests",
        message="mapper '…' was not prepared within … s; 'the fallback' plays now",
        seconds=10.0,
        test="tests/test_host.py::test_one_that_hangs_when_a_headset_comes_back_is_left_behind",
        without=(
            _SEAT,
            "        if isinstance(done, Late):\n            raise Fault(",
            "        if isinstance(done, Late):\n            print(",
        ),
    ),
    _row(
        name="mapper-fails-when-tried",
        trouble="you swap to a mapper that cannot be loaded, fails, or is too slow",
        heard="plays on as it was: what is new is tried first on what was just played",
        message="not taken up: …; '…' plays on",
        seconds=0.0,
        test="tests/test_mappers.py::test_what_fails_when_it_is_tried_is_never_heard",
        without=("brainmusic_daemon/service/tryout.py", "        seat.trial(features)\n", "        pass\n"),
    ),
    _row(
        name="mapper-hangs-when-tried",
        trouble="you swap to a mapper that hangs",
        heard="plays on as it was",
        message="trying it was not done within … s",
        seconds=0.0,
        recovery="other swaps wait 5 s",
        test="tests/test_mappers.py::test_one_that_hangs_when_it_is_tried_is_refused_soon",
        without=(
            "brainmusic_daemon/service/installer.py",
            'bounded(lambda: try_on(seat, played), "trying it", TRIAL_S)',
            "try_on(seat, played)",
        ),
    ),
    _row(
        name="mapper-saved-broken",
        trouble="you save your mapper's file with a mistake while it plays",
        heard="plays on as it was",
        message="not taken up: …; '…' plays on",
        seconds=None,
        recovery="with the next save that is good",
        test="tests/test_mappers.py::test_a_users_file_that_is_saved_is_loaded_anew_and_a_broken_one_is_not",
        without=("brainmusic_daemon/service/mappers.py", "        if files - {origin}:", "        if False:"),
    ),
    _row(
        name="mapper-prints",
        trouble="a mapper prints without end, and nobody reads it",
        heard="cross-fades within 0.25 s to the fallback",
        message="mapper 'mine.py' took longer than … ms, 2 ticks in a row; 'the fallback' plays now",
        seconds=0.29,
        test="tests/test_faults_user_code.py::test_a_mapper_that_prints_where_nobody_reads_is_replaced",
        without=(
            _SEAT,
            'self._direct = getattr(mapper, "bounded", False) is True or not budget.watch',
            "self._direct = True",
        ),
    ),
    _row(
        name="mapper-starts-threads",
        trouble="a mapper starts threads that compute without end",
        heard="plays on; some ticks are late",
        message="",
        seconds=0.0,
        recovery="once they end",
        test="tests/test_faults_user_code.py::test_threads_of_a_mapper_leave_the_tick_its_turn",
        without=(
            "brainmusic_daemon/service/daemon.py",
            "sys.setswitchinterval(0.0005)",
            "sys.setswitchinterval(0.005)",
        ),
    ),
    _row(
        name="mapper-leaks",
        trouble="a mapper keeps more and more memory",
        heard="plays on, until the system ends it",
        message="memory grows without end: … MB more in 30 s, … MB in use; mapper '…' plays: …",
        seconds=None,
        recovery="swap to another; told within a minute of 4 MB a second or more",
        test="tests/test_faults_user_code.py::test_a_leak_is_told_and_a_large_load_is_not",
        without=(
            "brainmusic_daemon/service/weight.py",
            "            found.clear()\n        found.append",
            "            pass\n        found.append",
        ),
    ),
    _row(
        name="mapper-ends-the-process",
        trouble="a mapper ends the whole process (`os._exit`, a crash in C)",
        heard="stops, and plays again within 3 s where a service manager starts it again",
        state="ends, and begins again",
        message="what was played last is not taken up: 3 starts with it did not last",
        seconds=None,
        recovery="after the third start in a row that it ends, it is left aside",
        test="tests/test_faults_user_code.py::test_a_mapper_that_ends_the_process_is_left_aside_after_some_starts",
        without=("brainmusic_daemon/service/kept.py", "    if kept.attempts >= MOST_ATTEMPTS:", "    if False:"),
    ),
    _row(
        name="feature-raises",
        trouble="a feature of another package raises an error",
        heard="plays on; what the feature drives stands still",
        message="feature '…' failed (…): it stays where it is",
        seconds=0.0,
        recovery="once it works again",
        test="tests/test_faults_user_code.py::test_a_feature_that_fails_stays_where_it_is_and_the_others_go_on",
        without=(
            "brainmusic_daemon/features/bank.py",
            "except Exception as error:  # noqa: BLE001 - somebody's",
            "except ZeroDivisionError as error:  #",
        ),
    ),
    _row(
        name="source-exits",
        trouble="a source of another package wants to end the program",
        heard="rests, until it is read again",
        state="lost",
        message="source '…' failed: SystemExit: …",
        seconds=1.0,
        test="tests/test_faults_user_code.py::test_a_source_that_wants_to_end_the_program_is_opened_again",
        without=(
            "brainmusic_daemon/acquisition/supervisor.py",
            "except (Exception, SystemExit) as error:",
            "except Exception as error:",
        ),
    ),
    _row(
        name="output-raises",
        trouble="an output of another package raises an error, or wants to end the program, at each tick",
        heard="plays on with the others",
        message="output '…' failed: …; further failures are only counted",
        seconds=0.0,
        test="tests/test_faults_user_code.py::test_an_output_that_wants_to_end_the_program_is_told_and_the_others_play",
        without=(
            "brainmusic_daemon/service/session.py",
            "except (Exception, SystemExit) as error:",
            "except Exception as error:",
        ),
    ),
    _row(
        name="user-file-fails",
        trouble="a file that says what a mapper does fails somewhere in the middle",
        heard="the fallback plays",
        message="failed in …, line …, in …: …",
        seconds=None,
        recovery="the line is named; save it corrected",
        test="tests/test_host.py::test_a_fault_names_the_line_of_the_users_file",
        without=(_SEAT, "        if frame.filename in own:", "        if False:"),
    ),
)
