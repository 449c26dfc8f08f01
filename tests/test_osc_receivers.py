"""What Pure Data and SuperCollider understand of what we send, and that the patches in `examples` run."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from brainmusic_daemon.api import Note, State
from brainmusic_daemon.clock import VirtualClock
from brainmusic_daemon.outputs.osc import Osc
from brainmusic_daemon.outputs.osc_dialects import make_encoder
from tests.frames import make_frame, make_info
from tests.parts import free_port
from tests.receivers import Received, pd_receiver, sclang_receiver, wait_for

pytestmark = pytest.mark.real

RECEIVERS = pytest.mark.parametrize("receive", [pd_receiver, sclang_receiver], ids=["pd", "sclang"])
Receive = Callable[[int], AbstractContextManager[Received]]


@RECEIVERS
@pytest.mark.parametrize(
    "settings",
    [
        {"mode": "messages"},
        {"mode": "bundle"},
        {"mode": "bundle", "features": ["*"]},  # several bundles per tick
        {"dialect": "muse"},
        {"dialect": "wekinator"},
    ],
    ids=lambda settings: "-".join(map(str, settings.values())),
)
def test_everything_arrives_in_order_with_its_value_and_type(receive: Receive, settings: dict[str, object]) -> None:
    notes = [Note(0, 61, 0.25, 2.0)]
    controls = {"loudness": 0.1, "fundamental_frequency": 440.25, "z.0": -0.5, "z.1": 1e-7}
    frames = [
        make_frame(number, controls=controls, notes=notes if number == 2 else [], state=[*State][number % 5])
        for number in range(10)
    ]
    encoder = make_encoder(**{"dialect": "brainmusic", **{k: v for k, v in settings.items() if k != "mode"}})  # type: ignore[arg-type]
    wanted = [message for frame in frames for message in encoder.encode(frame).messages()]
    port = free_port()
    with receive(port) as received:
        osc = Osc(targets=[f"127.0.0.1:{port}"], **settings)  # type: ignore[arg-type]
        osc.open(VirtualClock(), make_info())
        for frame in frames:
            before = len(received)
            osc.send(frame)
            wait_for(lambda before=before: len(received) > before)  # paced, as ticks are
        osc.close()
        wait_for(lambda: len(received) >= len(wanted), 5, f"for {len(wanted)} messages")
    assert [address for address, _ in received] == [address for address, _ in wanted]
    for (address, got), (_, sent) in zip(received, wanted, strict=True):
        assert got == pytest.approx(list(sent), rel=1e-5, abs=1e-12) if address[-5:] != "state" else got == [*sent]
        if receive is sclang_receiver:
            assert [type(value) for value in got] == [type(value) for value in sent]


@RECEIVERS
def test_what_is_not_finite_never_arrives(receive: Receive) -> None:
    port = free_port()
    with receive(port) as received:
        osc = Osc(targets=[f"127.0.0.1:{port}"])
        osc.open(VirtualClock(), make_info())
        osc.send(make_frame(0, values={"alpha": math.nan, "beta": math.inf}, quality=[math.nan] * 4))
        wait_for(lambda: any(address == "/brainmusic/heartbeat" for address, _ in received))
        osc.close()
    assert osc.counters()["withheld"] == 3
    assert len(received) == osc.counters()["sent"]
    assert all(math.isfinite(value) for _, values in received for value in values if not isinstance(value, str))


@RECEIVERS
def test_escaped_names_arrive(receive: Receive) -> None:
    channels = ("O 1", "Fp1-Fp2", "7", "P,3;$1")
    names = [f"alpha.{channel}" for channel in channels]
    port = free_port()
    with receive(port) as received:
        osc = Osc(targets=[f"127.0.0.1:{port}"], features=["*"], controls=[])
        osc.open(VirtualClock(), make_info())
        osc.send(make_frame(channels=channels, names=names, values=[1, 2, 3, 4]))
        wait_for(lambda: len(received) >= 7)
        osc.close()
    expected = [f"/brainmusic/feature/alpha.{name}" for name in ("O_1", "Fp1-Fp2", "7", "P_3__1")]
    assert received[:4] == [(address, [float(value)]) for value, address in enumerate(expected, 1)]
