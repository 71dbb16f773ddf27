"""Delegation: a pass is never wider than what it was made of, counts across a restart, and ends when it is revoked."""

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from gateway_house import NEVER, Bought, GatewayHouse

from ledger.keys import WalletKey
from ledger.values import SubscriptionId
from marketplace.wallet.passes import PassSession, revoke
from marketplace.wallet.receipts import MeterDispute
from marketplace.wallet.use import UseRefused
from trust import jws, passes
from trust.auth import SessionAuth
from trust.errors import PassRefused
from trust.keys import ProofKey
from trust.passes import Limits

OPENED: list[PassSession] = []


@pytest.fixture(autouse=True)
def sessions_closed() -> Iterator[None]:
    yield
    while OPENED:
        OPENED.pop().close()


def limits(units: int = 100, operations: tuple[str, ...] = ("frame",), lasts: int = 600) -> Limits:
    return Limits(frozenset(operations), units, int(time.time()) + lasts)


class Friend:
    """Somebody with a key of their own and a pass for it."""

    def __init__(self, house: GatewayHouse, bought: Bought, allowed: Limits, signer: WalletKey | None = None) -> None:
        self.house = house
        self.key = ProofKey.generate("ES256")
        domain = house.contracts.market_domain
        self.document = passes.grant(signer or bought.session, domain, bought.id, self.key.jkt, allowed)
        self._open()

    def _open(self) -> None:
        self.session = PassSession(self.house.url, self.document, self.key)
        OPENED.append(self.session)

    @property
    def pass_id(self) -> str:
        return passes.read(self.document, self.house.contracts.market_domain).last.id

    def narrowed(self, allowed: Limits) -> "Friend":
        """Another friend, with a pass made of this one."""
        other = object.__new__(Friend)
        other.house, other.key = self.house, ProofKey.generate()
        domain = self.house.contracts.market_domain
        other.document = passes.narrow(self.document, domain, self.key, other.key.jkt, allowed)
        other._open()
        return other

    async def use(self, budget_k: int = 20, operation: str = "frame", request_id: str = "") -> Any:
        return await asyncio.to_thread(self.session.use, operation, {"budget_k": budget_k}, request_id)

    async def refused(self, *arguments: Any, **named: Any) -> str:
        with pytest.raises(UseRefused) as caught:
            await self.use(*arguments, **named)
        assert caught.value.body["remedy"]
        return caught.value.server_code


@pytest.fixture
async def bought(house: GatewayHouse) -> Bought:
    return await house.served()


async def test_pass_of_session_key_or_buyer_uses_and_is_metered(house: GatewayHouse, bought: Bought) -> None:
    for signer in (bought.session, bought.buyer):
        friend = Friend(house, bought, limits(), signer)
        made = await friend.use(20)
        assert made.content_type.startswith("image/")
        assert made.record.units == 20
    buyer = await house.session(bought, habit=NEVER)
    told = (await buyer._http.get(f"/passes/{bought.id}", auth=buyer._auth)).json()
    assert [each["spent"] for each in told["passes"]] == ["20", "20"]


async def test_buyer_signs_for_what_the_delegates_own_proofs_show(house: GatewayHouse, bought: Bought) -> None:
    buyer = await house.session(bought, habit=NEVER)
    await buyer.use("frame", {"budget_k": 20})
    friend = Friend(house, bought, limits())
    await friend.use(20)
    await buyer.use("frame", {"budget_k": 20})
    assert buyer.receipts.has_gap
    assert await buyer.sign() == 60


async def test_record_that_no_delegate_proved_stays_disputed(house: GatewayHouse, bought: Bought) -> None:
    buyer = await house.session(bought, habit=NEVER)
    await buyer.use("frame", {"budget_k": 10})
    stranger = Friend(house, bought, limits())
    await stranger.use(10)
    buyer._agreement = house.agreement(await house.served())  # whose buyer and key signed no such pass
    buyer._session_key = WalletKey.create()
    with pytest.raises((MeterDispute, UseRefused)):
        await buyer._catch_up()


