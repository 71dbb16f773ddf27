"""JSON-RPC to one node over HTTP, with nothing retried behind the caller's back.

Called by chain and devnet only. Wraps every failure: no answer is NodeDown, an answer with an error is NodeError.
Thread-safe; connections are kept and shared.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Sequence
from itertools import count
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

import urllib3

from ledger.errors import NodeDown, NodeError

_CONNECTIONS = 32
"""Kept open; more are opened, and closed again, where more threads ask at once."""


class Rpc:
    def __init__(self, url: str, timeout_s: float) -> None:
        self.url = url
        self._address, self._headers = _address(url)
        self._timeout = urllib3.Timeout(total=timeout_s)
        self._pool = _pool(self._address)
        self._ids = count(1)

    def request(self, method: str, params: Sequence[object] = ()) -> Any:
        """The result of one request; raises NodeDown or NodeError."""
        return self._result(method, self._answer(self._asked(method, params)))

    def batch(self, requests: Sequence[tuple[str, Sequence[object]]]) -> list[Any]:
        """The results of several requests in one round trip, in order; raises on the first error."""
        if not requests:
            return []
        asked = [self._asked(method, params) for method, params in requests]
        responses = self._answer(asked)
        if not isinstance(responses, list) or len(responses) != len(asked):
            self._result("batch", responses)
            raise NodeDown(self.url, "it does not answer batches")
        by_id = {response.get("id"): response for response in responses if isinstance(response, dict)}
        return [self._result(one["method"], by_id.get(one["id"])) for one in asked]

    def close(self) -> None:
        """Closes the connections."""
        self._pool.clear()

    def _asked(self, method: str, params: Sequence[object]) -> dict[str, Any]:
        return {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": list(params)}

    def _answer(self, asked: object) -> Any:
        body = json.dumps(asked).encode()
        try:
            answer = self._pool.request(
                "POST", self._address, body=body, headers=self._headers, timeout=self._timeout, redirect=False
            )
        except urllib3.exceptions.HTTPError as error:  # its own text may hold the URL with its credentials
            raise NodeDown(self.url, type(error).__name__) from error
        if answer.status >= 300:
            raise NodeDown(self.url, f"HTTP status {answer.status}")
        try:
            return json.loads(answer.data)
        except ValueError as error:
            raise NodeDown(self.url, f"unreadable answer: {type(error).__name__}") from error

    def _result(self, method: str, response: Any) -> Any:
        if not isinstance(response, dict):
            raise NodeDown(self.url, "unreadable answer")
        error = response.get("error")
        if error is None:
            return response.get("result")
        if not isinstance(error, dict):
            raise NodeError(method, 0, str(error))
        raise NodeError(
            method,
            int(error.get("code", 0)),
            str(error.get("message", "no reason given")),
            _returned(error.get("data")),
        )


def _returned(data: Any) -> str:
    """What a reverting call returned, empty where nothing: most nodes give it bare, hardhat's inside an object."""
    inner = data.get("data") if isinstance(data, dict) else data
    return inner if isinstance(inner, str) else ""


def _address(url: str) -> tuple[str, dict[str, str]]:
    """The URL without its credentials, and the headers that carry them instead."""
    parts = urlsplit(url)
    headers = {"Content-Type": "application/json"}
    if parts.username is not None:
        headers |= urllib3.make_headers(basic_auth=f"{parts.username}:{parts.password or ''}")
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])), headers


def _pool(url: str) -> urllib3.PoolManager:
    """Connections to the node, through the environment's proxy where it names one for this host."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    proxy = None if _is_loopback(host) or proxy_bypass(host) else getproxies().get(parts.scheme)
    if proxy is None:
        return urllib3.PoolManager(maxsize=_CONNECTIONS, retries=False)
    return urllib3.ProxyManager(proxy, maxsize=_CONNECTIONS, retries=False)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
