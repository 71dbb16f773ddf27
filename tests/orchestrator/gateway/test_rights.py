"""Who gets in: sessions, vouchers, grants, components; and who is out at once after a release."""

import asyncio
import json
import time
from base64 import urlsafe_b64encode
from typing import Any

import httpx
import pytest
from gateway_house import NEVER, TERMS, Bought, GatewayHouse

from ledger.keys import WalletKey
from ledger.typed_data import AuditGrant, SessionBinding, Voucher, sign
from ledger.usage_log import UsageLog, UsageRecord
from ledger.values import Units, to_hex
from marketplace.wallet.use import UsageSession, UseRefused
from orchestrator.gateway.app import create_app
from orchestrator.gateway.house import House
from orchestrator.gateway.settings import GatewaySettings
from trust.auth import SessionAuth
from trust.keys import ProofKey
from trust.policy import Policy
from trust.routes import RouteTable


@pytest.fixture
async def stranger(house: GatewayHouse) -> Any:
    async with httpx.AsyncClient(base_url=house.url, trust_env=False) as client:
        yield client


async def post_binding(house: GatewayHouse, bought: Bought, **changes: Any) -> httpx.Response:
    """POST /sessions with a good binding, or one spoilt by `changes` (signer, expires, jkt, proof)."""
    proof_key = ProofKey.generate()
    expires = changes.get("expires", int(time.time()) + 600)
    binding = SessionBinding(bought.id, changes.get("jkt", proof_key.jkt), expires)
    signature = sign(changes.get("signer", bought.session), house.contracts.market_domain, binding)
    asked = {
        "subscriptionId": str(bought.id),
        "jkt": binding.jkt,
        "expires": expires,
        "signature": to_hex(signature),
    }
    async with httpx.AsyncClient(base_url=house.url, trust_env=False) as client:
        return await client.post("/sessions", json=asked, auth=SessionAuth(lambda: None, proof_key))


async def test_use_without_or_with_foreign_token_refused(house: GatewayHouse, stranger: httpx.AsyncClient) -> None:
    bought, other = await house.served(), await house.served()
    body = json.dumps({"requestId": "x", "operation": "frame", "params": {}}).encode()
    bare = await stranger.post(f"/use/{bought.id}", content=body)
    assert (bare.status_code, bare.json()["code"]) == (401, "token_missing")
    session = await house.session(other)
    foreign = await stranger.post(f"/use/{bought.id}", content=body, auth=session._auth)
    assert (foreign.status_code, foreign.json()["code"]) == (403, "not_allowed")
    stolen = SessionAuth(lambda: session._token[0], ProofKey.generate())
    unproven = await stranger.post(f"/use/{other.id}", content=body, auth=stolen)
    assert (unproven.status_code, unproven.json()["code"]) == (401, "proof_invalid")
    forged = SessionAuth(lambda: session._token[0][:-6] + "AAAAAA", session._proof_key)
    broken = await stranger.post(f"/use/{other.id}", content=body, auth=forged)
    assert (broken.status_code, broken.json()["code"]) == (401, "token_invalid")
    await session.close()


async def test_session_binding_spoilt_refused(house: GatewayHouse) -> None:
    bought = await house.served()
    assert (await post_binding(house, bought)).status_code == 200
    for changes in (
        {"signer": WalletKey.create()},
        {"jkt": ProofKey.generate().jkt},
        {"expires": int(time.time()) - 5},
        {"expires": int(time.time()) + 10**7},
    ):
        answer = await post_binding(house, bought, **changes)
        assert (answer.status_code, answer.json()["code"]) == (401, "bad_binding"), changes


