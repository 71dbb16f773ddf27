"""Buyers' sessions at the gateway's own gate."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from trust_apps import gateway_app
from trust_yard import Yard, code, session

from trust import tokens
from trust.caller import Caller, CallerKind
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


async def _endless() -> AsyncIterator[int]:
    number = 0
    while True:
        yield number
        number += 1
        await asyncio.sleep(0.01)


async def _silent(closed: list[bool]) -> AsyncIterator[int]:
    try:
        yield 0
        await asyncio.Event().wait()
    finally:
        closed.append(True)


def buyer(yard: Yard, ends: int = 0) -> Caller:
    gateway = yard.house.identities["gateway"]
    return Caller(
        CallerKind.SESSION, "subscription:7", subscription=7, issuer="gateway", issuer_jkt=gateway.jkt, ends=ends
    )


async def test_stream_ends_when_the_subscription_does(yard: Yard) -> None:
    gate = yard.gate("gateway")
    seen = 0
    async for _ in gate.stream(buyer(yard), _endless(), every_s=0.1):
        seen += 1
        if seen == 5:
            yard.entitled.clear()
    assert 5 <= seen < 60
    assert yard.decisions("gateway") == [("deny", "not_entitled")]


async def test_silent_stream_is_cut_too_and_its_source_closed(yard: Yard) -> None:
    gate = yard.gate("gateway")
    closed: list[bool] = []
    yard.clock.ahead = -5.0
    caller = buyer(yard, ends=int(time.time()) - 4)  # ends in about a second
    begun = time.monotonic()
    assert [item async for item in gate.stream(caller, _silent(closed), every_s=0.2)] == [0]
    assert time.monotonic() - begun < 5
    assert closed == [True]


async def test_stream_that_ends_by_itself_ends(yard: Yard) -> None:
    async def three() -> AsyncIterator[int]:
        for number in range(3):
            yield number

    gate = yard.gate("gateway")
    assert [item async for item in gate.stream(buyer(yard), three())] == [0, 1, 2]


async def test_stream_passes_its_sources_error_on(yard: Yard) -> None:
    async def broken() -> AsyncIterator[int]:
        yield 1
        raise RuntimeError("disk")

    with pytest.raises(RuntimeError, match="disk"):
        [item async for item in yard.gate("gateway").stream(buyer(yard), broken())]
