"""The headset's battery: told by the board, warned of in time, sent over OSC."""

from __future__ import annotations

import numpy as np
import pytest

from brainmusic_daemon.acquisition import boards
from brainmusic_daemon.acquisition.brainflow import Brainflow
from brainmusic_daemon.clock import WallClock
from brainmusic_daemon.service.battery import EVERY_S, Battery
from tests import daemons
from tests.receivers import wait_for


def test_it_is_warned_of_in_time_and_once(caplog: pytest.LogCaptureFixture) -> None:
    charge: float | None = None
    said: list[tuple[object, ...]] = []
    battery = Battery(lambda: charge, lambda *words: said.append(words))
    battery.look(0.0)
    assert said == []  # who knows nothing says nothing
    for step in range(200):
        charge = 25.0 - step / 8
        battery.look(step * 0.02)
    told = [record.getMessage() for record in caplog.records]
    assert [text.rsplit(" ", 2)[1] for text in told] == ["20", "10", "5"]
    assert said[0] == ("/brainmusic/battery", 25.0) and 24 <= len(said) <= 26
    charge = 90.0  # another battery
    battery.look(5.0)
    charge = 19.0
    battery.look(6.0)
    assert "19 %" in caplog.records[-1].getMessage()


def test_a_charge_that_stays_is_told_now_and_then() -> None:
    said: list[float] = []
    battery = Battery(lambda: 50.0, lambda address, value: said.append(value))
    for now in np.arange(0, 4 * EVERY_S, 0.02):
        battery.look(float(now))
    assert len(said) == 4


def test_which_boards_tell_it() -> None:
    telling = {name: boards.describe(*boards.identify(name)) for name in ("synthetic", "unicorn", "brainbit", "cyton")}
    assert [board.battery_row is not None for board in telling.values()] == [True, True, True, False]
    assert len(telling["brainbit"].resistance_rows) == 4 and telling["synthetic"].resistance_rows == ()


def test_what_a_board_does_not_fill_in_is_not_told() -> None:
    board = Brainflow(board="BRAINBIT_BOARD")
    board._board = boards.describe(*boards.identify("brainbit"))
    rows = np.zeros(20)
    board._look_after(rows)
    assert board.battery is None and board.resistances == ()
    rows[board._board.battery_row] = 73
    rows[list(board._board.resistance_rows)] = [5_000, 6_000, 7_000, 250_000]
    board._look_after(rows)
    assert board.battery == 73 and board.resistances == (5.0, 6.0, 7.0, 250.0)


@pytest.mark.real
def test_brainflows_synthetic_board_all_the_way() -> None:
    source = Brainflow()
    source.open(WallClock())
    try:
        wait_for(lambda: (source.read(0.1) or True) and source.battery is not None, 30)
    finally:
        source.close()
    assert source.battery is None
    with daemons.daemon("source.kind=brainflow", "source.board=SYNTHETIC_BOARD", name="charged") as daemon:
        wait_for(lambda: daemon.session.acquisition.battery is not None, 60)
        answer = daemon.control.ask("status", ())
        assert 0 < answer.data["battery"] <= 100 and "battery" in answer.text