async def test_route_only_from_the_orchestrator_and_only_wellformed(
    house: GatewayHouse, operators: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    bought = house.buy()
    assert (await stranger.put(f"/routes/{bought.id}", json=house.route(bought))).status_code == 401
    async with house.component("operator") as operator:
        assert (await operator.put(f"/routes/{bought.id}", json=house.route(bought))).status_code == 403
    bad = house.route(bought, terms={**TERMS, "credit_units": -1})
    answer = await operators.put(f"/routes/{bought.id}", json=bad)
    assert (answer.status_code, answer.json()["code"]) == (422, "terms_invalid")
    assert (await operators.put(f"/routes/{bought.id + 1}", json=house.route(bought))).status_code == 422
    session = await house.session(bought)
    with pytest.raises(UseRefused) as caught:
        await session.use("frame")
    assert caught.value.server_code in ("no_route", "not_entitled")
    await session.close()


async def test_of_several_routes_all_are_taken_or_none(house: GatewayHouse, operators: httpx.AsyncClient) -> None:
    first, second = house.buy(), house.buy()
    bad = house.route(second, terms={**TERMS, "credit_units": -1})
    answer = await operators.put("/routes", json={"routes": [house.route(first), bad]})
    assert (answer.status_code, answer.json()["code"]) == (422, "terms_invalid")
    session = await house.session(first)
    with pytest.raises(UseRefused) as caught:
        await session.use("frame")
    assert caught.value.server_code in ("no_route", "not_entitled")
    both = {"routes": [house.route(first), house.route(second)]}
    assert (await operators.put("/routes", json=both)).json() == {"accepted": 2}
    assert (await session.use("frame")).record.seq == 0
    await session.close()


async def test_vouchers_replayed_older_forged_or_of_another_log_refused(
    house: GatewayHouse, operators: httpx.AsyncClient
) -> None:
    bought = await house.served()
    session = await house.session(bought, habit=NEVER)

    async def post(size: int, units: int | None = None, key: WalletKey | None = None, root: bytes = b"") -> Any:
        receipts = session.receipts
        units = receipts.records[size - 1].total if units is None else units
        voucher = Voucher(bought.id, Units(units), root or receipts.log.usage_root(size))
        signature = sign(key or bought.session, house.contracts.market_domain, voucher)
        posted = {"units": str(units), "usageRoot": to_hex(voucher.usage_root), "size": size}
        content = json.dumps({**posted, "signature": to_hex(signature)})
        answer = await session._http.post(f"/vouchers/{bought.id}", content=content, auth=session._auth)
        return answer.status_code, answer.json().get("code", "accepted")

    for _ in range(3):
        await session.use("frame", {"budget_k": 20})
    assert await post(2) == (200, "accepted")
    assert await post(2) == (200, "accepted")  # replayed: a no-op
    assert await post(1) == (409, "stale_voucher")
    assert await post(3, units=20) == (422, "bad_voucher")
    assert await post(3, root=b"\x01" * 32) == (422, "bad_voucher")
    assert await post(3, key=WalletKey.create()) == (422, "bad_voucher")
    mine = [v for v in await to_settle(operators) if v["subscriptionId"] == str(bought.id)]
    assert [(v["units"], v["size"]) for v in mine] == [("40", 2)]
    since = mine[0]["rowid"]
    await session.close()
    newer = [v for v in await to_settle(operators, since) if v["subscriptionId"] == str(bought.id)]
    assert [(v["units"], v["size"]) for v in newer] == [("60", 3)]


async def to_settle(client: httpx.AsyncClient, since: int = 0) -> list[dict[str, Any]]:
    vouchers: list[dict[str, Any]] = (await client.get("/vouchers", params={"since": since})).json()["vouchers"]
    return vouchers


async def test_release_ends_use_at_once_and_for_good_but_what_was_used_can_be_signed(house: GatewayHouse) -> None:
    bought = await house.served()
    session = await house.session(bought)
    await session.use("frame", {"budget_k": 20})
    house.sender_of(bought.buyer).send(house.contracts.market.request_release(bought.id))
    begun = time.monotonic()
    with pytest.raises(UseRefused) as caught:
        await use_for_ever(session)
    assert caught.value.http_status == 403
    assert caught.value.server_code == "not_entitled"
    assert time.monotonic() - begun < 2.0
    assert session.receipts.unsigned_units > 0
    await session.sign()
    assert session.receipts.unsigned_units == 0
    await session.close()
    answer = await post_binding(house, bought)
    assert (answer.status_code, answer.json()["code"]) == (403, "not_entitled")


async def use_for_ever(session: UsageSession) -> None:
    while True:
        await session.use("frame", {"budget_k": 15})
        await asyncio.sleep(0.05)


async def test_cap_raised_on_chain_lets_use_go_on(house: GatewayHouse) -> None:
    bought = await house.served(cap=40)
    session = await house.session(bought)
    await session.use("frame", {"budget_k": 40})
    with pytest.raises(UseRefused, match="cap"):
        await session.use("frame", {"budget_k": 40})
    house.sender_of(bought.buyer).send(house.contracts.market.raise_cap(bought.id, 100))
    give_up = time.monotonic() + 3
    while True:
        try:
            use = await session.use("frame", {"budget_k": 40})
            break
        except UseRefused:
            assert time.monotonic() < give_up
            await asyncio.sleep(0.1)
    assert use.record.total == 80
    await session.close()


async def test_log_streams_to_buyer_grantee_and_operator_alike(
    house: GatewayHouse, stranger: httpx.AsyncClient
) -> None:
    bought = await house.served()
    session = await house.session(bought, habit=NEVER)
    for _ in range(3):
        await session.use("frame", {"budget_k": 20})
    await session.sign()
    path = f"/usage/{bought.id}/log"
    own = await session._http.get(path, auth=session._auth)
    granted = await stranger.get(path, headers={"S4M-Audit-Grant": grant(house, bought, bought.buyer)})
    async with house.component("operator") as client:
        operators = await client.get(f"/logs/{bought.id}")
    assert own.text == granted.text
    assert without_measured(own.text) == without_measured(operators.text)
    assert "measured" in own.text
    assert "measured" not in operators.text  # what tells of the user is the buyer's to give
    header, *lines = [json.loads(line) for line in own.text.splitlines()]
    log = UsageLog.of(UsageRecord.from_json(line["record"]) for line in lines)
    assert header["voucher"]["usageRoot"] == to_hex(log.usage_root())
    assert [json.loads(line)["record"]["seq"] for line in
            (await session._http.get(f"{path}?from=2", auth=session._auth)).text.splitlines()[1:]] == ["2"]  # fmt: skip
    forged = await stranger.get(path, headers={"S4M-Audit-Grant": grant(house, bought, WalletKey.create())})
    assert (forged.status_code, forged.json()["code"]) == (401, "bad_binding")
    assert (await stranger.get(path)).status_code == 401
    await session.close()


def without_measured(log: str) -> list[Any]:
    return [{key: value for key, value in json.loads(line).items() if key != "measured"} for line in log.splitlines()]


def grant(house: GatewayHouse, bought: Bought, signer: WalletKey) -> str:
    word = AuditGrant(bought.id, WalletKey.create().address, int(time.time()) + 60)
    document = {
        "subscriptionId": str(bought.id),
        "grantee": word.grantee,
        "expires": word.expires,
        "signature": to_hex(sign(signer, house.contracts.market_domain, word)),
    }
    return urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


async def test_log_followed_brings_new_records_as_they_come(house: GatewayHouse) -> None:
    bought = await house.served()
    session = await house.session(bought, habit=NEVER)
    seen: list[str] = []

    async def follow(reader: UsageSession) -> None:
        url = f"/usage/{bought.id}/log?follow=true"
        async with reader._http.stream("GET", url, auth=reader._auth) as answer:
            async for line in answer.aiter_lines():
                seen.append(line)
                if len(seen) == 3:
                    return

    following = asyncio.create_task(follow(session))
    await asyncio.sleep(0.2)
    for _ in range(2):
        await session.use("frame", {"budget_k": 20})
    await asyncio.wait_for(following, 3)
    assert [json.loads(line)["record"]["seq"] for line in seen[1:]] == ["0", "1"]
    await session.close()


async def test_every_route_has_a_policy_row(house: GatewayHouse, tmp_path: Any) -> None:
    for part in ("keys", "deployments"):
        (tmp_path / part).symlink_to(house.home / part)
    opened = House.open(GatewaySettings(home=tmp_path, rpc_url=house.devnet.rpc_url))
    try:
        entries = RouteTable(create_app(opened)).entries
        assert len(entries) == 20
        for entry in entries:
            for method in entry.methods or ():
                assert Policy.load().find("gateway", method, entry.template), f"{method} {entry.template}"
    finally:
        await opened.close()
