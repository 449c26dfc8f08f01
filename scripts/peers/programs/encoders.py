"""The name of an OSC library in; microseconds per message of 20 floats and per bundle of 20 messages out, as JSON.

python encoders.py brainmusic|python-osc|oscpy|osc4py3|pyliblo3

Every round encodes new numbers; what is encoded is told too, so that it can be compared.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Callable
from importlib import metadata

COUNT = 20
ADDRESSES = [f"/bench/value/{k}" for k in range(COUNT)]
NUMBERS = [[0.5 + 0.001 * k + 0.125 * j for k in range(COUNT)] for j in range(8)]

Encode = Callable[[list[float]], bytes]


def brainmusic() -> tuple[Encode, Encode]:
    """As the OSC output does it: float64 features into a buffer that was laid out once."""
    import numpy as np

    from brainmusic_daemon.outputs import osc_encoding as osc

    ready = {tuple(numbers): np.array(numbers) for numbers in NUMBERS}
    layouts = [
        osc.Layout(tuple(addresses), tuple(counts), lambda frame: frame)  # type: ignore[arg-type, return-value]
        for addresses, counts in ((["/bench"], [COUNT]), (ADDRESSES, [1] * COUNT))
    ]
    one, many = map(osc.Packets, layouts)

    def batch(layout: osc.Layout, numbers: list[float]) -> osc.Batch:
        return osc.Batch(layout, True, ready[tuple(numbers)].astype(np.float32), None)

    return (
        lambda numbers: one.messages(batch(layouts[0], numbers))[0],  # type: ignore[return-value]
        lambda numbers: osc.bundles(many.elements(batch(layouts[1], numbers)))[0],
    )


def python_osc() -> tuple[Encode, Encode]:
    from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
    from pythonosc.osc_message_builder import OscMessageBuilder

    def message(numbers: list[float]) -> bytes:
        builder = OscMessageBuilder("/bench")
        for number in numbers:
            builder.add_arg(number, "f")
        return builder.build().dgram

    def bundle(numbers: list[float]) -> bytes:
        whole = OscBundleBuilder(IMMEDIATELY)
        for address, number in zip(ADDRESSES, numbers, strict=True):
            builder = OscMessageBuilder(address)
            builder.add_arg(number, "f")
            whole.add_content(builder.build())
        return whole.build().dgram

    return message, bundle


def oscpy() -> tuple[Encode, Encode]:
    from oscpy.parser import format_bundle, format_message

    names = [address.encode() for address in ADDRESSES]
    return (
        lambda numbers: format_message(b"/bench", numbers)[0],
        lambda numbers: format_bundle([(name, [number]) for name, number in zip(names, numbers, strict=True)])[0],
    )


def osc4py3() -> tuple[Encode, Encode]:
    from osc4py3 import oscbuildparse as osc

    types = "," + "f" * COUNT
    return (
        lambda numbers: bytes(osc.encode_packet(osc.OSCMessage("/bench", types, numbers))),
        lambda numbers: bytes(
            osc.encode_packet(
                osc.OSCBundle(
                    osc.OSC_IMMEDIATELY,
                    [osc.OSCMessage(name, ",f", [number]) for name, number in zip(ADDRESSES, numbers, strict=True)],
                )
            )
        ),
    )


def pyliblo3() -> tuple[Encode, Encode]:
    """It gives no bytes: it sends, on loopback; the sending of as many bytes is taken off."""
    import pyliblo3 as liblo

    there = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    there.bind(("127.0.0.1", 0))
    there.settimeout(1.0)
    target = liblo.Address("127.0.0.1", there.getsockname()[1])

    def message(numbers: list[float]) -> bytes:
        liblo.send(target, liblo.Message("/bench", *numbers))
        return b""

    def bundle(numbers: list[float]) -> bytes:
        parts = [liblo.Message(name, number) for name, number in zip(ADDRESSES, numbers, strict=True)]
        liblo.send(target, liblo.Bundle(*parts))
        return b""

    message.there = bundle.there = there  # type: ignore[attr-defined]
    return message, bundle


LIBRARIES = {
    "brainmusic": (brainmusic, "brainmusic-daemon"),
    "python-osc": (python_osc, "python-osc"),
    "oscpy": (oscpy, "oscpy"),
    "osc4py3": (osc4py3, "osc4py3"),
    "pyliblo3": (pyliblo3, "pyliblo3"),
}


def main() -> None:
    make, package = LIBRARIES[sys.argv[1]]
    told = {"version": metadata.version(package)}
    for what, encode in zip(("message", "bundle"), make(), strict=True):
        there = getattr(encode, "there", None)
        packet = bytes(encode(NUMBERS[0]))
        if there is not None:
            packet = there.recv(65536)
        spent = duration(encode, there)
        if there is not None:
            spent -= duration(sending(packet, there.getsockname()), there)
        told |= {f"{what}_us": 1e6 * spent, what: packet.hex()}
    sys.stdout.write(json.dumps(told))


def sending(packet: bytes, address: tuple[str, int]) -> Callable[[list[float]], object]:
    """Return what only sends."""
    plain = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    return lambda numbers: plain.sendto(packet, address)


def duration(encode: Callable[[list[float]], object], there: socket.socket | None) -> float:
    """Return the shortest seconds per call of five rounds; what was sent is read between them."""
    rounds = []
    for _ in range(5):
        begin = time.perf_counter()
        for numbers in NUMBERS * 25:
            encode(numbers)
        rounds.append((time.perf_counter() - begin) / (25 * len(NUMBERS)))
        while there is not None:
            try:
                there.setblocking(False)
                there.recv(65536)
            except BlockingIOError:
                break
    return min(rounds)


if __name__ == "__main__":
    main()
