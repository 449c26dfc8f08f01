"""What is open to the network can be found there; what is not is not told."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator

import pytest

from brainmusic_daemon import config as configuration
from brainmusic_daemon.service import advertise
from brainmusic_daemon.service.advertise import OSC, OSCQUERY, Advertiser, advertiser
from brainmusic_daemon.service.daemon import Daemon
from tests import daemons, parts
from tests.receivers import wait_for

zeroconf = pytest.importorskip("zeroconf")

HERE = ("127.0.0.1",)


@pytest.fixture
def network() -> Iterator[zeroconf.Zeroconf]:
    with zeroconf.Zeroconf([*HERE]) as made:
        yield made


@pytest.mark.real
def test_others_find_it_follow_its_ports_and_see_it_go(
    network: zeroconf.Zeroconf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(advertise, "LOOK_S", 0.1)
    name, ports = f"test-{parts.free_port()}", {OSCQUERY: 57_180, OSC: 57_121}
    found: dict[str, int] = {}

    def look() -> dict[str, int]:
        for kind in (OSCQUERY, OSC):
            info = network.get_service_info(kind, f"brainmusic {name}.{kind}", timeout=300)
            found.pop(kind, None)
            if info is not None and info.parsed_addresses() == ["127.0.0.1"]:
                found[kind] = info.port or 0
        return found

    made = Advertiser(name, lambda: dict(ports), HERE)
    made.start()
    try:
        wait_for(lambda: look() == {OSCQUERY: 57_180, OSC: 57_121}, 60)
        ports[OSCQUERY] = 60_000
        del ports[OSC]
        wait_for(lambda: look() == {OSCQUERY: 60_000}, 60)
    finally:
        begun = time.monotonic()
        made.stop()
        assert time.monotonic() - begun < 5.0
        made._thread.join(30)
    assert not made._thread.is_alive()


def make(*settings: str) -> Advertiser | None:
    return advertiser(Daemon(configuration.load(None, [*daemons.QUIET, *settings])))


ALLOW = 'control.allow=["192.168.1.0/24"]'


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ((), False),
        (("web.enabled=true",), False),
        (("web.enabled=true", 'web.host="0.0.0.0"'), True),
        (("web.enabled=true", 'web.host="0.0.0.0"', "web.advertise=false"), False),
        (('web.host="0.0.0.0"',), False),  # not enabled
        (('control.host="0.0.0.0"', ALLOW), True),
        (('control.host="0.0.0.0"', ALLOW, "control.enabled=false"), False),
    ],
)
def test_only_what_others_may_reach_is_told(settings: tuple[str, ...], told: bool) -> None:
    assert (make(*settings) is not None) is told


def test_ports_are_those_that_listen_and_addresses_those_that_were_named() -> None:
    daemon = Daemon(configuration.load(None, [*daemons.QUIET, 'control.host="192.168.1.5"', ALLOW, "web.enabled=true"]))
    made = advertiser(daemon)
    assert made is not None and made._addresses == ("192.168.1.5",) and made._ports() == {}
    daemon.osc_in.port, daemon.web.port = 57_121, 57_180
    assert made._ports() == {OSC: 57_121}  # the page is for this computer only
    everywhere = make('control.host="0.0.0.0"', ALLOW)
    assert everywhere is not None and everywhere._addresses == ()


def test_without_the_library_it_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "zeroconf", None)
    made = Advertiser("none", dict, HERE)
    made.start()
    made._thread.join(30)
    made.stop()
    assert "pip install 'brainmusic-daemon[discovery]'" in caplog.text


def test_a_network_that_fails_is_told_and_nothing_else_happens(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away() -> dict[str, int]:
        raise OSError("the network is away")

    made = Advertiser("fails", away, HERE)
    before = threading.active_count()
    made.start()
    made._thread.join(20)
    assert "by themselves: the network is away" in caplog.text
    wait_for(lambda: threading.active_count() <= before)
