"""Proxies before the server, and the address of the client behind them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

from dvid_framework.errors import BadRequest
from dvid_framework.http.access.caller import Headers

__all__ = ["Proxies"]

_LOOPBACK = ("127.0.0.0/8", "::1/128")


def _plain(address: str) -> str:
    """Return an address without quotes, brackets and port."""
    address = address.strip().strip('"')
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address.partition(":")[0] if address.count(":") == 1 else address


def _forwarded(headers: Headers) -> list[str]:
    """Return the addresses that `Forwarded`, or else `X-Forwarded-For`, lists, the client's first."""
    standard: list[str] = []
    customary: list[str] = []
    for name, value in headers:
        if name == b"forwarded":
            for element in value.decode("latin-1").split(","):
                for pair in element.split(";"):
                    key, _, address = pair.strip().partition("=")
                    if key.lower() == "for":
                        standard.append(_plain(address))
        elif name == b"x-forwarded-for":
            customary.extend(_plain(address) for address in value.decode("latin-1").split(","))
    return standard or customary


class Proxies:
    """The proxies that are trusted: what anyone else says of the client's address does not count.

    Args:
        trusted: addresses and networks; loopback alone if there are none.

    Raises:
        BadRequest: an entry is neither.
    """

    def __init__(self, trusted: Sequence[str] = ()) -> None:
        try:
            self._networks = [ipaddress.ip_network(network, strict=False) for network in trusted or _LOOPBACK]
        except ValueError as error:
            raise BadRequest(
                f"[auth] trusted_proxies must be addresses or networks such as 10.0.0.0/8: {error}"
            ) from error

    def trusts(self, address: str) -> bool:
        """Tell whether an address is a trusted proxy's."""
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)

    def client(self, peer: str, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """Return the client's address: the last one that is no trusted proxy's, for a proxy appends what it sees."""
        if not self.trusts(peer):
            return peer
        address = peer
        for address in reversed(_forwarded(headers)):
            if not self.trusts(address):
                break
        return address
