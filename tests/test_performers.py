"""Performers on machines of their own: found by LSL itself, followed, lost, reborn; whatever their clocks say."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest
from pythonosc.osc_packet import OscPacket

from tests.daemons import COMMAND, Process
from tests.edf_writer import write
from tests.machines import Machines, machines
from tests.receivers import wait_for
from tests.signals import CYTON, pink

pytestmark = [pytest.mark.real, pytest.mark.timeout(400)]

FAST = ("baseline.settle_s=1", "quality.hold_s=0.5", "quality.glide_s=0.3")
ALONE = ("output.osc.enabled=false", "control.enabled=false")
AHEAD_S = 250_000  # of Anna's clock
GOOD_S, FLAT_S, FS = 12, 8, 250


class Heard:
    """What a machine is sent over OSC: the newest argument of every address."""

    def __init__(self, made: Machines, name: str) -> None:
        self._socket = made.receiver(name)
        self._socket.settimeout(0.2)
        self.port = self._socket.getsockname()[1]
        self.newest: dict[str, object] = {}
        self.states: list[tuple[str, object]] = []  # of persons, as they changed
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        while not self._end.is_set():
            try:
                datagram = self._socket.recv(65536)
            except TimeoutError:
                continue
            for timed in OscPacket(datagram).messages:
                address, value = timed.message.address, timed.message.params[0]
                if "/person/" in address and address.endswith("/state") and self.newest.get(address) != value:
                    self.states.append((address.split("/")[3], value))
                self.newest[address] = value

    def of(self, address: str) -> float:
        return float(str(self.newest.get(f"/brainmusic/{address}", -1)))

    def state(self, who: str) -> object:
        return self.newest.get(f"/brainmusic/person/{who}/state")

    def wait(self, who: str, *states: str, timeout: float = 90) -> None:
        wait_for(lambda: self.state(who) in states, timeout, f"for {who} {states}: {self.states}")

    def close(self) -> None:
        self._end.set()
        self._thread.join(10)
        self._socket.close()


def lsl(folder: Path, text: str = "") -> dict[str, str]:
    """Return LSL settings as a user has them: none, but for a session of our own; or `text`."""
    file = folder / f"lsl-{len(list(folder.iterdir()))}.cfg"
    file.write_text(f"[log]\nlevel = -3\n[lab]\nSessionID = {folder.name}\n{text}", encoding="utf-8")
    return {"LSLAPICFG": str(file)}


@contextmanager
def daemon(
    name: str, made: Machines, env: dict[str, str], *words: str, clock_s: int = 0, config: Path | None = None
) -> Iterator[Process]:
    """Run a daemon on a machine until the block is left."""
    prefix = made.prefix(name, clock_s)
    running = Process(*FAST, *words, name=name, env=env, config=config, prefix=prefix)
    try:
        yield running
    finally:
        running.end()


def recording(path: Path) -> Path:
    """Write EEG whose electrodes all come off after a while, then sit well again, and so on for minutes."""
    eeg = pink(GOOD_S * FS, len(CYTON), FS, seed=5, rms_uv=12.0)
    once = np.concatenate([eeg, np.zeros((FLAT_S * FS, len(CYTON)))])
    write(path, np.tile(once, (12, 1)), CYTON, FS)
    return path


def status(made: Machines, name: str) -> dict[str, object]:
    command = [*made.prefix(name), *COMMAND, "status", "--json", "--name", name]
    found: dict[str, object] = json.loads(subprocess.run(command, capture_output=True, timeout=60, check=True).stdout)
    return found


def test_performers_are_found_followed_lost_and_reborn(tmp_path: Path) -> None:
    plain = lsl(tmp_path)
    conducting = tmp_path / "conductor.toml"
    with machines("anna", "ben", "conductor") as made, ExitStack() as stack:
        heard = Heard(made, "conductor")
        stack.callback(heard.close)
        tables = [
            f'[[source]]\nkind = "performer"\nperson = "{who}"\nstream = "{who} features"\n' for who in ("anna", "ben")
        ]
        conducting.write_text("".join(tables) + f'[output.osc]\ntargets = ["127.0.0.1:{heard.port}"]\n')
        anna_plays = ("output.lsl.name=anna", *ALONE)
        with daemon("anna", made, plain, *anna_plays, clock_s=AHEAD_S) as anna:
            conductor = stack.enter_context(daemon("conductor", made, plain, config=conducting))
            heard.wait("anna", "calibrating", "good")

            # A signal that is bad over there is bad here: held, then let go, and taken up again.
            path = recording(tmp_path / "ben.edf")
            played = ("output.lsl.name=ben", "source.kind=recording", f"source.path={path}", *ALONE)
            stack.enter_context(daemon("ben", made, plain, *played))

            def there() -> bool:
                return heard.state("ben") == heard.state("anna") == "good" and heard.of("person/ben/follow") > 0.9

            def faded() -> bool:
                alone = abs(heard.of("feature/alpha") - heard.of("feature/anna.alpha")) < 0.05
                neutral = heard.of("person/ben/follow") < 0.05 and abs(heard.of("feature/ben.alpha") - 0.5) < 0.05
                return heard.state("ben") == "resting" and heard.state("anna") == "good" and neutral and alone

            wait_for(there, 90, "for both")
            wait_for(faded, 90, "for the fade")
            wait_for(there, 90, "for the return")

            # Clocks that differ by days are no latency: what is told counts from the sample over there.
            latency = status(made, "conductor")["latency"]
            assert isinstance(latency, dict) and 1 < latency["p50_ms"] < 1000, latency

            anna.process.kill()
            heard.wait("anna", "lost")
            conductor.wait_for("anna: no samples arrive")
            wait_for(lambda: heard.of("person/anna/follow") < 0.05, 20, "for the fade")
        with daemon("anna", made, plain, *anna_plays, clock_s=-20 + AHEAD_S // 2):
            heard.wait("anna", "calibrating", "good")
            wait_for(lambda: heard.of("person/anna/follow") > 0.9, 60, "for the return")

            # Nobody hangs up when a cable is pulled.
            made.cable("anna", plugged=False)
            heard.wait("anna", "lost")
            made.cable("anna", plugged=True)
            heard.wait("anna", "calibrating", "good")
    assert conductor.process.poll() is not None


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ("", True),
        ("[ports]\nIPv6 = disable\n", True),
        ("[ports]\nIPv6 = force\n", True),
        ("[multicast]\nResolveScope = link\n", True),
        ("[multicast]\nResolveScope = machine\n", False),
        ("[multicast]\nResolveScope = machine\nAddressesOverride = {198.51.100.255}\n", True),
        ("PEERS[multicast]\nResolveScope = machine\n", True),
    ],
    ids=["as-it-comes", "no-ipv6", "ipv6-only", "link", "machine", "broadcast", "known-peers"],
)
def test_settings_of_lsl_that_reach_another_machine(
    tmp_path: Path, network: Machines, settings: str, found: bool
) -> None:
    env = lsl(tmp_path, settings.replace("PEERS", f"KnownPeers = {{{network.address['anna']}}}\n"))
    publish = (
        "import pylsl, sys\n"
        "outlet = pylsl.StreamOutlet(pylsl.StreamInfo('anna features', 'Features', 1, 50, 'float32', 'anna'))\n"
        "print('there', flush=True)\nsys.stdin.read()"
    )
    command = [*network.prefix("anna"), COMMAND[0], "-c", publish]
    everywhere = env if "IPv6" in settings else lsl(tmp_path)
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **everywhere}
    ) as sender:
        assert sender.stdout is not None and sender.stdout.readline() == b"there\n"
        look = (
            "from brainmusic_daemon.acquisition.lsl_streams import visible; print([one.name for one in visible(WAIT)])"
        )
        look = look.replace("WAIT", "1.5" if found else "0.8")
        seen = subprocess.run(
            [*network.prefix("ben"), COMMAND[0], "-c", look],
            capture_output=True, text=True, timeout=60, check=True, env={**os.environ, **env},
        )  # fmt: skip
        sender.communicate()
    assert ("anna features" in seen.stdout) is found, (seen.stdout, seen.stderr)


@pytest.fixture(scope="module")
def network() -> Iterator[Machines]:
    with machines("anna", "ben") as made:
        time.sleep(0.1)
        yield made
