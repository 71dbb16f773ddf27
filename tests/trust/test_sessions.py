"""Buyers' sessions at the gateway's own gate."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from trust_apps import gateway_app
from trust_yard import Yard, code, session

from trust import tokens
from trust.gate import SessionAuth
from trust.keys import ProofKey
from trust.sessions import SessionIssuer

Clients = Callable[..., httpx.AsyncClient]


@pytest.mark.parametrize("alg", ["EdDSA", "ES256"])
async def test_buyer_uses_the_subscription(yard: Yard, client_of: Clients, alg: str) -> None:
    key = ProofKey.generate(alg)  # type: ignore[arg-type]
    async with client_of(gateway_app(yard.gate("gateway")), session(yard, key)) as client:
        answer = await client.post("/use/7", json={"operation": "frame"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["subject"] == "subscription:7"
    assert answer.json()["subscription"] == 7
    assert answer.json()["jkt"] == key.jkt


def test_session_token_lives_at_most_120_s_and_never_longer_than_its_binding(yard: Yard) -> None:
    issuer = SessionIssuer(yard.house.identities["gateway"], clock=lambda: 1_000.5)
    assert issuer.mint(7, "jkt", ends=9_999)[1] == 1_120
    assert issuer.mint(7, "jkt", ends=1_060)[1] == 1_060
    with pytest.raises(ValueError, match="ended"):
        issuer.mint(7, "jkt", ends=1_000)


async def test_session_reaches_no_other_subscription(yard: Yard, client_of: Clients) -> None:
    yard.entitled.add(8)
    async with client_of(gateway_app(yard.gate("gateway")), session(yard, ProofKey.generate())) as client:
        for path in ("/use/8", "/use/07", "/use/7%20", "/use/7.0", "/use/+7"):
            assert code(await client.post(path)) == "not_allowed", path


async def test_session_reaches_no_route_of_components(yard: Yard, client_of: Clients) -> None:
    async with client_of(gateway_app(yard.gate("gateway")), session(yard, ProofKey.generate())) as client:
        assert code(await client.put("/routes/7")) == "not_allowed"


async def test_component_may_not_use_a_subscription(yard: Yard, client_of: Clients) -> None:
    async with client_of(gateway_app(yard.gate("gateway")), yard.auth("orchestrator", "gateway")) as client:
        assert code(await client.post("/use/7")) == "not_allowed"
        assert (await client.put("/routes/7")).status_code == 200


async def test_released_subscription_is_refused_at_once(yard: Yard, client_of: Clients) -> None:
    async with client_of(gateway_app(yard.gate("gateway")), session(yard, ProofKey.generate())) as client:
        assert (await client.post("/use/7")).status_code == 200
        yard.entitled.clear()
        answer = await client.post("/use/7")
    assert answer.status_code == 403
    assert code(answer) == "not_entitled"
    assert yard.decisions("gateway") == [("allow", "ok"), ("deny", "not_entitled")]


async def test_session_token_from_another_component_is_refused(yard: Yard, client_of: Clients) -> None:
    key = ProofKey.generate()
    token = tokens.mint(
        yard.house.identities["marketplace"],
        audience="gateway",
        now=time.time(),
        subject="subscription:7",
        jkt=key.jkt,
    )
    async with client_of(gateway_app(yard.gate("gateway")), SessionAuth(lambda: token, key)) as client:
        assert code(await client.post("/use/7")) == "token_invalid"


async def test_session_token_with_another_key_is_refused(yard: Yard, client_of: Clients) -> None:
    stolen = session(yard, ProofKey.generate())
    thief = SessionAuth(stolen._token, ProofKey.generate(), clock=yard.clock)
    async with client_of(gateway_app(yard.gate("gateway")), thief) as client:
        assert code(await client.post("/use/7")) == "proof_invalid"


async def test_opening_a_session_needs_a_proof_and_tells_its_key(yard: Yard, client_of: Clients) -> None:
    key = ProofKey.generate("ES256")
    app = gateway_app(yard.gate("gateway"))
    async with client_of(app, SessionAuth(lambda: None, key)) as client:
        answer = await client.post("/sessions", json={"jkt": key.jkt})
        assert answer.json()["kind"] == "signed"
        assert answer.json()["jkt"] == key.jkt
    async with client_of(app) as client:
        assert code(await client.post("/sessions", json={})) == "proof_invalid"


async def test_proof_of_opening_a_session_passes_once(yard: Yard, client_of: Clients) -> None:
    auth = SessionAuth(lambda: None, ProofKey.generate())
    request = next(auth.sync_auth_flow(httpx.Request("POST", "http://app/sessions", content=b"{}")))
    async with client_of(gateway_app(yard.gate("gateway"))) as client:
        headers = {"DPoP": request.headers["DPoP"]}
        assert (await client.post("/sessions", content=b"{}", headers=headers)).status_code == 200
        assert code(await client.post("/sessions", content=b"{}", headers=headers)) == "proof_replayed"


async def test_proxied_path_is_accepted_only_where_the_gate_knows_the_prefix(yard: Yard, client_of: Clients) -> None:
    key = ProofKey.generate("ES256")
    auth = SessionAuth(session(yard, key)._token, key)
    request = next(auth.sync_auth_flow(httpx.Request("POST", "https://market/gateway/use/7", content=b"")))
    headers = {name: request.headers[name] for name in ("Authorization", "DPoP")}
    async with client_of(gateway_app(yard.gate("gateway"))) as client:
        assert code(await client.post("/use/7", headers=headers)) == "proof_invalid"
    async with client_of(gateway_app(yard.gate("gateway", prefixes=("/gateway",)))) as client:
        assert (await client.post("/use/7", headers=headers)).status_code == 200


@pytest.mark.parametrize("header", [None, "S4M-Audit-Grant"])
async def test_log_opens_to_a_named_signed_header_only(yard: Yard, client_of: Clients, header: str | None) -> None:
    gate = yard.gate("gateway")
    app = gateway_app(gate)
    if header is None:
        async with client_of(app) as client:
            assert code(await client.get("/usage/7/log")) == "token_missing"
    else:
        row = gate.policy.find("gateway", "GET", "/usage/{}/log")
        assert row is not None
        assert row.signed_header == header.lower()


def log_of(yard: Yard, source: Callable[[], AsyncIterator[bytes]], ends_in: int = 3_600) -> httpx.AsyncClient:
    """A buyer's client of a gateway whose log is `source`; callers are verified anew each 0.1 s."""
    app = gateway_app(yard.gate("gateway", recheck_s=0.1), source)
    auth = session(yard, ProofKey.generate(), ends_in=ends_in)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://app", auth=auth)


