"""A service that ends while it is used: the call under way is answered and billed, a new one is refused with cause."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from gateway_house import GRANT, NEVER, Bought, GatewayHouse

from ledger.values import to_hex
from marketplace.wallet.use import UsageSession, Use, UseRefused
from orchestrator.calls import FunctionClient
from orchestrator.gateway.errors import Draining
from orchestrator.gateway.shapes import Route
from orchestrator.gateway.under_way import UnderWay
from orchestrator.mmf import Parting
from orchestrator.runtime.port import InstanceSpec
from trust.gate import GateAuth

SLOW = {"rate_mbps": 5.0, "snr_db": 60.0}
"""A frame takes seconds over this link."""


@dataclass
class Slow:
    """A subscription with a call that is under way."""

    bought: Bought
    session: UsageSession
    call: "asyncio.Task[Use]"


@pytest.fixture
async def slow(house: GatewayHouse) -> Slow:
    bought = await house.served()
    session = await house.session(bought, habit=NEVER, patience_s=0)
    call = asyncio.create_task(session.use("frame", {"budget_k": 30}, radio=SLOW))
    await until(lambda: under_way(house, house.sockets["link"]))
    return Slow(bought, session, call)


@pytest.fixture
async def mmf(house: GatewayHouse) -> AsyncIterator[httpx.AsyncClient]:
    client = house.component("mmf")
    yield client
    await client.aclose()


async def until(true: Callable[[], Awaitable[Any]], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not await true():  # noqa: ASYNC110 (another process's state)
            await asyncio.sleep(0.02)


async def under_way(house: GatewayHouse, socket: str) -> int:
    async with house.component("mmf") as client:
        return int((await client.get("/sockets", params={"path": socket})).json()["underWay"])


async def delete_route(client: httpx.AsyncClient, bought: Bought) -> dict[str, Any]:
    answer = await client.delete(f"/routes/{bought.id}")
    assert answer.status_code == 200, answer.text
    return {name: value for name, value in answer.json().items() if name != "subscriptionId"}


async def to_settle(client: httpx.AsyncClient, bought: Bought) -> list[dict[str, Any]]:
    vouchers = (await client.get("/vouchers")).json()["vouchers"]
    return [one for one in vouchers if one["subscriptionId"] == str(bought.id)]


async def refused(session: UsageSession) -> UseRefused:
    with pytest.raises(UseRefused) as caught:
        await session.use("frame", {"budget_k": 20})
    return caught.value


async def test_route_withdrawn_in_a_call_stays_until_it_is_answered_and_takes_no_new_one(
    house: GatewayHouse, operators: httpx.AsyncClient, slow: Slow
) -> None:
    assert await delete_route(operators, slow.bought) == {"deleted": False, "underWay": 1}
    late = await refused(slow.session)
    assert (late.http_status, late.server_code) == (409, "draining")
    assert "buy again" in str(late)
    assert await delete_route(operators, slow.bought) == {"deleted": False, "underWay": 1}
    assert not slow.call.done()

    used = await slow.call
    assert used.record.seq == 0
    assert used.record.total > 0
    assert await delete_route(operators, slow.bought) == {"deleted": True, "underWay": 0}
    assert (await refused(slow.session)).server_code == "no_route"
    assert await slow.session.sign() == used.record.total
    assert [one["units"] for one in await to_settle(operators, slow.bought)] == [str(used.record.total)]
    await slow.session.close()


async def test_call_under_way_when_the_release_is_mined_is_answered_billed_and_signed(
    house: GatewayHouse, operators: httpx.AsyncClient, slow: Slow
) -> None:
    house.sender_of(slow.bought.buyer).send(house.contracts.market.request_release(slow.bought.id))
    await asyncio.sleep(0.8)  # the gateway has seen the block
    late = await refused(slow.session)
    assert (late.http_status, late.server_code) == (403, "not_entitled")
    assert not slow.call.done()
    used = await slow.call
    assert await slow.session.sign() == used.record.total > 0
    [voucher] = await to_settle(operators, slow.bought)
    assert voucher["usageRoot"] == to_hex(slow.session.receipts.voucher()[0].usage_root)
    assert voucher["units"] == str(used.record.total)
    assert await delete_route(operators, slow.bought) == {"deleted": True, "underWay": 0}
    await slow.session.close()


async def test_route_put_again_while_it_drains_serves_again(
    house: GatewayHouse, operators: httpx.AsyncClient, slow: Slow
) -> None:
    assert not (await delete_route(operators, slow.bought))["deleted"]
    assert (await operators.put(f"/routes/{slow.bought.id}", json=house.route(slow.bought))).status_code == 200
    assert (await slow.session.use("frame", {"budget_k": 20})).record.total > 0
    await slow.call
    await slow.session.close()


async def test_a_model_that_was_moved_is_parted_from_after_the_last_call_over_it(
    house: GatewayHouse, operators: httpx.AsyncClient
) -> None:
    """New calls go over the new one meanwhile; then the old one can be stopped, and nobody notices."""
    old, new = (str(house.runtime.ensure(link_named(name)).socket) for name in ("link-old", "link-new"))
    bought = await house.served(sockets={**house.sockets, "link": old})
    session = await house.session(bought, habit=NEVER, patience_s=0)
    call = asyncio.create_task(session.use("frame", {"budget_k": 30}, radio=SLOW))
    await until(lambda: under_way(house, old))
    auth = GateAuth(house.identities["mmf"], "gateway")
    gateway = FunctionClient("gateway", auth, asyncio.get_running_loop(), base_url=house.url)
    parting = asyncio.create_task(asyncio.to_thread(Parting(gateway), [old]))
    await asyncio.sleep(0.3)
    moved = house.route(bought, sockets={**house.sockets, "link": new})
    assert (await operators.put(f"/routes/{bought.id}", json=moved)).status_code == 200
    assert (await session.use("frame", {"budget_k": 20})).record.seq == 0
    assert not parting.done()
    assert not call.done()
    await parting
    house.runtime.delete("link-old")
    assert (await call).record.seq == 1
    assert (await session.use("frame", {"budget_k": 20})).record.seq == 2
    await session.close()
    await gateway.close()


def link_named(name: str) -> InstanceSpec:
    return InstanceSpec(name, "orchestrator.models.terahertz_link", GRANT, 512)


async def test_socket_that_nobody_knows_is_not_in_use(house: GatewayHouse, mmf: httpx.AsyncClient) -> None:
    await house.served()
    link = (await mmf.get("/sockets", params={"path": house.sockets["link"]})).json()
    assert link == {"path": house.sockets["link"], "routed": True, "underWay": 0}
    none = (await mmf.get("/sockets", params={"path": "/nowhere"})).json()
    assert none == {"path": "/nowhere", "routed": False, "underWay": 0}
    assert (await mmf.get("/sockets")).status_code == 422


async def test_calls_have_their_time_and_no_more(house: GatewayHouse, operators: httpx.AsyncClient) -> None:
    """With no time at all the route goes at once; what was begun is still billed, or says that it was not."""
    house.stop_gateway()
    house.start_gateway(S4M_DRAIN_LIMIT_S="0")
    try:
        bought = await house.served()
        session = await house.session(bought, habit=NEVER, patience_s=0)
        call = asyncio.create_task(session.use("frame", {"budget_k": 30}, radio=SLOW))
        await until(lambda: under_way(house, house.sockets["link"]))
        assert await delete_route(operators, bought) == {"deleted": True, "underWay": 0}
        assert (await refused(session)).server_code == "no_route"
        assert (await call).record.total == session.receipts.total > 0
        await session.close()
    finally:
        house.stop_gateway()
        house.start_gateway()


def test_calls_are_counted_by_socket_and_draining_has_a_beginning(house: GatewayHouse) -> None:
    now = [100.0]
    counted, route = UnderWay(lambda: now[0]), Route.model_validate(house.route(house.buy()))
    with counted.over(route), counted.over(route):
        assert counted.calls(house.sockets["link"]) == 2
    assert counted.calls(house.sockets["link"]) == 0
    assert counted.drain(7) == 0
    now[0] += 5
    assert counted.drain(7) == 5
    with pytest.raises(Draining):
        counted.require_open(7)
    counted.require_open(8)
    counted.reopen(7)
    counted.require_open(7)
    assert counted.drain(7) == 0
