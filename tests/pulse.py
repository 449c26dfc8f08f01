"""A private PulseAudio server with a null sink: a real-time audio device whose monitor gives back what was played."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tests import parts

SINK = "brain"


class Pulse:
    """The server; `env` is what a process needs in its environment, before PortAudio starts, to find it."""

    def __init__(self, samplerate: int = 48_000) -> None:
        self._program = parts.program("pulseaudio", "pulseaudio")
        self._parec = parts.program("parec", "pulseaudio-utils")
        plugin = [*Path("/usr/lib").glob("**/alsa-lib/libasound_module_pcm_pulse.so")]
        parts.require(plugin, "the Debian package libasound2-plugins")
        self.samplerate = samplerate
        self.folder = Path(tempfile.mkdtemp(prefix="brainmusic-pulse-"))
        self.folder.chmod(0o700)
        server = f"unix:{self.folder}/pulse/native"
        self.env = {
            **os.environ,
            "XDG_RUNTIME_DIR": str(self.folder),
            "HOME": str(self.folder),  # no cookie, no settings of this user
            "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache")),  # compiled kernels
            "PULSE_SERVER": server,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [self._program, "-n", "--daemonize=no", "--exit-idle-time=-1", "--disallow-exit"]
        command += ["--use-pid-file=no", "-L", "module-native-protocol-unix", "-L"]
        command += [f"module-null-sink sink_name={SINK} rate={self.samplerate} channels=2 format=float32le norewinds=1"]
        with (self.folder / "pulse.log").open("ab") as log:
            self._process = subprocess.Popen(command, env=self.env, stdout=log, stderr=log)
        socket = self.folder / "pulse" / "native"
        deadline = time.monotonic() + 60
        while not socket.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"pulseaudio did not start: {(self.folder / 'pulse.log').read_text()[-500:]}")
            time.sleep(0.02)

    def kill(self) -> None:
        """End the server at once, as when a device is pulled out."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        (self.folder / "pulse" / "native").unlink(missing_ok=True)

    @property
    def played(self) -> bool:
        """Whether a program plays."""
        command = ["pactl", "list", "short", "sink-inputs"]
        return bool(subprocess.run(command, env=self.env, capture_output=True, check=False, timeout=30).stdout)

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextmanager
    def capture(self) -> Iterator[Path]:
        """Record the monitor into a file of float32 stereo frames while the block runs."""
        file = self.folder / f"capture-{time.monotonic_ns()}.f32"
        command = [self._parec, "-d", f"{SINK}.monitor", "--format=float32le", f"--rate={self.samplerate}"]
        with file.open("wb") as out:
            process = subprocess.Popen([*command, "--channels=2", "--latency-msec=5"], env=self.env, stdout=out)
            try:
                yield file
            finally:
                process.terminate()
                process.wait(timeout=30)

    def sound(self, file: Path) -> npt.NDArray[np.float32]:
        """Return a capture as (frames, 2)."""
        data = np.fromfile(file, dtype="<f4")
        return data[: len(data) // 2 * 2].reshape(-1, 2)


@pytest.fixture
def pulse() -> Iterator[Pulse]:
    server = Pulse()
    try:
        server.start()
        yield server
    finally:
        server.close()
