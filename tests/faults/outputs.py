"""Outputs: sound, OSC, MIDI, LSL and those of others."""

from __future__ import annotations

from functools import partial

from tests.faults import Fault

TITLE = "Sound, OSC, MIDI and LSL"

_row = partial(Fault, group="outputs", state="good")
_TARGET = "brainmusic_daemon/outputs/osc_target.py"
_HOST = "brainmusic_daemon/service/host.py"
_HERE = "tests/test_faults_outputs.py::"

ROWS = (
    _row(
        name="audio-gone",
        trouble="the sound device is pulled out, or the sound server dies",
        heard="silence there; all other outputs play on",
        message="the audio device is gone; trying to open it again",
        seconds=6.0,
        recovery="after it is there again: where the music is by then",
        test="tests/test_devices_vanish.py::test_sound_comes_back_and_osc_goes_on",
        without=(
            "brainmusic_daemon/outputs/audio.py",
            "                if calls != seen and self._alive():\n",
            "                if True:\n",
        ),
    ),
    _row(
        name="audio-none",
        trouble="there is no sound device at the start, or not the one that is named",
        heard="all other outputs play",
        message="no sound: there is no audio device …; for a sound file instead: …",
        seconds=10.0,
        recovery="after it is plugged in",
        test="tests/test_bad_input.py::test_an_audio_device_that_is_not_there",
        without=(
            _HOST,
            "            except OutputLost as error:\n                if tries == 0:\n",
            "            except OutputLost as error:\n                self.error = ConfigError(error)\n"
            "                if tries == 0:\n",
        ),
    ),
    _row(
        name="jack-dies",
        trouble="the JACK server dies that the sound goes through",
        heard="silence there; all other outputs play on",
        message="the audio device does not come back yet: …",
        seconds=None,
        recovery="with a new start, as PortAudio never lets go of JACK; through ALSA's device `jack` it comes back",
        test=f"{_HERE}test_a_jack_server_that_dies_takes_nothing_along",
        without=(
            "brainmusic_daemon/outputs/portaudio.py",
            ' and not any("JACK" in api["name"] for api in library.query_hostapis())',
            "",
        ),
    ),
    _row(
        name="osc-nobody-listens",
        trouble="nobody listens at an OSC target, or the receiver crashes",
        heard="all other receivers and outputs play on",
        message="nobody listens at …",
        seconds=0.02,
        recovery="after it listens",
        test="tests/test_osc.py::test_nobody_listening_is_counted_and_disturbs_nobody",
        without=(
            _TARGET,
            "                        self.listening = False\n                        return\n"
            "                    refused = True\n",
            "                        pass\n",
        ),
    ),
    _row(
        name="osc-receiver-later",
        trouble="a receiver is started after the daemon",
        heard="it hears everything from the next tick on",
        message="",
        seconds=0.02,
        test="tests/test_osc.py::test_a_receiver_that_comes_later_gets_everything_from_the_next_tick_on",
        without=(
            _TARGET,
            "                    if refused:\n                        self.listening = False\n",
            "                    if refused:\n                        self.close()\n"
            "                        self._retry = now + RECONNECT_S\n",
        ),
    ),
    _row(
        name="osc-buffer-full",
        trouble="the system takes no more datagrams: a receiver or a network that is too slow (EAGAIN)",
        heard="all other receivers and outputs play on; values are left out, the next ones say all",
        message="",
        seconds=0.02,
        recovery="after there is room; it is counted",
        test="tests/test_osc.py::test_a_full_buffer_drops_counts_and_never_blocks",
        without=("brainmusic_daemon/outputs/quick_socket.py", "        self.setblocking(False)\n", ""),
    ),
    _row(
        name="osc-queue-full",
        trouble="the system says that its queue to the network is full (ENOBUFS, as a Mac does)",
        heard="all other receivers and outputs play on",
        message="",
        seconds=0.02,
        recovery="after there is room; it is counted",
        test=f"{_HERE}test_a_full_queue_of_the_system_is_no_lost_network",
        without=(_TARGET, "            if not refused and error.errno not in FULL:", "            if not refused:"),
    ),
    _row(
        name="osc-network-lost",
        trouble="the network goes away, or its address changes (another Wi-Fi)",
        heard="all other receivers and outputs play on",
        message="",
        seconds=1.0,
        recovery="after it is back; it is counted",
        test="tests/test_osc.py::test_after_a_lost_network_the_socket_is_made_anew",
        without=(
            _TARGET,
            "                self._connect()\n            assert",
            "                return\n            assert",
        ),
    ),
    _row(
        name="osc-host-unknown",
        trouble="the name of a receiver does not resolve: a tablet that is switched on last",
        heard="all other receivers and outputs play",
        message="OSC target '…': the host '…' is not known (…); the other targets go on",
        seconds=30.0,
        recovery="after it is known",
        test="tests/test_devices_vanish.py::test_an_osc_host_that_is_known_later_is_played_to_then",
        without=(
            "brainmusic_daemon/outputs/osc.py",
            "            look_for(found, unknown, self._closing, self._add)\n",
            "            pass\n",
        ),
    ),
    _row(
        name="osc-host-moves",
        trouble="a receiver known by its name gets another address: a tablet with a new lease after days",
        heard="all other receivers and outputs play on",
        message="OSC target '…' is at … now",
        seconds=30.0,
        recovery="within 2 s where sending fails",
        test="tests/test_devices_vanish.py::test_an_osc_host_that_gets_another_address_is_found_again",
        without=(_TARGET, "                target.look()\n", "                pass\n"),
    ),
    _row(
        name="osc-no-host-known",
        trouble="no receiver's name resolves, and there is no other output",
        heard="ends after its patience",
        state="exit 4",
        message="no output could be opened:…is not known …; check the name, or write its IP address",
        seconds=None,
        recovery="start it with another name or address",
        test="tests/test_bad_input.py::test_an_osc_target_that_is_not_known",
        without=(
            "brainmusic_daemon/outputs/osc.py",
            "        if not found:\n            raise OutputLost(",
            "        if not found:\n            print(",
        ),
    ),
    _row(
        name="midi-gone",
        trouble="the MIDI port goes away: a synthesizer is switched off",
        heard="all other outputs play on",
        message="output 'midi': the MIDI port '…' is gone; trying to open it again",
        seconds=10.0,
        recovery="after it is there again",
        test="tests/test_devices_vanish.py::test_a_midi_port_that_vanishes_is_found_again",
        without=(
            "brainmusic_daemon/outputs/midi.py",
            "        if not there and not self._closing:\n",
            "        if False:\n",
        ),
    ),
    _row(
        name="midi-none",
        trouble="there is no MIDI on this machine, or no such port",
        heard="all other outputs play",
        message="no MIDI…",
        seconds=10.0,
        recovery="after it is there",
        test="tests/test_midi.py::test_without_a_midi_system_or_port_the_way_out_is_said",
        without=("brainmusic_daemon/outputs/midi.py", "    if api and api not in known:\n", "    if False:\n"),
    ),
    _row(
        name="lsl-outlets-fail",
        trouble="LSL cannot publish: no free port, no network",
        heard="all other outputs play on",
        message="output 'lsl' could not publish its streams",
        seconds=0.02,
        recovery="after it can; it is tried at each tick",
        test=f"{_HERE}test_outlets_that_cannot_be_made_leave_the_others_alone",
        without=(
            "brainmusic_daemon/outputs/lsl.py",
            "            if self._failed == 1:\n",
            "            if False:\n",
        ),
    ),
    _row(
        name="output-pulled-out",
        trouble="an output says that its device has gone",
        heard="all other outputs play on",
        message="output '…': …; trying to open it again",
        seconds=10.0,
        recovery="after it is there again",
        test="tests/test_devices_vanish.py::test_an_output_that_is_gone_is_closed_and_opened_until_it_is_back",
        without=(_HOST, "            self._remove(name)\n            try:\n", "            return\n            try:\n"),
    ),
    _row(
        name="output-hangs-when-opened",
        trouble="an output hangs when it is opened: a driver, a pipe that nobody reads",
        heard="all other outputs play",
        message="output '…' is not open after 30 s, and not waited for any longer",
        seconds=0.02,
        recovery="as soon as it opens",
        test=f"{_HERE}test_an_output_that_hangs_when_it_is_opened_is_not_waited_for",
        without=(_HOST, "            self.tried |= hanging\n", ""),
    ),
    _row(
        name="output-breaks-when-opened",
        trouble="an output of another package raises an error when it is opened",
        heard="all other outputs play",
        message="output '…' failed to open: …",
        seconds=10.0,
        recovery="as soon as it opens; it is tried again and again",
        test="tests/test_session.py::test_an_output_that_breaks_its_promise_on_opening_is_told_and_tried_again",
        without=(
            _HOST,
            "            except (Exception, SystemExit) as error:",
            "            except SystemExit as error:",
        ),
    ),
    _row(
        name="outputs-all-lost",
        trouble="no output at all can be opened",
        heard="ends after its patience",
        state="exit 4",
        message="no output could be opened:…",
        seconds=None,
        recovery="each says what to do",
        test="tests/test_session.py::test_a_daemon_whose_outputs_all_fail_says_which",
        without=(
            "brainmusic_daemon/service/daemon.py",
            "                raise lost_for_good(why)\n",
            "                return\n",
        ),
    ),
)