async def test_pass_used_by_another_key_or_signed_by_a_stranger_is_refused(house: GatewayHouse, bought: Bought) -> None:
    friend, thief = Friend(house, bought, limits()), ProofKey.generate()
    with PassSession(house.url, friend.document, thief) as stolen, pytest.raises(UseRefused) as caught:
        stolen.use("frame")
    assert caught.value.server_code == "pass_refused"
    assert await Friend(house, bought, limits(), WalletKey.create()).refused() == "pass_refused"
    assert await Friend(house, bought, limits(lasts=-1)).refused() == "pass_refused"


async def test_delegate_reaches_use_alone_and_allowed_operations_alone(house: GatewayHouse, bought: Bought) -> None:
    friend = Friend(house, bought, limits())
    await friend.use(10)
    assert await friend.refused(operation="souvenir") == "pass_refused"
    auth = SessionAuth(lambda: friend.session._token[0], friend.key)
    async with httpx.AsyncClient(base_url=house.url, trust_env=False) as client:
        for path in (f"/usage/{bought.id}/log", f"/usage/{bought.id}/voucher", f"/passes/{bought.id}"):
            answer = await client.get(path, auth=auth)
            assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed"), path
        voucher = await client.post(f"/vouchers/{bought.id}", json={}, auth=auth)
        assert (voucher.status_code, voucher.json()["code"]) == (403, "not_allowed")
        other = await house.served()
        foreign = await client.post(f"/use/{other.id}", json={}, auth=auth)
        assert (foreign.status_code, foreign.json()["code"]) == (403, "not_allowed")


async def test_what_is_spent_and_revoked_outlives_a_kill(house: GatewayHouse, bought: Bought) -> None:
    friend, banned = Friend(house, bought, limits(units=60)), Friend(house, bought, limits())
    await friend.use(20)
    await friend.use(20)
    await banned.use(20)
    domain = house.contracts.market_domain
    await asyncio.to_thread(revoke, house.url, domain, bought.buyer, bought.id, banned.pass_id)
    house.stop_gateway()
    house.start_gateway()
    assert await friend.refused(40) == "pass_spent"
    assert (await friend.use(20)).record.units == 20
    assert await friend.refused(1) == "pass_spent"
    assert await banned.refused(20) == "signed_out"


async def test_parallel_uses_do_not_overdraw_a_pass(house: GatewayHouse, bought: Bought) -> None:
    friend = Friend(house, bought, limits(units=45))
    await friend.use(5)
    answers = await asyncio.gather(*(friend.use(20) for _ in range(6)), return_exceptions=True)
    served = [each for each in answers if not isinstance(each, BaseException)]
    assert sum(each.record.units for each in served) <= 40
    assert all(each.server_code == "pass_spent" for each in answers if isinstance(each, UseRefused))


async def test_children_of_a_pass_spend_of_it_together(house: GatewayHouse, bought: Bought) -> None:
    parent = Friend(house, bought, limits(units=60))
    first, second = parent.narrowed(limits(units=40, lasts=500)), parent.narrowed(limits(units=40, lasts=500))
    await first.use(40)
    assert await second.refused(40) == "pass_spent"
    await second.use(20)
    assert await parent.refused(1) == "pass_spent"


async def test_repeated_request_id_is_one_use_and_nobody_elses(house: GatewayHouse, bought: Bought) -> None:
    friend, other = Friend(house, bought, limits()), Friend(house, bought, limits())
    once, again = await friend.use(10, request_id="same"), await friend.use(10, request_id="same")
    assert once.record == again.record
    assert (await other.use(10, request_id="same")).record.seq == once.record.seq + 1


