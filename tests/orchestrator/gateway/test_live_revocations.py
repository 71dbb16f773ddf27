"""What is revoked while a real gateway sends an answer ends that answer, and refuses the next call: tokens, keys,
subjects, component keys on the chain, and the subscription itself."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing

import httpx
from gateway_house import NEVER, GatewayHouse

from marketplace.wallet.use import UsageSession
from trust import jws, tokens
from trust.auth import GateAuth
from trust.enrol import enrol_components, revoke_component
from trust.journal import rows
from trust.keys import ComponentIdentity
from trust.revocations import Kind, Revocation
from trust.stores import open_revocations

PATIENCE_S = 20.0


@asynccontextmanager
async def following(client: httpx.AsyncClient, path: str, auth: httpx.Auth) -> AsyncIterator[httpx.Response]:
    """A log that goes on as it grows; its head is there."""
    async with client.stream("GET", path, params={"follow": "true"}, auth=auth) as answer:
        assert answer.status_code == 200
        yield answer


async def ends(answer: httpx.Response) -> None:
    """Reads until the gateway ends it."""
    async with asyncio.timeout(PATIENCE_S):
        async for _ in answer.aiter_bytes():
            pass


async def ends_by(session: UsageSession, subscription: int, take_away: Callable[[], None]) -> str:
    """What the gateway says to the next call of a session whose followed log ended by this."""
    async with following(session._http, f"/usage/{subscription}/log", session._auth) as log:
        await asyncio.to_thread(take_away)
        await ends(log)
    answer = await session._http.get(f"/usage/{subscription}/voucher", auth=session._auth)
    return str(answer.json()["code"])


async def revoked_beside_the_chain(house: GatewayHouse, kind: Kind) -> str:
    bought = await house.served()
    session = await house.session(bought, habit=NEVER)
    token = session._auth._token()
    assert token is not None
    values = {
        Kind.TOKEN: str(jws.parse(token, tokens.TYP).claims["jti"]),
        Kind.SUBJECT: f"subscription:{bought.id}",
        Kind.KEY: session._auth._key.jkt,
    }

    def revoke() -> None:
        with closing(open_revocations("", house.home)) as store:
            store.add(Revocation(kind, values[kind], "stolen"), time.time())

    return await ends_by(session, bought.id, revoke)


async def test_revocation_beside_the_chain_ends_streams_and_calls(house: GatewayHouse) -> None:
    kinds = (Kind.TOKEN, Kind.SUBJECT, Kind.KEY)
    refusals = await asyncio.gather(*(revoked_beside_the_chain(house, kind) for kind in kinds))
    assert refusals == ["token_revoked", "token_revoked", "reauthentication_required"]


async def test_component_key_revoked_on_the_chain_ends_its_streams_and_calls(house: GatewayHouse) -> None:
    bought, own = await house.served(), ComponentIdentity.generate("operator")
    operator = house.sender_of(house.operator)
    domain_id = await asyncio.to_thread(enrol_components, house.contracts, operator, [own])
    house.devnet.mine(3)
    auth = GateAuth(own, "gateway")
    async with httpx.AsyncClient(base_url=house.url, trust_env=False, timeout=PATIENCE_S) as client:
        await until(lambda: client.get(f"/logs/{bought.id}", auth=auth), 200)
        async with following(client, f"/logs/{bought.id}", auth) as log:
            await asyncio.to_thread(revoke_component, house.contracts, operator, domain_id, own)
            await ends(log)
        assert (await client.get(f"/logs/{bought.id}", auth=auth)).json()["code"] == "key_revoked"
    denied = [row["code"] for row in rows(house.home / "journal" / "gateway.jsonl") if row["outcome"] == "deny"]
    assert denied[-2:] == ["key_revoked"] * 2, "the ended stream and the refused call"


async def test_released_subscription_ends_streams_and_calls(house: GatewayHouse) -> None:
    bought = await house.served()
    session = await house.session(bought, habit=NEVER)
    market = house.contracts.market

    def release() -> None:
        house.sender_of(bought.buyer).send(market.request_release(bought.id))
        house.sender_of(house.deployer).send(market.release(bought.id))  # the model's owner need not wait

    refusal = await ends_by(session, bought.id, release)
    assert refusal == "not_entitled"


async def until(ask: Callable[[], "asyncio.Future[httpx.Response]"], status: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while (await ask()).status_code != status:  # noqa: ASYNC110 — what is awaited happens on a chain
            await asyncio.sleep(0.05)
