"""Too little of what a machine has: memory, files, threads, processor, ports, names."""

from __future__ import annotations

from functools import partial

from tests.faults import Fault

TITLE = "The machine: memory, files, threads, processor, ports"

_row = partial(Fault, group="memory", heard="plays on", state="good")
_HERE = "tests/test_faults_memory.py::"
_SOCKET = "brainmusic_daemon/service/control_socket.py"

ROWS = (
    _row(
        name="out-of-memory",
        trouble="there is no memory for a mapper that you swap to",
        message="MemoryError",
        seconds=0.0,
        recovery="plays on as it was; the next swap may do",
        test=f"{_HERE}test_out_of_memory_beside_the_tick_it_plays_on",
        without=(
            "brainmusic_daemon/mapping/guard.py",
            "                except BaseException as error:"
            "  # noqa: BLE001 - also SystemExit: the one who called decides\n"
            "                    self._error = error\n",
            "                finally:\n                    pass\n",
        ),
    ),
    _row(
        name="recording-out-of-memory",
        trouble="there is no memory for a moment while a recording is written",
        message="cannot go on recording to …: MemoryError; what is there stays readable, and it is tried again",
        seconds=0.25,
        recovery="after there is some",
        test=f"{_HERE}test_out_of_memory_a_recording_goes_on_when_there_is_some",
        without=(
            "brainmusic_daemon/outputs/xdf_file.py",
            "except (OSError, ValueError, MemoryError) as error:",
            "except (OSError, ValueError) as error:",
        ),
    ),
    _row(
        name="out-of-files",
        trouble="no more files may be open (`ulimit -n`)",
        message="`brainmusic status`, `swap` and `stop` do not reach this daemon for a while: …",
        seconds=2.0,
        recovery="after there are some",
        test=f"{_HERE}test_out_of_files_it_plays_and_is_heard_again_when_there_are_some",
        without=(_SOCKET, "                self._deaf(error)\n                continue\n", "                return\n"),
    ),
    _row(
        name="out-of-threads",
        trouble="the system gives no more threads",
        message="`brainmusic status`, `swap` and `stop` do not reach this daemon for a while: can't start new thread",
        seconds=2.0,
        recovery="after there are some",
        test=f"{_HERE}test_out_of_threads_it_is_heard_again_when_there_are_some",
        without=(
            _SOCKET,
            "            except RuntimeError as error:  # no more threads\n",
            "            except ZeroDivisionError as error:\n",
        ),
    ),
    _row(
        name="processor-starved",
        trouble="other programs take the processor",
        heard="plays on; ticks that are late by a whole one are left out, never made up for",
        message="",
        seconds=0.5,
        recovery="after they end; late and missed ticks stand in the status",
        test="tests/test_ticker.py::test_a_tick_that_takes_too_long_makes_the_next_late_or_missed",
        without=("brainmusic_daemon/service/ticker.py", "            if late >= period:", "            if False:"),
    ),
    _row(
        name="page-port-in-use",
        trouble="another program has the port of the page",
        message="the page: cannot listen at …; trying on. Another port: --set web.port=…",
        seconds=5.0,
        recovery="after the port is free",
        test="tests/test_web.py::test_a_port_that_becomes_free_is_taken",
        without=(
            "brainmusic_daemon/service/web.py",
            "                        self._socket = self._bind()\n",
            "                        pass\n",
        ),
    ),
    _row(
        name="osc-port-in-use",
        trouble="another program has the port of OSC control",
        message="OSC control: cannot listen at …; trying on. Another port: --set control.osc_port=…",
        seconds=5.0,
        recovery="after the port is free",
        test="tests/test_control_osc.py::test_a_port_that_is_taken_is_told_once_and_tried_again",
        without=(
            "brainmusic_daemon/service/control_osc.py",
            "                if not self._stop.wait(RETRY_S):\n                    self._open()\n",
            "                self._stop.wait(RETRY_S)\n",
        ),
    ),
    _row(
        name="two-daemons-of-one-name",
        trouble="a second daemon of the same name is started",
        heard="the first plays on; the second does not start",
        state="exit 2",
        message="a daemon named '…' runs already (process …, since …): end it with `brainmusic stop`",
        seconds=None,
        recovery="give it a name of its own",
        test="tests/test_shell_commands.py::test_a_second_daemon_ends_with_two_and_says_who_runs",
        without=(_SOCKET, "        if other is not None and client.is_alive(other):\n", "        if False:\n"),
    ),
    _row(
        name="too-many-clients",
        trouble="more programs than there are places ask at the same time",
        message="too many programs ask at once",
        seconds=5.0,
        recovery="when one of them has been answered",
        test="tests/test_control_socket.py::test_more_clients_than_places_are_turned_away_and_the_next_one_is_served",
        without=(_SOCKET, "threading.BoundedSemaphore(MOST_CLIENTS)", "threading.BoundedSemaphore(1_000_000)"),
    ),
    _row(
        name="too-many-commands",
        trouble="commands come faster than they can be carried out",
        message="…: too much at once, try again",
        seconds=1.0,
        recovery="of a knob's values the newest counts",
        test="tests/test_control.py::test_too_many_requests_are_turned_away_not_kept",
        without=(
            "brainmusic_daemon/service/control.py",
            "                full = len(self._events) >= MOST\n",
            "                full = False\n",
        ),
    ),
)
