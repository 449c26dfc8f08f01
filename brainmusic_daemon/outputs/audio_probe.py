"""This computer's sound devices in, whether PortAudio survives looking at them out: asked in a process that may die.

PortAudio's part for ALSA has assertions: a configuration of ALSA without devices (`ALSA_CONFIG_PATH=/dev/null`, a
broken `~/.asoundrc`) makes it end the whole program, without a word, as sounddevice closes standard error meanwhile.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys

from brainmusic_daemon.api import OutputLost

_LONGEST_S = 20.0  # a device that hangs would hang the daemon's search as well
# What sounddevice does when it is imported, without all that it imports: 30 ms, and the search itself.
_LOOK = "import ctypes; ctypes.CDLL('libportaudio.so.2').Pa_Initialize()"


class Probe:
    """One look, under way from the start; `verdict` waits for its end."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        if not sys.platform.startswith("linux"):
            return
        nothing = subprocess.DEVNULL
        with contextlib.suppress(OSError):  # no more processes: then it is tried as it is
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _LOOK], stdin=nothing, stdout=nothing, stderr=subprocess.PIPE
            )

    def verdict(self) -> None:
        """Raise OutputLost where the look did not end well; a library that is missing is another's to tell."""
        process, self._process = self._process, None
        if process is None:
            return
        try:
            _, said = process.communicate(timeout=_LONGEST_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise OutputLost(
                f"no sound: the search for sound devices hangs, for {_LONGEST_S:g} s by now: is the sound server stuck?"
            ) from None
        if process.returncode >= 0:
            return
        lines = [line.strip() for line in said.decode("utf-8", "replace").splitlines() if line.strip()]
        why = f" ({lines[-1][-160:]})" if lines else ""
        raise OutputLost(
            f"no sound: PortAudio crashes when it looks for sound devices, with {_name(-process.returncode)}{why}; "
            "mostly it is ALSA's configuration: ~/.asoundrc, /etc/asound.conf, the variable ALSA_CONFIG_PATH"
        )


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