async def test_stream_ends_when_the_subscription_does(yard: Yard) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x"
            yard.entitled.clear()
            await asyncio.sleep(0.01)

    async with log_of(yard, endless) as client:
        answer = await client.get("/usage/7/log")
    assert set(answer.content) == {ord("x")}
    assert yard.decisions("gateway") == [("allow", "ok"), ("deny", "not_entitled")]


async def test_silent_stream_is_cut_too_and_its_source_closed(yard: Yard) -> None:
    closed: list[bool] = []

    async def silent() -> AsyncIterator[bytes]:
        try:
            await asyncio.Event().wait()
            yield b"never"
        finally:
            closed.append(True)

    async with log_of(yard, silent, ends_in=1) as client:
        assert (await client.get("/usage/7/log")).content == b""
    assert closed == [True]
    assert yard.decisions("gateway")[-1] == ("deny", "not_entitled")


async def test_stream_that_ends_by_itself_ends(yard: Yard) -> None:
    async def three() -> AsyncIterator[bytes]:
        for number in range(3):
            yield str(number).encode()

    async with log_of(yard, three) as client:
        assert (await client.get("/usage/7/log")).content == b"012"
    assert yard.decisions("gateway") == [("allow", "ok")]


async def test_stream_passes_its_sources_error_on(yard: Yard) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"1"
        raise RuntimeError("disk")

    async with log_of(yard, broken) as client:
        with pytest.raises(RuntimeError, match="disk"):
            await client.get("/usage/7/log")
