"""Sockets that send without giving the interpreter away: what arrives, what fails, and who gets a turn."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator

import pytest

from brainmusic_daemon.outputs import quick_socket
from brainmusic_daemon.outputs.quick_socket import QuickSocket
from tests.parts import free_port


@pytest.fixture
def pair() -> Iterator[tuple[QuickSocket, socket.socket]]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver, QuickSocket(socket.AF_INET) as sender:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(10)
        sender.connect(receiver.getsockname())
        yield sender, receiver


@pytest.mark.parametrize("quick", [True, False])
def test_what_is_sent_arrives(
    pair: tuple[QuickSocket, socket.socket], quick: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not quick:  # as on Windows
        monkeypatch.setattr(quick_socket, "_send", None)
    sender, receiver = pair
    for sent in (b"", b"a\0b", memoryview(bytearray(range(200)))[10:90], bytes(9000)):
        assert sender.send(sent) == len(sent) and receiver.recv(65536) == bytes(sent)


def test_errors_are_those_of_sockets(pair: tuple[QuickSocket, socket.socket]) -> None:
    sender, _ = pair
    with pytest.raises(OSError, match="too long"):
        sender.send(bytes(70_000))
    with QuickSocket(socket.AF_INET) as nowhere:
        with pytest.raises(OSError):  # no receiver
            nowhere.send(b"x")
        nowhere.connect(("127.0.0.1", free_port()))
        with pytest.raises(ConnectionRefusedError):
            for _ in range(1000):
                nowhere.send(b"x")
    with pytest.raises(OSError, match="Bad file descriptor"):
        nowhere.send(b"x")


@pytest.mark.skipif(quick_socket._send is None, reason="only where the C library's sockets are files")
def test_nobody_else_gets_a_turn(pair: tuple[QuickSocket, socket.socket]) -> None:
    sender, _ = pair
    turns, ended = [0], threading.Event()

    def spin() -> None:
        while not ended.is_set():
            turns[0] += 1

    before = sys.getswitchinterval()
    sys.setswitchinterval(0.2)  # longer than all the sending takes
    spinning = threading.Thread(target=spin)
    spinning.start()
    try:
        given = []
        for _ in range(5):  # a machine that is elsewhere for so long gives a turn itself
            begin = turns[0]
            for _ in range(200):
                sender.send(b"x")
            given.append(turns[0] - begin)
            if given[-1] == 0:
                break
        assert given[-1] == 0, given
    finally:
        sys.setswitchinterval(before)
        ended.set()
        spinning.join()
