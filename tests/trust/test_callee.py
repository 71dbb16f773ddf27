"""The callee proves itself on every answer, in httpx's flows and in calls that no httpx carries; else it is unused."""

import ast
import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from trust_apps import gateway_app, mmf_app
from trust_yard import Yard, session

from trust import callee
from trust.callee import HEADER, STREAMED, AnswerUnproven, Call, Callees
from trust.enrol import enrol_components, revoke_component
from trust.enrolment import Enrolment
from trust.errors import CalleeUnproven
from trust.gate import GateAuth
from trust.journal import Journal, rows
from trust.keys import ComponentIdentity, ProofKey

Clients = Callable[..., httpx.AsyncClient]
CALL = Call("mmf", "POST", "/offers", "a proof")
BODY = b'{"offer":7}'


@pytest.fixture
def callees(yard: Yard) -> Iterator[Callees]:
    with Journal(yard.home / "vmof.jsonl") as journal:
        yield Callees(yard.enrolment, journal)


@pytest.fixture
def auth(yard: Yard, callees: Callees) -> GateAuth:
    return yard.auth("vmof", "mmf", callees=callees)


async def test_callee_signs_answers_refusals_and_what_is_public(yard: Yard, client_of: Clients, auth: GateAuth) -> None:
    async with client_of(mmf_app(yard.gate("mmf")), auth) as client:
        assert (await client.get("/pool")).status_code == 200
        assert (await client.post("/offers", json={})).json()["body"] == "{}"
        assert (await client.get("/health")).status_code == 200
        assert (await client.get("/nowhere")).status_code == 403
        assert (await client.post("/offers", content=b"x" * (1 << 21))).status_code == 413
    assert yard.decisions("vmof") == []


async def test_nobody_else_is_shown_a_signature(yard: Yard, client_of: Clients) -> None:
    async with client_of(mmf_app(yard.gate("mmf"))) as stranger:
        assert HEADER not in (await stranger.get("/health")).headers
        assert HEADER not in (await stranger.get("/pool")).headers
    async with client_of(gateway_app(yard.gate("gateway")), session(yard, ProofKey.generate())) as buyer:
        assert HEADER not in (await buyer.post("/use/7")).headers


def spoilt(app: FastAPI, change: Callable[[dict[str, str], bytes], bytes]) -> Callable[..., object]:
    """The app behind somebody who changes its answers' headers and body under way."""

    async def between(scope: dict[str, object], receive: object, send: Callable[..., object]) -> None:
        pieces: list[dict[str, object]] = []

        async def keep(message: dict[str, object]) -> None:
            pieces.append(message)

        await app(scope, receive, keep)  # type: ignore[arg-type]
        head = pieces[0]
        headers = {name.decode(): value.decode() for name, value in head["headers"]}  # type: ignore[attr-defined]
        body = change(headers, b"".join(piece.get("body", b"") for piece in pieces[1:]))  # type: ignore[misc]
        status = int(headers.pop(":status", head["status"]))  # type: ignore[call-overload]
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({**head, "status": status, "headers": raw})  # type: ignore[misc]
        await send({"type": "http.response.body", "body": body})  # type: ignore[misc]

    return between


def stripped(headers: dict[str, str], body: bytes) -> bytes:
    del headers[HEADER.lower()]
    return body


def altered(headers: dict[str, str], body: bytes) -> bytes:
    return body.replace(b"component", b"compomemt")


def promoted(headers: dict[str, str], body: bytes) -> bytes:
    headers[":status"] = "201"
    return body


def garbled(headers: dict[str, str], body: bytes) -> bytes:
    headers[HEADER.lower()] = "ü.-.ü".encode().decode("latin-1")
    return body


@pytest.mark.parametrize("change", [stripped, altered, promoted, garbled])
async def test_answer_changed_on_its_way_is_not_used(
    yard: Yard, client_of: Clients, auth: GateAuth, change: Callable[[dict[str, str], bytes], bytes]
) -> None:
    app = spoilt(mmf_app(yard.gate("mmf")), change)
    async with client_of(app, auth) as client:
        with pytest.raises(AnswerUnproven):
            await client.get("/pool")
    assert yard.decisions("vmof") == [("deny", "callee_unproven")]
    row = next(rows(yard.home / "vmof.jsonl"))
    assert (row["app"], row["path"]) == ("vmof", "/pool")
    assert row["caller"] == yard.house.identities["mmf"].spiffe_id


async def test_component_that_is_another_is_not_believed(yard: Yard, client_of: Clients, auth: GateAuth) -> None:
    gate = yard.gate("mmf")
    gate.identity = yard.house.identities["gateway"]
    async with client_of(mmf_app(gate), auth) as client:
        with pytest.raises(AnswerUnproven, match="key"):
            await client.get("/pool")


