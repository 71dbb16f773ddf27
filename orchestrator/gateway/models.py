"""Calls to running models over their Unix sockets: one HTTP client per socket, with a time-out.

Used by `link.py` and `use.py`. A model that is down, slow or failing raises `ModelUnavailable`; one that says no raises
`ModelRefused`, or `ModelMisses` where it has not got the thing (a cache miss). Nothing here meters.
"""

import asyncio
import json
import ssl
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from orchestrator.gateway.errors import ModelRefused, ModelUnavailable
from orchestrator.gateway.performance import PerformanceBoard

MOST_BYTES = 64 * 1024 * 1024
"""The longest answer of a model."""


class ModelMisses(ModelRefused):
    """The model has not got what was asked for."""

    code, status, title = "model_misses", 404, "The model has not got it"


@dataclass(frozen=True)
class ModelAnswer:
    """A model's answer: its bytes, its measured quantity in the meter's unit, and what it says of them."""

    body: bytes
    content_type: str
    quantity: int
    info: dict[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Tenant:
    """For whom a model works: the subscription whose data it may touch, and what that one was granted."""

    subscription: str
    grant: Mapping[str, int]


class ModelClients:
    """One client per socket path, opened at first use."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self.performance = PerformanceBoard()
        self._clients: dict[str, httpx.AsyncClient] = {}
        self._no_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        """for sockets on which nobody speaks TLS: httpx's own would read all certificates, 20 ms for each model"""

    async def ask(self, socket: str, call: str, tenant: Tenant, params: Mapping[str, Any]) -> ModelAnswer:
        """POST /<call> with JSON parameters."""
        fields = {"params": params, "grant": tenant.grant, "tenant": tenant.subscription}
        with self.performance.models.timed(socket):
            return await self._post(socket, call, json.dumps(fields).encode(), {"Content-Type": "application/json"})

    async def carry(
        self, socket: str, call: str, tenant: Tenant, body: bytes, params: Mapping[str, Any] | None = None
    ) -> ModelAnswer:
        """POST /<call> with raw bytes."""
        headers = {
            "Content-Type": "application/octet-stream",
            "S4M-Params": json.dumps(params or {}),
            "S4M-Grant": json.dumps(dict(tenant.grant)),
            "S4M-Tenant": tenant.subscription,
        }
        return await self._post(socket, call, body, headers)

    async def configure(self, socket: str, fields: Mapping[str, Any]) -> None:
        """POST /configure."""
        await self._post(socket, "configure", json.dumps(fields).encode(), {"Content-Type": "application/json"})

    @property
    def open_sockets(self) -> frozenset[str]:
        """The sockets to which connections are kept."""
        return frozenset(self._clients)

    async def hang_up(self, socket: str) -> None:
        """Close the connections to one socket; they are opened anew when it is used again."""
        self.performance.models.forget(socket)
        client = self._clients.pop(socket, None)
        if client is not None:
            await client.aclose()

    async def close(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            await client.aclose()
        self._clients.clear()

    async def _post(self, socket: str, call: str, content: bytes, headers: dict[str, str]) -> ModelAnswer:
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._client(socket).stream("POST", f"/{call}", content=content, headers=headers) as response,
            ):
                return _judged(call, response, await _body(call, response))
        except (httpx.HTTPError, TimeoutError) as cause:
            raise _unavailable(call, type(cause).__name__) from cause

    def _client(self, socket: str) -> httpx.AsyncClient:
        if socket not in self._clients:
            transport = httpx.AsyncHTTPTransport(uds=socket, retries=1, verify=self._no_tls)
            self._clients[socket] = httpx.AsyncClient(
                transport=transport, base_url="http://model", timeout=self._timeout_s, trust_env=False
            )
        return self._clients[socket]


def _unavailable(call: str, why: str) -> ModelUnavailable:
    return ModelUnavailable(
        f"The model's `{call}` did not answer ({why}). Nothing was recorded or billed; models are restarted by "
        "themselves, repeat the request with the same request id in a moment.",
        call=call,
    )


async def _body(call: str, response: httpx.Response) -> bytes:
    """The whole body: a program may be anybody's, and its answer is held in memory until it is recorded."""
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MOST_BYTES:
            raise _unavailable(call, f"its answer has more than {MOST_BYTES} bytes")
    return bytes(body)


def _judged(call: str, response: httpx.Response, body: bytes) -> ModelAnswer:
    if response.status_code >= 500:
        raise _unavailable(call, str(response.status_code))
    if response.status_code >= 400:
        kind = ModelMisses if response.status_code == 404 else ModelRefused
        raise kind(f"The model's `{call}` refused: {body[:500].decode(errors='replace')}", call=call)
    try:
        quantity, info = int(response.headers.get("S4M-Quantity", "0")), _info(response.headers.get("S4M-Info", ""))
    except ValueError as cause:
        raise _unavailable(call, "its headers are malformed") from cause
    return ModelAnswer(
        body=body,
        content_type=response.headers.get("Content-Type", "application/octet-stream"),
        quantity=quantity,
        info=info,
        headers={name.lower(): value for name, value in response.headers.items()},
    )


def _info(header: str) -> dict[str, Any]:
    value = json.loads(urlsafe_b64decode(header + "=" * (-len(header) % 4))) if header else {}
    return value if isinstance(value, dict) else {}
