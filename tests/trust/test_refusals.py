"""The gate over real apps: the good path, and every refusal with its code and its journal row."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import jwt
import pytest
from fastapi import FastAPI
from starlette.routing import Host
from trust_apps import mmf_app
from trust_yard import Yard, code

from trust import proofs, tokens
from trust.journal import verify
from trust.keys import ComponentIdentity, ProofKey
from trust.policy import Policy

Clients = Callable[..., httpx.AsyncClient]
URL = "http://app/offers"


def token_of(yard: Yard, component: str = "vmof", audience: str = "mmf", **changes: object) -> str:
    options = {"now": time.time(), "scope": Policy.load().scopes(audience, component), **changes}
    return tokens.mint(yard.house.identities[component], audience=audience, **options)  # type: ignore[arg-type]


def headers_of(yard: Yard, token: str, body: bytes = b"", **changes: object) -> dict[str, str]:
    """Good headers for POST /offers by VMOF, with `changes` to the proof."""
    key = yard.house.identities["vmof"].key
    options = {"method": "POST", "url": URL, "body": body, "now": time.time(), "token": changes.pop("ath", token)}
    options |= changes
    proof = proofs.prove(options.pop("key", key), **options)  # type: ignore[arg-type]
    return {"Authorization": f"DPoP {token}", "DPoP": proof}


async def test_enrolled_caller_gets_through_with_body_and_name(yard: Yard, client_of: Clients) -> None:
    app = mmf_app(yard.gate("mmf"))
    async with client_of(app, yard.auth("vmof", "mmf")) as client:
        for body in (b"", b'{"a":1}', b"\0" * 100_000):
            answer = await client.post("/offers", content=body)
            assert answer.status_code == 200, answer.text
            assert answer.json()["subject"] == "spiffe://slicing4meta.devnet/vmof"
            assert answer.json()["body"] == body.decode()
        assert (await client.post("/offers/9/acceptance?x=%20y&z=a/b")).status_code == 200
        assert (await client.get("/pool")).status_code == 200
    assert yard.decisions("mmf") == [("allow", "ok")] * 5
    assert verify(yard.home / "mmf.jsonl").seq == 5


def test_sync_client_signs_alike(yard: Yard) -> None:
    request = httpx.Request("POST", URL, content=b"x")
    sent = next(yard.auth("vmof", "mmf").sync_auth_flow(request))
    assert sent.headers["Authorization"].startswith("DPoP ey")
    claims = jwt.decode(sent.headers["DPoP"], options={"verify_signature": False})
    assert claims["bh"] == proofs.digest(b"x")
    assert claims["htm"] == "POST"


async def test_public_route_needs_nothing_and_has_an_anonymous_caller(yard: Yard, client_of: Clients) -> None:
    async with client_of(mmf_app(yard.gate("mmf"))) as client:
        answer = await client.get("/health")
    assert answer.status_code == 200
    assert answer.json()["kind"] == "public"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/secret"),
        ("GET", "/nowhere"),
        ("DELETE", "/pool"),
        ("HEAD", "/pool"),
        ("OPTIONS", "/offers"),
        ("GET", "/offers"),
        ("GET", "/docs"),
        ("GET", "/openapi.json"),
        ("GET", "/redoc"),
        ("POST", "/offers/"),
        ("POST", "//offers"),
        ("POST", "/offers/../secret"),
        ("GET", "/health/../secret"),
    ],
)
async def test_what_no_row_names_is_denied_even_to_enrolled_callers(
    yard: Yard, client_of: Clients, method: str, path: str
) -> None:
    async with client_of(mmf_app(yard.gate("mmf")), yard.auth("vmof", "mmf")) as client:
        answer = await client.request(method, path)
    assert answer.status_code == 403
    assert method == "HEAD" or code(answer) == "not_allowed"
    assert yard.decisions("mmf") == [("deny", "not_allowed")]


async def refused(yard: Yard, client_of: Clients, headers: dict[str, str], body: bytes = b"", status: int = 401) -> str:
    """POST /offers with these headers must be refused and journalled; returns the code."""
    async with client_of(mmf_app(yard.gate("mmf"))) as client:
        answer = await client.post("/offers", content=body, headers=headers)
    assert answer.status_code == status, answer.text
    if status == 401:
        assert answer.headers["www-authenticate"].startswith("DPoP ")
    assert yard.decisions("mmf")[-1] == ("deny", code(answer))
    assert verify(yard.home / "mmf.jsonl").seq == len(yard.decisions("mmf"))
    return code(answer)


async def test_no_token(yard: Yard, client_of: Clients) -> None:
    assert await refused(yard, client_of, {}) == "token_missing"


@pytest.mark.parametrize("value", ["Bearer x", "DPoP", "DPoP x", "DPoP a.b.c", "DPoP " + "a" * 5_000, "Basic Og=="])
async def test_token_that_is_none(yard: Yard, client_of: Clients, value: str) -> None:
    assert await refused(yard, client_of, {"Authorization": value}) == "token_invalid"


async def test_expired_token(yard: Yard, client_of: Clients) -> None:
    token = token_of(yard, now=time.time() - 61)
    assert await refused(yard, client_of, headers_of(yard, token)) == "token_expired"


async def test_token_that_expires_between_two_calls(yard: Yard, client_of: Clients) -> None:
    token = token_of(yard, lifetime_s=20)
    async with client_of(mmf_app(yard.gate("mmf"))) as client:
        assert (await client.post("/offers", headers=headers_of(yard, token))).status_code == 200
        yard.clock.ahead = 21
        answer = await client.post("/offers", headers=headers_of(yard, token, now=yard.clock()))
        assert code(answer) == "token_expired"


async def test_token_of_more_than_120_s(yard: Yard, client_of: Clients) -> None:
    assert await refused(yard, client_of, headers_of(yard, token_of(yard, lifetime_s=121))) == "token_invalid"
    async with client_of(mmf_app(yard.gate("mmf"))) as client:
        headers = headers_of(yard, token_of(yard, lifetime_s=120))
        assert (await client.post("/offers", headers=headers)).status_code == 200


async def test_token_from_the_future(yard: Yard, client_of: Clients) -> None:
    assert await refused(yard, client_of, headers_of(yard, token_of(yard, now=time.time() + 40))) == "token_invalid"


async def test_token_for_another_audience(yard: Yard, client_of: Clients) -> None:
    assert await refused(yard, client_of, headers_of(yard, token_of(yard, audience="vmof"))) == "token_invalid"


async def test_token_of_another_trust_domain(yard: Yard, client_of: Clients) -> None:
    stranger = ComponentIdentity.generate("vmof", "elsewhere.devnet")
    token = tokens.mint(stranger, audience="mmf", now=time.time())
    headers = headers_of(yard, token, key=stranger.key)
    assert await refused(yard, client_of, headers) == "token_invalid"


async def test_key_that_is_not_enrolled(yard: Yard, client_of: Clients) -> None:
    stranger = ComponentIdentity.generate("vmof")
    token = tokens.mint(stranger, audience="mmf", now=time.time())
    assert await refused(yard, client_of, headers_of(yard, token, key=stranger.key)) == "key_not_enrolled"


async def test_enrolled_component_that_poses_as_another(yard: Yard, client_of: Clients) -> None:
    gateway = yard.house.identities["gateway"]
    poser = ComponentIdentity("vmof", gateway.domain, gateway.key)
    token = tokens.mint(poser, audience="mmf", now=time.time(), scope=("offers.write",))
    assert await refused(yard, client_of, headers_of(yard, token, key=poser.key)) == "key_not_enrolled"


@pytest.mark.parametrize("alg", ["none", "HS256", "RS256"])
async def test_token_with_another_algorithm(yard: Yard, client_of: Clients, alg: str) -> None:
    identity = yard.house.identities["vmof"]
    claims = jwt.decode(token_of(yard), options={"verify_signature": False})
    header, _, _ = token_of(yard).partition(".")
    if alg == "none":
        forged = jwt.encode(claims, "", "none", headers={"typ": "at+jwt", "kid": identity.jkt}) + "AAAA"
    elif alg == "HS256":
        secret = identity.public_bytes
        forged = jwt.encode(claims, secret, "HS256", headers={"typ": "at+jwt", "kid": identity.jkt})
    else:
        forged = f"{header}.{token_of(yard).split('.')[1]}.{'A' * 342}"
    assert await refused(yard, client_of, headers_of(yard, forged)) == "token_invalid"


async def test_token_whose_claims_were_changed_after_signing(yard: Yard, client_of: Clients) -> None:
    one, other = token_of(yard).split("."), token_of(yard, lifetime_s=90).split(".")
    forged = ".".join([one[0], other[1], one[2]])
    assert await refused(yard, client_of, headers_of(yard, forged)) == "token_invalid"


async def test_token_bound_to_another_key_than_the_issuers(yard: Yard, client_of: Clients) -> None:
    key = ProofKey.generate()
    token = token_of(yard, jkt=key.jkt)
    assert await refused(yard, client_of, headers_of(yard, token, key=key)) == "token_invalid"


async def test_stolen_token_with_the_thiefs_own_proof(yard: Yard, client_of: Clients) -> None:
    headers = headers_of(yard, token_of(yard), key=ProofKey.generate())
    assert await refused(yard, client_of, headers) == "proof_invalid"


async def test_proof_missing(yard: Yard, client_of: Clients) -> None:
    assert await refused(yard, client_of, {"Authorization": f"DPoP {token_of(yard)}"}) == "proof_invalid"


@pytest.mark.parametrize(
    "change",
    [
        {"method": "PUT"},
        {"method": "post"},
        {"url": "http://app/pool"},
        {"url": "http://app/offers?x=1"},
        {"url": "http://app/offers/"},
        {"url": "http://[bad"},
        {"ath": None},
        {"ath": "another"},
        {"now": 1_000},
        {"now": time.time() + 3_600},
    ],
)
async def test_proof_for_another_request(yard: Yard, client_of: Clients, change: dict[str, object]) -> None:
    assert await refused(yard, client_of, headers_of(yard, token_of(yard), b"", **change)) == "proof_invalid"


async def test_proof_signature_damaged(yard: Yard, client_of: Clients) -> None:
    headers = headers_of(yard, token_of(yard))
    start, _, signature = headers["DPoP"].rpartition(".")
    headers["DPoP"] = f"{start}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"
    assert await refused(yard, client_of, headers) == "proof_invalid"


async def test_two_proofs_or_two_tokens(yard: Yard, client_of: Clients) -> None:
    token = token_of(yard)
    headers = headers_of(yard, token)
    async with client_of(mmf_app(yard.gate("mmf"))) as client:
        twice = [*headers.items(), ("DPoP", headers_of(yard, token)["DPoP"])]
        assert code(await client.post("/offers", headers=twice)) == "proof_invalid"
        twice = [*headers.items(), ("Authorization", "DPoP x")]
        assert code(await client.post("/offers", headers=twice)) == "token_invalid"


@pytest.mark.parametrize(("signed", "sent"), [(b"", b"x"), (b"x", b""), (b'{"a":1}', b'{"a":2}')])
async def test_altered_body(yard: Yard, client_of: Clients, signed: bytes, sent: bytes) -> None:
    assert await refused(yard, client_of, headers_of(yard, token_of(yard), body=signed), sent) == "body_altered"


async def test_replayed_proof(yard: Yard, client_of: Clients) -> None:
    headers = headers_of(yard, token_of(yard))
    async with client_of(mmf_app(yard.gate("mmf"))) as client:
        assert (await client.post("/offers", headers=headers)).status_code == 200
    assert await refused(yard, client_of, headers) == "proof_replayed"


async def test_refused_request_does_not_use_up_its_proof(yard: Yard, client_of: Clients) -> None:
    headers = headers_of(yard, token_of(yard), body=b"x")
    assert await refused(yard, client_of, headers, b"altered on the way") == "body_altered"
    async with client_of(mmf_app(yard.gate("mmf"))) as client:
        assert (await client.post("/offers", headers=headers, content=b"x")).status_code == 200


async def test_component_that_the_row_does_not_name(yard: Yard, client_of: Clients) -> None:
    async with client_of(mmf_app(yard.gate("mmf")), yard.auth("orchestrator", "mmf")) as client:
        answer = await client.post("/offers")
        assert answer.status_code == 403
        assert code(answer) == "not_allowed"
        assert (await client.get("/pool")).status_code == 200


async def test_token_with_a_narrower_scope(yard: Yard, client_of: Clients) -> None:
    async with client_of(mmf_app(yard.gate("mmf")), yard.auth("vmof", "mmf", scope=("pool.read",))) as client:
        assert (await client.get("/pool")).status_code == 200
        assert code(await client.post("/offers")) == "not_allowed"


async def test_body_over_the_limit_is_refused_before_it_is_kept(yard: Yard, client_of: Clients) -> None:
    async with client_of(mmf_app(yard.gate("mmf")), yard.auth("vmof", "mmf")) as client:
        assert (await client.post("/offers", content=b"x" * (1 << 20))).status_code == 200
        answer = await client.post("/offers", content=b"x" * ((1 << 20) + 1))
    assert answer.status_code == 413
    assert code(answer) == "body_too_large"


Message = dict[str, object]


async def drive(yard: Yard, receive: Callable[[], Awaitable[Message]], **options: object) -> list[Message]:
    """POST /offers at the ASGI level with good headers and a `receive` of one's own; what was sent back."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(name.lower().encode(), value.encode()) for name, value in headers_of(yard, token_of(yard)).items()]
    scope = {"type": "http", "method": "POST", "path": "/offers", "raw_path": b"/offers", "query_string": b""}
    await mmf_app(yard.gate("mmf", **options))({**scope, "headers": headers}, receive, send)  # type: ignore[arg-type]
    return sent


