"""What Pure Data and SuperCollider understand of what we send, and that the patches in `examples` run."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from brainmusic_daemon.api import Drone, Event, Note, State
from brainmusic_daemon.clock import VirtualClock
from brainmusic_daemon.music import preset
from brainmusic_daemon.music.score import Score
from brainmusic_daemon.outputs.jsonl import Jsonl
from brainmusic_daemon.outputs.osc import Osc
from brainmusic_daemon.outputs.osc_encoder import make_encoder
from brainmusic_daemon.outputs.osc_encoding import message as osc_message
from tests.frames import TICK_S as TICK
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
    ticks = [encoder.encode(frame).messages() for frame in frames]
    wanted = [message for tick in ticks for message in tick]
    port = free_port()
    with receive(port) as received:
        osc = Osc(targets=[f"127.0.0.1:{port}"], **settings)  # type: ignore[arg-type]
        osc.open(VirtualClock(), make_info())
        due = 0
        for frame, tick in zip(frames, ticks, strict=True):
            osc.send(frame)
            due += len(tick)  # paced, as ticks are: a receiver's socket holds only so much
            wait_for(lambda due=due: len(received) >= due, what=f"for {due} of {len(wanted)} messages")
        osc.close()
        if "dialect" not in settings:  # its last word
            wanted.append(("/brainmusic/state", ("stopped",)))
            wait_for(lambda: len(received) >= len(wanted), what="for the end")
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
        count = osc.counters()["sent"]
    osc.close()
    assert osc.counters()["withheld"] == 3
    assert len(received) == count
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
    shutil.copy(PD_EXAMPLE.with_name("brainmusic-tone.pd"), folder)
    patch = folder / "listening.pd"
    patch.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return patch


def test_the_pd_example_loads_without_a_complaint() -> None:
    with pd_patch(PD_EXAMPLE) as log:
        time.sleep(0.5)  # there is nothing to wait for: a patch that loads says nothing
    assert log == []


def falls_silent_when_it_should(player: Player, quiet: float) -> None:
    """Steady tones end when silence is asked for, when the daemon has gone without a word, and when it stops."""

    def newest() -> float:
        before = len(player.log)
        wait_for(lambda: len(numbers(player.log[before:], "LEVEL")) > 4)
        return numbers(player.log[before:], "LEVEL")[-1][0]

    def sounds() -> bool:
        player.send(ROOT, loudness=1.0)  # as at every tick
        return newest() > quiet + 20

    for address in ("/brainmusic/mute", "/brainmusic/panic"):
        wait_for(sounds, what="for sound")
        player.osc.say(address, [1])
        for _ in range(3):
            player.send(ROOT, loudness=1.0)
            level = newest()
        assert level <= quiet, address
        player.osc.say(address, [0])
    wait_for(sounds, what="for sound")
    wait_for(lambda: newest() <= quiet, 30, "for silence once nothing comes any more")
    wait_for(sounds, what="for sound again")
    player.osc.close()
    wait_for(lambda: newest() <= quiet, 2.8, "for silence at the end")  # it is told: in 3 s it is by itself


def test_the_pd_example_sounds_as_loud_as_it_is_told(tmp_path: Path) -> None:
    port = free_port()
    osc = Osc(targets=[f"127.0.0.1:{port}"], mode="bundle")
    osc.open(VirtualClock(), make_info())
    with pd_patch(pd_listening(tmp_path, port)) as log:
        wait_for(lambda: log)
        player = Player((log, osc))

        def loudest(**of: object) -> float:
            """Return the loudest level within half a second; what fades is measured once it is quiet."""
            wait_for(lambda: player.level(NONE) < 5)
            return heard(log, player.send(**of), ["fading"])  # type: ignore[arg-type]

        silent, quiet, loud = (player.level(ROOT, loudness=loudness) for loudness in (0.0, 0.1, 1.0))
        softer = player.level(replace(ROOT, level=0.1), loudness=1.0)
        left, right = (loudest(notes=[Note(0, 60, 1.0, 0.3, pan=pan, release=0.05)]) for pan in (-0.8, 0.8))
        chord = loudest(notes=[Note(0, pitch, 1.0, 0.3, pan=-0.8, release=0.05) for pitch in (48, 55, 64, 71, 78)])
        slow = [Note(0, 60, 1.0, 0.5, pan=-0.8, attack=0.2, release=0.05)]
        loudness = loudest(notes=slow) - loudest(notes=slow, loudness=0.05)
        player.send(notes=[Note(0, 60, 1.0, 2.0, decay=0.1, release=0.05)])
        before = len(log)
        heard(log, before, ["fading"])
        wait_for(lambda: len(numbers(log[before:], "LEVEL")) > 20)
        struck = [level for (level,) in numbers(log[before:], "LEVEL")]
        with_burst = loudest(events=[Event("alpha_burst", 0.0, 1.0), Event("blink", 0.0, 0.5)])
        falls_silent_when_it_should(player, quiet=5)
    assert silent < 5
    assert loud - quiet == pytest.approx(20, abs=1)  # dB
    assert loud - softer == pytest.approx(20, abs=1)
    assert loud > 70
    assert left > 60
    assert left - right > 10
    assert chord > left + 3  # all five at once
    assert loudness == pytest.approx(20, abs=2)
    assert struck[-1] < max(struck) - 25  # it does not stay, as a held one would
    assert with_burst > 40
    assert any(line.startswith("blink: ") and "0.5" in line for line in log)
    assert any(line.startswith("state: ") and "good" in line for line in log)


SC_EXAMPLE = CHECKOUT / "examples" / "supercollider" / "brainmusic.scd"

_SC_LISTENING = """
s.addr = NetAddr("127.0.0.1", {server});
"{example}".load;
fork {{
    while {{ ~brainmusicRoom.isNil }} {{ 0.05.wait }};
    s.sync;
    SynthDef(\\tap, {{
        var heard = In.ar(0, 2);
        var crossings = Pitch.kr(Mix(heard), minFreq: 60, maxFreq: 2000, ampThreshold: 0.002, median: 3);
        SendReply.kr(Impulse.kr(20), '/tap', RunningSum.rms(heard, 4800) ++ [crossings[0]]);
    }}).play(s, addAction: \\addToTail);
    OSCdef(\\tap, {{ |msg|
        ("PITCH: " ++ msg[5]).postln;
        ("SIDES: " ++ msg[3].ampdb.max(-120) + msg[4].ampdb.max(-120)).postln;
        ("LEVEL: " ++ (msg[3].squared + msg[4].squared).sqrt.ampdb.max(-120)).postln;
    }}, '/tap');
}}
"""
NONE, ROOT = Drone(147.0, 0, 0.0, 0.0, 1.0), Drone(220.0, 1, 1.0, 0.0, 1.0)


def numbers(log: Sequence[str], head: str) -> list[list[float]]:
    return [[float(x) for x in line.split()[1:]] for line in log if line.startswith(head)]


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[list[str], Osc]]:
    """Give the log of the SuperCollider example as it plays, with what is heard in it, and the output that it hears."""
    program("scsynth", "supercollider-server")
    script = tmp_path_factory.mktemp("sc") / "listening.scd"
    script.write_text(_SC_LISTENING.format(server=free_port(), example=SC_EXAMPLE), encoding="utf-8")
    port, log = free_port(), list[str]()
    osc = Osc(targets=[f"127.0.0.1:{port}"], mode="bundle")
    osc.open(VirtualClock(), make_info())
    with jack() as env, sclang(script, log.append, port, env):
        wait_for(lambda: any(line.startswith("LEVEL") for line in log), 60, f"for scsynth: {log}")
        yield log, osc
    osc.close()
    assert not any("ERROR" in line or "FAILURE" in line for line in log)


class Player:
    """Sends one frame, and says what was heard then."""

    rest: Mapping[str, float] = {**make_frame().controls.values, "loudness": 0.5, "reverb": 0.0, "noise_amount": 0.0}

    def __init__(self, twin: tuple[list[str], Osc]) -> None:
        self.log, self.osc = twin

    def send(
        self, drone: Drone | None = NONE, notes: Sequence[Note] = (), events: Sequence[Event] = (), **of: float
    ) -> int:
        before = len(self.log)
        frame = make_frame(0, controls={**self.rest, **of}, notes=notes, events=events)
        self.osc.send(replace(frame, drone=drone))
        return before

    def level(self, drone: Drone | None = NONE, **of: float) -> float:
        return heard(self.log, self.send(drone, **of), ())

    def silence(self) -> None:
        wait_for(lambda: self.level() < -100, what="for silence")


def test_the_supercollider_twin_is_as_loud_as_it_is_told(twin: tuple[list[str], Osc]) -> None:
    player = Player(twin)
    silent, quiet, loud = (player.level(ROOT, loudness=loudness) for loudness in (0.0, 0.1, 1.0))
    assert silent == -120
    assert loud - quiet == pytest.approx(20, abs=1)  # dB
    assert loud > -30
    assert player.level(None, loudness=1.0) > loud + 1  # without a score: the whole chord
    assert player.level(NONE) == -120
    assert "brainmusic: good" in player.log


@pytest.mark.parametrize("hz", [110.0, 220.0, 415.3])
def test_the_supercollider_twin_plays_the_steady_tones_at_their_pitch(twin: tuple[list[str], Osc], hz: float) -> None:
    player = Player(twin)
    before = player.send(replace(ROOT, root_hz=hz))
    wait_for(lambda: len(numbers(player.log[before:], "PITCH")) > 30)
    heard_hz = sorted(found for (found,) in numbers(player.log[before:], "PITCH")[15:])
    assert heard_hz[len(heard_hz) // 2] == pytest.approx(hz, rel=0.03)  # as exact as Pitch.kr is


def test_the_supercollider_twin_plays_notes_where_and_as_long_as_they_are(twin: tuple[list[str], Osc]) -> None:
    player = Player(twin)
    player.silence()
    tone = Note(0.0, 69.5, 0.8, 0.6, pan=-0.8, attack=0.01, decay=0.0, release=0.02)
    before = player.send(notes=[tone])
    wait_for(lambda: len(numbers(player.log[before:], "SIDES")) > 40)
    sides = numbers(player.log[before:], "SIDES")
    pitches = [hz[0] for hz, (left, _) in zip(numbers(player.log[before:], "PITCH"), sides, strict=False) if left > -45]
    sounding = [side for side in sides if side[0] > -50]
    assert 0.5 < len(sounding) / 20 < 0.95  # s; the meter itself holds 0.1 s
    assert sorted(pitches)[len(pitches) // 2] == pytest.approx(440 * 2 ** (0.5 / 12), rel=0.01)
    assert all(left - right > 10 for left, right in sounding[2:-2])
    assert sides[-1][0] < -100


def test_a_struck_note_fades_in_the_supercollider_twin_and_a_held_one_does_not(twin: tuple[list[str], Osc]) -> None:
    player = Player(twin)
    fall = {}
    for decay in (0.3, 0.0):
        player.silence()
        before = player.send(notes=[Note(0.0, 60, 1.0, 1.4, attack=0.005, decay=decay, release=0.02)])
        wait_for(lambda before=before: len(numbers(player.log[before:], "LEVEL")) > 35)
        levels = [level for (level,) in numbers(player.log[before:], "LEVEL")]
        first = next(n for n, level in enumerate(levels) if level > -60)
        fall[decay] = levels[first + 4] - levels[first + 20]  # 0.8 s apart
    assert fall[0.3] == pytest.approx(0.8 / 0.3 * 8.69, abs=6)
    assert abs(fall[0.0]) < 2


@pytest.mark.parametrize(
    ("name", "low", "high"), [("brightness", 0.0, 1.0), ("z.0", -1.0, 1.0), ("complexity", 0.0, 1.0)]
)
def test_controls_change_the_sound_of_the_supercollider_twin(
    twin: tuple[list[str], Osc], name: str, low: float, high: float
) -> None:
    player = Player(twin)
    levels = [player.level(None, **{"z.0": 0.0, "z.1": 0.0, name: value}) for value in (low, high)]
    assert levels[0] != pytest.approx(levels[1], abs=0.1)


def test_events_ring_in_the_supercollider_twin(twin: tuple[list[str], Osc]) -> None:
    player = Player(twin)
    player.silence()
    before = player.send(events=[Event("alpha_burst", 0.0, 1.0), Event("jaw", 0.0, 0.5)])
    assert heard(player.log, before, ["bell"]) > -40
    assert "brainmusic: jaw 0.5" in player.log


def test_the_supercollider_twin_plays_the_stream_of_a_render(twin: tuple[list[str], Osc], tmp_path: Path) -> None:
    """Every message of a rendered session, as `render --osc` writes it, sent in its time: nothing is left silent."""
    score = Score(preset.load("arpeggio"), 1, TICK)
    player = Player(twin)
    out = Jsonl(path=tmp_path / "play.jsonl", features=["alpha"])
    out.open(VirtualClock(), make_info())
    for number in range(150):
        controls = {**player.rest, "tempo": 120.0, "density": 0.8, "loudness": 0.8}
        notes = score.advance(number * TICK, controls)
        out.send(replace(make_frame(number, controls=controls, notes=notes), drone=score.drone(controls)))
    out.close()
    before, begin = len(player.log), time.monotonic()
    for line in (tmp_path / "play.jsonl").read_text().splitlines():
        message = json.loads(line)
        time.sleep(max(0.0, begin + message["time"] - time.monotonic()))
        player.osc._send_now([osc_message(message["address"], message["args"])], 0.0)
    levels = [level for (level,) in numbers(player.log[before:], "LEVEL")]
    assert len(levels) > 40
    assert min(levels[20:]) > -50
    assert max(levels[20:]) - min(levels[20:]) > 3  # notes stand out


def test_the_supercollider_twin_falls_silent_when_it_should(twin: tuple[list[str], Osc]) -> None:
    """The last of its tests, as it closes the output."""
    falls_silent_when_it_should(Player(twin), quiet=-100)