async def test_answer_to_another_request_is_not_believed(yard: Yard, client_of: Clients, auth: GateAuth) -> None:
    kept: list[tuple[dict[str, str], bytes]] = []

    def replayed(headers: dict[str, str], body: bytes) -> bytes:
        kept.append((dict(headers), body))
        headers.clear()
        headers.update(kept[0][0])
        return kept[0][1]

    async with client_of(spoilt(mmf_app(yard.gate("mmf")), replayed), auth) as client:
        assert (await client.get("/pool")).status_code == 200
        with pytest.raises(AnswerUnproven, match="this request"):
            await client.get("/pool")


async def test_revoked_key_proves_nothing_any_more(yard: Yard, client_of: Clients, callees: Callees) -> None:
    house, own = yard.house, ComponentIdentity.generate("mmf")
    await asyncio.to_thread(enrol_components, house.contracts, house.sender, [own])
    await asyncio.to_thread(house.await_final)
    enrolment = house.enrolment(refresh_s=0)
    auth = yard.auth("vmof", "mmf", callees=replace(callees, enrolment=enrolment))
    gate = yard.gate("mmf")
    gate.identity = own
    async with client_of(mmf_app(gate), auth) as client:
        assert (await client.get("/pool")).status_code == 200
        await asyncio.to_thread(revoke_component, house.contracts, house.sender, house.domain_id, own)
        with pytest.raises(AnswerUnproven, match="revoked"):
            await client.get("/pool")
    enrolment.close()


async def test_answer_in_pieces_is_proven_by_its_head(yard: Yard, client_of: Clients, callees: Callees) -> None:
    async def lines():  # type: ignore[no-untyped-def]
        yield b"1\n"
        yield b"2\n"

    header = callee.sign(yard.house.identities["mmf"], CALL, 200, STREAMED)
    view = await yard.enrolment.current()
    assert callee.verify(header, CALL, 200, view, time.time()) == STREAMED
    callee.require_body(STREAMED, CALL, b"anything")
    with pytest.raises(CalleeUnproven):
        callee.verify(header.replace(".-.", ".x."), CALL, 200, view, time.time())
    app = gateway_app(yard.gate("gateway"), lines)
    orchestrator = yard.auth("orchestrator", "gateway", callees=callees)
    async with client_of(app, orchestrator) as client:
        assert (await client.get("/usage/7/log")).status_code == 403  # signed too, though no row lets it in


async def test_calls_without_httpx_are_judged_alike(yard: Yard, auth: GateAuth) -> None:
    good = callee.sign(yard.house.identities["mmf"], CALL, 200, callee.digest(BODY))
    await auth.require_callee(CALL, 200, good, BODY)
    for call, status, header, body in (
        (CALL, 200, "", BODY),
        (CALL, 201, good, BODY),
        (CALL, 200, good, b"{}"),
        (replace(CALL, proof="another"), 200, good, BODY),
        (replace(CALL, method="PUT"), 200, good, BODY),
        (replace(CALL, component="msmf"), 200, good, BODY),
    ):
        with pytest.raises(AnswerUnproven):
            await auth.require_callee(call, status, header, body)


def test_blocking_clients_are_judged_alike(yard: Yard, auth: GateAuth) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        call = Call("mmf", "GET", "/pool", request.headers["DPoP"])
        signed = callee.sign(yard.house.identities["mmf"], call, 200, callee.digest(b"good"))
        body = b"good" if request.url.query == b"" else b"evil"
        return httpx.Response(200, content=body, headers={HEADER: signed})

    with httpx.Client(transport=httpx.MockTransport(answer), base_url="http://mmf", auth=auth) as client:
        assert client.get("/pool").content == b"good"
        with pytest.raises(AnswerUnproven, match="body"):
            client.get("/pool?evil")


def test_keys_that_cannot_be_looked_up_prove_nobody(yard: Yard) -> None:
    blind = Enrolment(yard.house.contracts, yard.house.domain_id, tolerate_s=-1)
    header = callee.sign(yard.house.identities["mmf"], CALL, 200, callee.digest(BODY))
    auth = yard.auth("vmof", "mmf", callees=Callees(blind))
    with pytest.raises(AnswerUnproven, match="last read"):
        asyncio.run(auth.require_callee(CALL, 200, header, BODY))
    blind.close()


def test_no_program_calls_a_component_without_judging_who_answers() -> None:
    root = Path(__file__).resolve().parents[2]
    files = [file for program in ("marketplace", "orchestrator", "s4m") for file in (root / program).rglob("*.py")]
    found = [(file, call) for file in files for call in calls_of("GateAuth", file)]
    assert len(found) >= 3
    assert [file for file, call in found if "callees" not in {each.arg for each in call.keywords}] == []


def calls_of(name: str, file: Path) -> list[ast.Call]:
    walked = ast.walk(ast.parse(file.read_text()))
    return [node for node in walked if isinstance(node, ast.Call) and getattr(node.func, "id", "") == name]
