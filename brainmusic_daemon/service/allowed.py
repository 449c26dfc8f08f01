"""The address of a sender in, whether it may command out."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

ANY = "any"
_MOST = 1_000  # addresses that are remembered


class Allowed:
    """Addresses and networks that may send; this computer always may.  Any thread."""

    def __init__(self, allow: Sequence[str]) -> None:
        """`allow`: addresses, networks, or "any", as the configuration has checked them."""
        self.anybody = ANY in allow
        self._networks = [ipaddress.ip_network(entry, strict=False) for entry in allow if entry != ANY]
        self._known: dict[str, bool] = {}

    def __contains__(self, address: object) -> bool:
        """Return whether this address may send; "any" included."""
        return self.anybody or self.named(str(address))

    def named(self, address: str) -> bool:
        """Return whether this address is this computer, or in a network that was named."""
        known = self._known.get(address)
        if known is None:
            known = self._look(address)
            if len(self._known) >= _MOST:  # whoever makes addresses up must not fill the memory
                self._known.clear()
            self._known[address] = known
        return known

    def _look(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address.partition("%")[0])  # a link-local one may name its interface
        except ValueError:
            return False
        if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
            found = found.ipv4_mapped  # as a socket that listens at "::" tells of IPv4
        return found.is_loopback or any(found in network for network in self._networks)
