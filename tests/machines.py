"""Machines of the test's own: network namespaces on a bridge in a namespace of its own; no packet leaves them.

Each has its own host name, its own address of TEST-NET-2, and where wanted its own monotonic clock.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import parts

NETWORK = "198.51.100"  # set apart for documentation: there is nobody of this address anywhere
_CLONE_NEWNET = 0x40000000


class Machines:
    """Machines by name; `prefix` is what runs a command on one of them."""

    def __init__(self, names: Sequence[str]) -> None:
        self._hub = f"bm{os.getpid()}hub"
        self._spaces = {name: f"bm{os.getpid()}{name}" for name in names}
        self.address = {name: f"{NETWORK}.{number}" for number, name in enumerate(names, 1)}

    def build(self) -> None:
        _ip(f"netns add {self._hub}")
        _ip("link add br0 type bridge mcast_snooping 0", self._hub)
        _ip("link set br0 up", self._hub)
        for name, space in self._spaces.items():
            _ip(f"netns add {space}")
            _ip("link set lo up", space)
            _ip(f"link add to-{name} type veth peer name eth0 netns {space}", self._hub)
            _ip(f"link set to-{name} master br0 up", self._hub)
            quick = "echo 0 > /proc/sys/net/ipv6/conf/eth0/accept_dad"  # else its IPv6 address needs two seconds
            subprocess.run(["ip", "netns", "exec", space, "sh", "-c", quick], check=False, capture_output=True)
            _ip(f"addr add {self.address[name]}/24 dev eth0", space)
            _ip("link set eth0 up", space)
            _ip("route add default dev eth0", space)  # the way that multicast goes

    def cable(self, name: str, *, plugged: bool) -> None:
        """Pull the network cable of a machine, or plug it in again."""
        _ip(f"link set to-{name} {'up' if plugged else 'down'}", self._hub)

    def prefix(self, name: str, clock_s: int = 0) -> list[str]:
        """Return what a command is started with on a machine whose monotonic clock is `clock_s` ahead of ours."""
        own = ["unshare", "--uts", "--fork", "--kill-child"] + (["--time", "--monotonic", str(clock_s)] * bool(clock_s))
        start = ["sh", "-c", 'hostname "$0" && exec "$@"', name]
        return ["ip", "netns", "exec", self._spaces[name], *own, *start]

    def receiver(self, name: str) -> socket.socket:
        """Return a UDP socket on a machine, at 127.0.0.1: a socket stays where it was made."""
        made: list[socket.socket] = []

        def make() -> None:
            with Path("/var/run/netns", self._spaces[name]).open("rb") as space:
                assert ctypes.CDLL(None, use_errno=True).setns(space.fileno(), _CLONE_NEWNET) == 0, ctypes.get_errno()
            made.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            made[0].bind(("127.0.0.1", 0))

        thread = threading.Thread(target=make)  # only this thread moves there
        thread.start()
        thread.join()
        return made[0]

    def remove(self) -> None:
        for space in (*self._spaces.values(), self._hub):
            subprocess.run(["ip", "netns", "del", space], check=False, capture_output=True)


def _ip(words: str, space: str = "") -> None:
    subprocess.run(["ip", *(["-n", space] if space else []), *words.split()], check=True, capture_output=True)


@contextmanager
def machines(*names: str) -> Iterator[Machines]:
    """Make machines that share one network; skips where that is not permitted."""
    if not sys.platform.startswith("linux"):
        pytest.skip("network namespaces are Linux's")
    parts.program("ip", "iproute2")
    if shutil.which("unshare") is None or os.geteuid() != 0:
        pytest.skip("network namespaces need root and the program unshare")
    made = Machines(names)
    try:
        try:
            made.build()
            other = ["unshare", "--uts", "--fork", "--time", "--monotonic", "1", "true"]
            subprocess.run(other, check=True, capture_output=True)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"network namespaces are not permitted here: {error.stderr.decode().strip()}")
        yield made
    finally:
        made.remove()
