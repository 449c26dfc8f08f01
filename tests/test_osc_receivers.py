"""What Pure Data and SuperCollider understand of what we send, and that the patches in `examples` run."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from brainmusic_daemon.api import Event, Note, State
from brainmusic_daemon.clock import VirtualClock
from brainmusic_daemon.outputs.osc import Osc
from brainmusic_daemon.outputs.osc_encoder import make_encoder
from tests.frames import make_frame, make_info
from tests.parts import CHECKOUT, free_port, program
from tests.receivers import Received, jack, pd_patch, pd_receiver, sclang, sclang_receiver, wait_for

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


def heard(log: list[str], before: int, fading: Sequence[object]) -> float:
    """Return the level in dB that a patch prints, once steady; of what fades, the loudest of a second."""

    def levels() -> list[float]:
        return [float(line.removeprefix("LEVEL: ")) for line in log[before:] if line.startswith("LEVEL: ")]

    if fading:
        wait_for(lambda: len(levels()) > 20, what="for levels")
        return max(levels())
    wait_for(lambda: len(levels()) > 8 and max(levels()[-3:]) - min(levels()[-3:]) < 0.2, what="for a steady level")
    return levels()[-1]


PD_EXAMPLE = CHECKOUT / "examples" / "puredata" / "brainmusic.pd"


def pd_listening(folder: Path, port: int) -> Path:
    """Return the Pd example at another port, its sound measured instead of played."""
    lines = PD_EXAMPLE.read_text(encoding="utf-8").splitlines()
    items = [
        number for number, line in enumerate(lines) if line.startswith(("#X obj", "#X msg", "#X text", "#X floatatom"))
    ]
    assert [
        *range(1, len(items) + 1)
    ] == items  # objects come first, so that a connection's numbers are line numbers - 1
    (dac,) = (number for number in items if lines[number].endswith(" dac~;"))
    (receive,) = (number for number in items if "netreceive -u -b 9000" in lines[number])
    lines[dac] = lines[dac].replace("dac~", "env~ 4096")
    lines[receive] = lines[receive].replace("9000", str(port))
    into_dac = f" {dac - 1} 1;"
    lines = [line for line in lines if not (line.startswith("#X connect") and line.endswith(into_dac))]
    lines[len(items) + 1 : len(items) + 1] = ["#X obj 20 690 print LEVEL;"]
    lines.append(f"#X connect {dac - 1} 0 {len(items)} 0;")
    patch = folder / "listening.pd"
    patch.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return patch


def test_the_pd_example_loads_without_a_complaint() -> None:
    with pd_patch(PD_EXAMPLE) as log:
        time.sleep(0.5)  # there is nothing to wait for: a patch that loads says nothing
    assert log == []


def test_the_pd_example_sounds_as_loud_as_it_is_told(tmp_path: Path) -> None:
    port = free_port()
    osc = Osc(targets=[f"127.0.0.1:{port}"], mode="bundle")
    osc.open(VirtualClock(), make_info())
    rest = dict(make_frame().controls.values)
    with pd_patch(pd_listening(tmp_path, port)) as log:
        wait_for(lambda: log)

        def level(loudness: float, notes: Sequence[Note] = (), events: Sequence[Event] = ()) -> float:
            before = len(log)
            controls = {**rest, "loudness": loudness, "reverb": 0.0}
            osc.send(make_frame(0, controls=controls, notes=notes, events=events))
            return heard(log, before, [*notes, *events])

        silent, quiet, loud = level(0.0), level(0.1), level(1.0)
        level(0.0)
        assert level(0.0) < 5
        with_note = level(0.0, [Note(0, 60, 1.0, 2.0)])
        wait_for(lambda: level(0.0) < 5)
        with_burst = level(0.0, events=[Event("alpha_burst", 0.0, 1.0), Event("blink", 0.0, 0.5)])
    osc.close()
    assert silent < 5
    assert with_burst > 40
    assert any(line.startswith("blink: ") and "0.5" in line for line in log)
    assert loud - quiet == pytest.approx(20, abs=1)  # dB
    assert loud > 70
    assert with_note > 60
    assert any(line.startswith("state: ") and "good" in line for line in log)


SC_EXAMPLE = CHECKOUT / "examples" / "supercollider" / "brainmusic.scd"

_SC_LISTENING = """
s.addr = NetAddr("127.0.0.1", {server});
"{example}".load;
fork {{
    while {{ ~brainmusicVoice.isNil }} {{ 0.05.wait }};
    SynthDef(\\tap, {{ SendReply.kr(Impulse.kr(20), '/tap', [RunningSum.rms(In.ar(0), 4800)]) }})
        .play(s, addAction: \\addToTail);
    OSCdef(\\tap, {{ |msg| ("LEVEL: " ++ msg[3].ampdb.max(-120)).postln }}, '/tap');
}}
"""


def test_the_supercollider_example_sounds_as_loud_as_it_is_told(tmp_path: Path) -> None:
    program("scsynth", "supercollider-server")
    script = tmp_path / "listening.scd"
    script.write_text(_SC_LISTENING.format(server=free_port(), example=SC_EXAMPLE), encoding="utf-8")
    port = free_port()
    osc = Osc(targets=[f"127.0.0.1:{port}"], mode="bundle")
    osc.open(VirtualClock(), make_info())
    rest = {**make_frame().controls.values, "reverb": 0.0, "noise_amount": 0.0, "attack_time": 0.01}
    log: list[str] = []

    def level(loudness: float, notes: Sequence[Note] = (), events: Sequence[Event] = ()) -> float:
        before = len(log)
        osc.send(make_frame(0, controls={**rest, "loudness": loudness}, notes=notes, events=events))
        return heard(log, before, [*notes, *events])

    with jack() as env, sclang(script, log.append, port, env):
        wait_for(lambda: any(line.startswith("LEVEL") for line in log), 60, "for scsynth")
        silent, quiet, loud = level(0.0), level(0.1), level(1.0)
        level(0.0)
        with_note = level(0.0, [Note(0, 60, 1.0, 4.0)])
        wait_for(lambda: level(0.0) == -120)
        with_burst = level(0.0, events=[Event("alpha_burst", 0.0, 1.0), Event("jaw", 0.0, 0.5)])
    osc.close()
    assert with_burst > -40
    assert "brainmusic: jaw 0.5" in log
    assert silent == -120
    assert loud - quiet == pytest.approx(20, abs=1)  # dB
    assert loud > -30
    assert with_note > -40
    assert "brainmusic: good" in log
    assert not any("ERROR" in line for line in log)
