"""Real OSC receivers: Pure Data and sclang run headless, and what they print is what they understood."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.parts import program

Argument = int | float | str
Received = list[tuple[str, list[Argument]]]  # (address, arguments), growing while messages arrive

_READY = "receiver-is-ready"

_PD_PATCH = """#N canvas 0 0 450 300 12;
#X obj 10 10 netreceive -u -b {port};
#X obj 10 40 oscparse;
#X obj 10 70 print OSC;
#X obj 210 10 loadbang;
#X msg 210 40 {ready};
#X obj 210 70 print;
#X connect 0 0 1 0;
#X connect 1 0 2 0;
#X connect 3 0 4 0;
#X connect 4 0 5 0;
"""

_SC_SCRIPT = """
thisProcess.addOSCRecvFunc({{ |msg|
    if(msg[0] != '/status.reply') {{
        ("OSC:" ++ msg.collect {{ |item| item.class.name.asString ++ " " ++ item.asString }}.join("\\t")).postln;
    }};
}});
"{ready}".postln;
"""


def wait_for(ready: Callable[[], object], timeout: float = 30.0, what: str = "") -> None:
    """Return as soon as `ready()` is true; fail after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not ready():
        assert time.monotonic() < deadline, f"waited {timeout:g} s in vain {what}"
        time.sleep(0.005)


@contextmanager
def running(
    command: Sequence[str], on_line: Callable[[str], None], env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Run a program; `on_line` is called, in a thread, with every line that it prints.  Ends it on leaving."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, **(env or {})},
        start_new_session=True,
    )

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            on_line(line.rstrip("\n"))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        yield process
    finally:
        _end(process)
        reader.join(10)
        assert process.stdout is not None
        if not reader.is_alive():
            process.stdout.close()


def _end(process: subprocess.Popen[str]) -> None:
    """End a program with all that it started: sclang leaves its scsynth behind otherwise."""
    for wish in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, wish)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)


@contextmanager
def pd_patch(patch: Path) -> Iterator[list[str]]:
    """Run a patch in Pure Data without window and audio device; gives the lines of its log."""
    lines: list[str] = []
    with running(_pd_command(patch), lines.append):
        yield lines


@contextmanager
def pd_receiver(port: int) -> Iterator[Received]:
    """Run Pure Data as a receiver on 127.0.0.1:port; floats come with the 6 digits that Pd prints."""
    received: Received = []
    with tempfile.TemporaryDirectory() as folder:
        patch = Path(folder) / "receiver.pd"
        patch.write_text(_PD_PATCH.format(port=port, ready=_READY), encoding="utf-8")
        log: list[str] = []

        def on_line(line: str) -> None:
            head, _, rest = line.partition(": ")
            if head == "OSC":
                received.append(_from_pd(rest))
            else:
                log.append(line)

        with running(_pd_command(patch), on_line):
            wait_for(lambda: any(_READY in line for line in log), what="for Pure Data")
            yield received


@contextmanager
def jack() -> Iterator[Mapping[str, str]]:
    """Run JACK without a sound card, under a name of its own; gives the environment that leads programs to it."""
    env = {
        "JACK_DEFAULT_SERVER": f"brainmusic-{os.getpid()}",
        "JACK_NO_AUDIO_RESERVATION": "1",
        "SC_JACK_DEFAULT_OUTPUTS": "system",
    }
    log: list[str] = []
    command = [
        program("jackd", "jackd2"),
        "-r",
        "-n",
        env["JACK_DEFAULT_SERVER"],
        "-d",
        "dummy",
        "-r",
        "48000",
        "-p",
        "256",
    ]
    with running(command, log.append, env) as process:
        time.sleep(0.5)  # jackd says nothing when it is ready
        assert process.poll() is None, log
        yield env


@contextmanager
def sclang(
    script: Path, on_line: Callable[[str], None], port: int, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Run a script in SuperCollider's language, headless, with a home of its own; OSC arrives at `port`."""
    path = program("sclang", "supercollider-language")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        own = {
            "HOME": home,
            "XDG_CONFIG_HOME": home,
            "XDG_DATA_HOME": home,
            "XDG_RUNTIME_DIR": home,
            "QT_QPA_PLATFORM": "offscreen",
            "QTWEBENGINE_DISABLE_SANDBOX": "1",
        }
        with running([path, "-u", str(port), str(script)], on_line, {**own, **(env or {})}) as process:
            yield process


@contextmanager
def sclang_receiver(port: int) -> Iterator[Received]:
    """Run sclang as a receiver on 127.0.0.1:port; ints, floats and strings arrive as such."""
    received: Received = []
    log: list[str] = []

    def on_line(line: str) -> None:
        if line.startswith("OSC:"):
            received.append(_from_sclang(line[4:]))
        else:
            log.append(line)

    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "receiver.scd"
        script.write_text(_SC_SCRIPT.format(ready=_READY), encoding="utf-8")
        with sclang(script, on_line, port):
            wait_for(lambda: _READY in log, timeout=60, what=f"for sclang: {log[-5:]}")
            yield received


def _pd_command(patch: Path) -> list[str]:
    pd = program("pd", "puredata-core")
    return [pd, "-nogui", "-noaudio", "-nomidi", "-noprefs", "-stderr", "-open", str(patch)]


def _from_pd(text: str) -> tuple[str, list[Argument]]:
    """Take apart `list brainmusic feature alpha.occipital 0.5`: Pd itself does not say where the address ends."""
    parts = text.removeprefix("list ").split()
    depth = 3 if parts[1] in ("feature", "control", "elements") else 2
    return "/" + "/".join(parts[:depth]), [_number(part) for part in parts[depth:]]


def _number(text: str) -> Argument:
    try:
        return float(text)
    except ValueError:
        return text


def _from_sclang(text: str) -> tuple[str, list[Argument]]:
    kinds: Mapping[str, Callable[[str], Argument]] = {"Integer": int, "Float": float, "Symbol": str}
    (_, address), *rest = (part.split(" ", 1) for part in text.split("\t"))
    return address, [kinds[kind](value) for kind, value in rest]
