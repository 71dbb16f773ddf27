"""The only way out to an address that a stranger named: public addresses alone, connected to as they were checked.

Resolving once and connecting to that very address leaves no gap for a name that changes its mind (DNS rebinding).
Redirects are not followed, nothing of the answer is read but its status.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import httpx

from marketplace.errors import WebhookRefused

TIMEOUT_S = 10.0
_REMEDY = "Name an https address on the public internet."
_TRANSLATED = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"))
"""NAT64 (RFC 6052, RFC 8215): IPv6 addresses that mean any IPv4 address."""


@dataclass(frozen=True)
class Target:
    """Where a message goes: the address as it was named, and the IP address that was checked."""

    url: httpx.URL
    address: str


class Door:
    """Checks and sends. `loopback` lets messages go to this very machine over http: for tests and demos only."""

    def __init__(self, loopback: bool) -> None:
        self._loopback = loopback
        limits = httpx.Limits(max_keepalive_connections=0)  # a connection belongs to the name that it was opened for
        self._http = httpx.Client(timeout=TIMEOUT_S, limits=limits, trust_env=False, follow_redirects=False)

    def close(self) -> None:
        self._http.close()

    def target(self, url: str) -> Target:
        """The address, checked now; raises `WebhookRefused`."""
        parsed = _parsed(url)
        found = [ip_address(address) for address in _addresses(parsed)]
        if not found or not all(self._may(address) for address in found):
            raise WebhookRefused(f"{parsed.host} is no public address.", remedy=_REMEDY)
        if parsed.scheme != "https" and not (self._loopback and found[0].is_loopback):
            raise WebhookRefused(f"{parsed.scheme} is not encrypted.", remedy=_REMEDY)
        return Target(parsed, str(found[0]))

    def post(self, target: Target, headers: dict[str, str], body: bytes) -> int:
        """The answer's status; raises httpx.HTTPError."""
        host = target.url.netloc.decode("ascii")
        request = self._http.build_request(
            "POST",
            target.url.copy_with(host=target.address),
            headers={**headers, "Host": host, "Connection": "close"},
            content=body,
            extensions={"sni_hostname": target.url.host},
        )
        answer = self._http.send(request, stream=True)
        answer.close()
        return answer.status_code

    def _may(self, address: IPv4Address | IPv6Address) -> bool:
        return is_public(address) or (self._loopback and address.is_loopback)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether it is one of the public internet's, also inside the forms of IPv6 that hold an IPv4 address."""
    if isinstance(address, IPv6Address):
        if any(address in network for network in _TRANSLATED):
            return False
        teredo = address.teredo
        inner = address.ipv4_mapped or address.sixtofour or (teredo and teredo[1])
        if inner and not is_public(inner):
            return False
        if address.ipv4_mapped:
            return True
    return address.is_global and not address.is_multicast and not address.is_reserved


def _parsed(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise WebhookRefused(f"{url[:80]!r} is no address: {error}.", remedy=_REMEDY) from error
    if parsed.scheme not in ("http", "https") or not parsed.host or parsed.userinfo or parsed.fragment:
        raise WebhookRefused(f"{url[:80]!r} is not of the form https://host/path.", remedy=_REMEDY)
    return parsed


def _addresses(url: httpx.URL) -> list[str]:
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        found = socket.getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise WebhookRefused(f"{url.host} cannot be resolved.", remedy=_REMEDY) from error
    return [str(entry[4][0]).partition("%")[0] for entry in found]