async def test_revoked_pass_and_what_was_made_of_it_end_at_once(house: GatewayHouse, bought: Bought) -> None:
    parent = Friend(house, bought, limits())
    child = parent.narrowed(limits(50, lasts=500))
    await child.use(10)
    domain = house.contracts.market_domain
    with pytest.raises(UseRefused):
        await asyncio.to_thread(revoke, house.url, domain, WalletKey.create(), bought.id, parent.pass_id)
    await child.use(10)
    await asyncio.to_thread(revoke, house.url, domain, bought.session, bought.id, parent.pass_id)
    assert await child.refused(10) == "signed_out", "the live session ends"
    child.session._token = (None, 0)
    assert await child.refused(10) == "pass_refused", "and no new one begins"
    assert await parent.refused(10) == "pass_refused"


async def test_pass_revoked_before_it_was_ever_shown_stays_revoked(house: GatewayHouse, bought: Bought) -> None:
    friend = Friend(house, bought, limits())
    key, domain = bought.buyer, house.contracts.market_domain
    await asyncio.to_thread(revoke, house.url, domain, key, bought.id, friend.pass_id)
    assert await friend.refused() == "pass_refused"


@pytest.fixture
def root(house: GatewayHouse) -> Friend:
    """A pass that no gateway sees: what follows is decided by `trust.passes` alone."""
    return Friend(house, Bought(SubscriptionId(7), WalletKey.create(), WalletKey.create()), limits())


@pytest.mark.parametrize(
    "wider",
    [{"units": 101}, {"operations": ("frame", "souvenir")}, {"operations": ("souvenir",)}, {"lasts": 700}],
)
def test_pass_cannot_be_widened(root: Friend, wider: dict[str, Any]) -> None:
    with pytest.raises(PassRefused, match="wider"):
        root.narrowed(limits(**wider))


def test_chain_cannot_be_longer_reordered_or_signed_by_another(root: Friend) -> None:
    domain, at = root.house.contracts.market_domain, root
    for depth in range(1, passes.MOST):
        at = at.narrowed(limits(100 - depth, lasts=500 - depth))
    with pytest.raises(PassRefused, match="longer"):
        at.narrowed(limits(1, lasts=100))
    links = at.document["links"]
    spoilt: list[Any] = [
        {**at.document, "links": links[1:]},
        {**at.document, "links": [links[1], links[0], links[2]]},
        {**at.document, "links": [links[0][:-6] + "AAAAAA"]},
        {**at.document, "links": [7]},
        {**at.document, "links": "none"},
        {**at.document, "schema": "s4m/pass/2"},
        {**at.document, "root": {**at.document["root"], "units": 100}},
        {**at.document, "root": {**at.document["root"], "more": 1}},
        {**at.document, "root": {**at.document["root"], "signature": "0x"}},
        [],
        None,
    ]
    for document in spoilt:
        with pytest.raises(PassRefused):
            passes.read(document, domain)
    with pytest.raises(PassRefused, match="holder"):
        passes.narrow(root.document, domain, ProofKey.generate(), ProofKey.generate().jkt, limits(1, lasts=1))


def test_altered_root_is_another_signers(root: Friend) -> None:
    domain = root.house.contracts.market_domain
    honest = passes.read(root.document, domain)
    for changes in ({"units": "101"}, {"expires": 1 << 39}, {"operations": ["frame", "souvenir"]}):
        altered = {**root.document, "root": {**root.document["root"], **changes}}
        read = passes.read(altered, domain)
        assert read.signer != honest.signer
        assert read.last.id != honest.last.id


def test_link_with_an_own_key_in_its_header_is_refused(root: Friend) -> None:
    thief, domain = ProofKey.generate(), root.house.contracts.market_domain
    last = passes.read(root.document, domain).last
    claims = {"parent": last.id, "jkt": thief.jkt, "operations": ["frame"], "units": "1", "expires": last.expires}
    forged = jws.sign({"typ": passes.TYP, "jwk": thief.jwk}, {**claims, "salt": "0x" + "00" * 32}, thief)
    with pytest.raises(PassRefused, match="not signed by the holder"):
        passes.read(json.loads(json.dumps({**root.document, "links": [forged]})), domain)
