"""Ports that can be reached over the network in, said there by zeroconf out: OSC programs list them by themselves.

Nothing is said while it listens on this computer only.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from brainmusic_daemon.config import Config

if TYPE_CHECKING:
    from brainmusic_daemon.service.daemon import Daemon

_log = logging.getLogger(__name__)

OSCQUERY, OSC = "_oscjson._tcp.local.", "_osc._udp.local."
LOOK_S = 2.0  # a port may be free only later, or another one
GOODBYE_S = 0.6
_EVERYWHERE = ("0.0.0.0", "::")


class Advertiser:
    """Registers services in a thread of its own; what fails is told once, and the music goes on."""

    def __init__(self, name: str, ports: Callable[[], Mapping[str, int]], addresses: Sequence[str] = ()) -> None:
        """`ports` gives type → port of what is to be said now; `addresses` of this computer, empty: all."""
        self._name, self._ports, self._addresses = f"brainmusic {name}", ports, addresses
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="advertise", daemon=True)
        self._said: dict[str, Any] = {}  # type → what was registered

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Take everything back.  Idempotent, never raises; a network that hangs is left behind."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=GOODBYE_S)

    def _run(self) -> None:
        try:
            import zeroconf
        except ImportError:
            _log.warning(
                "other computers cannot find this one by themselves: pip install 'brainmusic-daemon[discovery]'"
            )
            return
        try:
            with zeroconf.Zeroconf([*self._addresses] or zeroconf.InterfaceChoice.All) as network:
                while not self._stop.is_set():
                    self._say(network)
                    self._stop.wait(LOOK_S)
                network.unregister_all_services()
        except Exception as error:  # noqa: BLE001 - whatever the network does, the music goes on
            _log.warning("other computers cannot find this one by themselves: %s", error or type(error).__name__)
            _log.debug("zeroconf", exc_info=True)

    def _say(self, network: Any) -> None:
        from zeroconf import ServiceInfo

        ports = self._ports()
        for kind in [kind for kind, info in self._said.items() if ports.get(kind) != info.port]:
            network.unregister_service(self._said.pop(kind))
        for kind in ports.keys() - self._said.keys():
            host = socket.gethostname().partition(".")[0] or "brainmusic"
            info = ServiceInfo(
                kind, f"{self._name}.{kind}", ports[kind], server=f"{host}.local.",
                parsed_addresses=[*self._addresses] or own_addresses(),
            )  # fmt: skip
            network.register_service(info, allow_name_change=True)  # two computers may run one of the same name
            self._said[kind] = info
            _log.info("told the network: %s at port %d", info.name, ports[kind])


def advertiser(daemon: Daemon) -> Advertiser | None:
    """Return what tells the network where this daemon is; None where it is not to know."""
    config = daemon.config
    if not config.web.advertise or not (_web(config) or _osc(config)):
        return None

    def ports() -> dict[str, int]:
        found = {OSCQUERY: daemon.web.port if _web(config) else 0, OSC: daemon.osc_in.port if _osc(config) else 0}
        return {kind: port for kind, port in found.items() if port}

    hosts = {section.host for section, there in ((config.web, _web(config)), (config.control, _osc(config))) if there}
    named = () if hosts & {*_EVERYWHERE} or not all(map(_is_address, hosts)) else tuple(sorted(hosts))
    return Advertiser(config.session.name, ports, named)


def _web(config: Config) -> bool:
    return config.web.enabled and config.web.beyond_loopback


def _osc(config: Config) -> bool:
    return config.control.enabled and config.control.beyond_loopback


def _is_address(host: str) -> bool:
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
    except OSError:
        return False
    return True


def own_addresses() -> list[str]:
    """Return the IPv4 addresses under which others may reach this computer."""
    import ifaddr  # zeroconf stands on it

    found = [str(ip.ip) for adapter in ifaddr.get_adapters() for ip in adapter.ips if ip.is_IPv4]
    return [address for address in found if not address.startswith("127.")]
