"""What the gateway wrote stands on the chain: vouchers settle, records are proven, souvenirs minted; lapse ends it."""

import asyncio
import json
import time

import httpx
import pytest
from gateway_house import NEVER, GatewayHouse

from ledger.events import AssetMinted, Settled
from ledger.structs import InclusionProof, SignedVoucher
from ledger.usage_log import UsageLog, UsageRecord
from ledger.values import Units, from_hex
from marketplace.wallet.use import UsageSession, UseRefused


async def test_voucher_settles_and_each_record_is_proven_on_chain(
    house: GatewayHouse, operators: httpx.AsyncClient
) -> None:
    bought = await house.served()
    async with await house.session(bought, habit=NEVER) as session:
        for turn in range(3):
            await session.use("frame", {"budget_k": 40, "view": {"x": float(turn)}})
    kept = (await operators.get("/vouchers")).json()["vouchers"]
    given = next(voucher for voucher in kept if voucher["subscriptionId"] == str(bought.id))
    voucher = SignedVoucher(
        bought.id, Units(int(given["units"])), *(from_hex(given[name]) for name in ("usageRoot", "r", "vs"))
    )
    market, sender = house.contracts.market, house.sender_of(house.deployer)
    settled = house.contracts.event_in(sender.send(market.settle([voucher])), Settled)
    assert (settled.units, settled.amount) == (120, 120 * 50)
    async with house.component("operator") as client:
        lines = [json.loads(line) for line in (await client.get(f"/logs/{bought.id}")).text.splitlines()[1:]]
    records = [UsageRecord.from_json(line["record"]) for line in lines]
    log = UsageLog.of(records)
    for record in records:
        proof = InclusionProof(log.size, log.inclusion_proof(record.seq))
        assert market.prove_usage(record, proof, voucher, from_hex(given["meterSignature"]))
    altered = UsageRecord.from_json({**records[0].to_json(), "quantity": "1"})
    proof = InclusionProof(log.size, log.inclusion_proof(0))
    assert not market.prove_usage(altered, proof, voucher, from_hex(given["meterSignature"]))


async def test_souvenir_minted_with_the_gateways_provenance(house: GatewayHouse) -> None:
    bought = await house.served()
    async with await house.session(bought) as session:
        use = await session.use("souvenir", {"object": 3, "seed": int(bought.id) % 2**32, "size": 32})
    assert use.provenance is not None
    call = house.contracts.assets.mint(
        bought.buyer.address,
        from_hex(use.provenance["contentHash"]),
        bought.id,
        use.provenance["uri"],
        from_hex(use.provenance["signature"]),
    )
    minted = house.contracts.event_in(house.sender_of(house.deployer).send(call), AssetMinted)
    assert (minted.creator, minted.subscription_id) == (bought.buyer.address, bought.id)


async def test_lapse_of_paid_time_ends_use(house: GatewayHouse) -> None:
    bought = await house.served(periods=1)
    session = await house.session(bought, habit=NEVER)
    paid_through = house.contracts.market.subscription(bought.id).paid_through
    free = await session.use("frame", {"budget_k": 20})
    assert free.record.quantity == 20
    with pytest.raises(UseRefused) as caught:
        await use_for_ever(session)
    assert caught.value.server_code == "not_entitled"
    assert max(time.time(), house.contracts.chain.latest().timestamp) >= paid_through
    await session.close(sign=False)


async def use_for_ever(session: UsageSession) -> None:
    while True:
        await session.use("frame", {"budget_k": 20})
        await asyncio.sleep(0.2)