async def test_body_over_the_limit_without_a_length_is_not_read_on(yard: Yard) -> None:
    taken = 0

    async def receive() -> Message:
        nonlocal taken
        taken += 1
        return {"type": "http.request", "body": b"x" * 65_536, "more_body": True}

    assert (await drive(yard, receive))[0]["status"] == 413
    assert taken == 17


async def test_body_that_never_ends_is_cut_off(yard: Yard) -> None:
    async def receive() -> Message:
        await asyncio.sleep(0.02)
        return {"type": "http.request", "body": b"x", "more_body": True}

    assert (await drive(yard, receive, body_timeout_s=0.2))[0]["status"] == 408
    assert yard.decisions("mmf") == [("deny", "body_too_slow")]


async def test_client_that_hangs_up_gets_no_answer_and_no_effect(yard: Yard) -> None:
    async def receive() -> Message:
        return {"type": "http.disconnect"}

    assert await drive(yard, receive) == []
    assert yard.decisions("mmf") == []


async def test_websocket_is_closed(yard: Yard) -> None:
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        return {"type": "websocket.connect"}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    await mmf_app(yard.gate("mmf"))({"type": "websocket", "path": "/health", "headers": []}, receive, send)  # type: ignore[arg-type]
    assert [message["type"] for message in sent] == ["websocket.close"]


def test_app_is_protected_once(yard: Yard) -> None:
    gate = yard.gate("mmf")
    app = mmf_app(gate)
    with pytest.raises(ValueError, match="already has a gate"):
        gate.protect(app)


def test_app_with_a_route_that_cannot_be_guarded_is_refused_at_once(yard: Yard) -> None:
    app = FastAPI()
    app.router.routes.append(Host("elsewhere", app=FastAPI()))
    with pytest.raises(TypeError, match="cannot guard a Host"):
        yard.gate("mmf").protect(app)


async def test_tokens_and_proofs_never_enter_the_journal(yard: Yard, client_of: Clients, tmp_path: Path) -> None:
    token = token_of(yard)
    headers = headers_of(yard, token)
    async with client_of(mmf_app(yard.gate("mmf"))) as client:
        await client.post("/offers?secret=1", headers=headers)
        await client.post("/offers", headers=headers)
    journal = (tmp_path / "mmf.jsonl").read_text()
    assert token not in journal
    assert headers["DPoP"] not in journal
    assert "secret" not in journal
