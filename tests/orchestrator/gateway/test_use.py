"""Using a service through the real gateway process: metering, repeats, caps, links, failures, kills."""

import asyncio
import io
import json
import signal
from base64 import urlsafe_b64decode
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from gateway_house import NEVER, OBJECTS, GatewayHouse
from PIL import Image

from ledger.typed_data import Provenance, asset_uri, recover
from ledger.values import from_hex
from marketplace.wallet.use import UsageSession, UseRefused


def unpacked(header: str) -> Any:
    return json.loads(urlsafe_b64decode(header + "=" * (-len(header) % 4)))


async def test_frame_measured_billed_and_signed_for(house: GatewayHouse, record_file: Path) -> None:
    bought = await house.served()
    session = await house.session(bought, record_file=record_file, habit=NEVER)
    use = await session.use("frame", {"view": {"x": 1.0, "y": 2.0, "yaw": 0.0, "t": 0.0}})
    assert use.content_type == "image/jpeg"
    with Image.open(io.BytesIO(use.body)) as picture:
        picture.load()
        shown = sum(tile["w"] * tile["h"] for tile in use.info["tiles"])
        assert picture.width * picture.height >= shown
    attended = {item["object"]: item["attention"] for item in OBJECTS}
    kept = sorted((attended[tile["object"]] for tile in use.info["tiles"]), reverse=True)
    assert kept == sorted(attended.values(), reverse=True)[: len(kept)]  # the least attended are dropped first
    assert len(kept) == 5  # 100 K, at most 20 an object
    assert use.record.quantity == 100
    assert use.record.units == 100
    assert use.record.immersion > 1
    assert 0.5e9 < use.info["rate_bps"] <= 1.001e9
    await session.close()
    assert session.receipts.signed_size == 1
    lines = [json.loads(line) for line in record_file.read_text().splitlines()]  # noqa: ASYNC240
    assert [next(iter(line)) for line in lines] == ["record", "subscriptionId"]


async def test_frame_again_from_cache_costs_the_same(house: GatewayHouse) -> None:
    session = await house.session(await house.served(), habit=NEVER)
    first = await session.use("frame", {"budget_k": 60, "objects": [4, 9, 3]})
    second = await session.use("frame", {"budget_k": 60, "objects": [4, 9, 3]})
    assert (first.record.quantity, second.record.quantity) == (60, 60)
    assert "cache" not in first.info
    assert second.info["cache"] == "hit"
    assert second.body == first.body
    await session.close()


async def test_damaged_cache_entry_is_made_anew(house: GatewayHouse) -> None:
    bought = await house.served()
    session = await house.session(bought, habit=NEVER)
    params = {"budget_k": 20, "objects": [4]}
    first = await session.use("frame", params)
    asked = {"objects": [{"object": 4, "k": 20.0}]}
    key = sha256(json.dumps(["frame", asked], sort_keys=True).encode()).hexdigest()
    house.put_into_cache(bought, key, b"cut")
    second = await session.use("frame", params)
    assert second.body == first.body
    assert "cache" not in second.info
    assert (await session.use("frame", params)).info["cache"] == "hit"
    await session.close()


async def test_repeated_request_id_returns_first_record_and_bills_once(house: GatewayHouse) -> None:
    session = await house.session(await house.served(), habit=NEVER)
    uses = [await session.use("frame", {"budget_k": 40}, request_id="again") for _ in range(3)]
    assert {use.record.seq for use in uses} == {0}
    assert {use.body for use in uses} == {uses[0].body}
    together = await asyncio.gather(*(session.use("frame", {"budget_k": 20}, request_id="twin") for _ in range(3)))
    assert {use.record.seq for use in together} == {1}
    assert session.receipts.total == 60
    with pytest.raises(UseRefused) as caught:
        await session.use("frame", {"budget_k": 30}, request_id="again")
    assert caught.value.server_code == "request_id_reused"
    await session.close()


async def test_credit_used_up_asks_for_voucher_then_goes_on(house: GatewayHouse) -> None:
    bought = await house.served()
    session = await house.session(bought, habit=NEVER)
    for _ in range(6):  # 600 units with a credit of 300
        await session.use("frame")
    assert session.vouchers_signed == 1
    assert session.receipts.signed_size == 4
    await session.close()
    assert session.receipts.signed_size == 6


async def test_credit_used_up_without_signature_is_refused_with_the_voucher(house: GatewayHouse) -> None:
    bought = await house.served()
    session = await house.session(bought, habit=NEVER)
    for _ in range(4):
        await session.use("frame")
    body = json.dumps({"requestId": "raw", "operation": "frame", "params": {}}).encode()
    answer = await session._http.post(f"/use/{bought.id}", content=body, auth=session._auth)
    assert answer.status_code == 402
    problem = answer.json()
    assert problem["code"] == "voucher_required"
    assert problem["voucher"]["units"] == "400"
    assert problem["voucher"]["size"] == 4
    session.receipts.check_proposal(problem["voucher"])
    await session.close()


async def test_cap_reached_refused_and_never_passed(house: GatewayHouse) -> None:
    session = await house.session(await house.served(cap=250))
    uses = await asyncio.gather(*(session.use("frame") for _ in range(4)), return_exceptions=True)
    refused = [use for use in uses if isinstance(use, UseRefused)]
    assert len(refused) == 2
    assert {refusal.server_code for refusal in refused} == {"cap_reached"}
    await session.use("frame", {"budget_k": 40})
    assert session.receipts.total == 240
    with pytest.raises(UseRefused, match="cap"):
        await session.use("frame", {"budget_k": 15})
    await session.close()


async def test_link_halved_behind_the_gateways_back_halves_recorded_rate(house: GatewayHouse) -> None:
    bought = await house.served()
    session = await house.session(bought, habit=NEVER)
    house.configure_link(bought, rate_mbps=400, snr_db=60)
    full = await session.use("frame", {"view": {"x": 1.0}})
    house.configure_link(bought, rate_mbps=200, snr_db=60)
    half = await session.use("frame", {"view": {"x": 2.0}})
    assert full.info["rate_bps"] == pytest.approx(400e6, rel=0.01)
    assert half.info["rate_bps"] == pytest.approx(200e6, rel=0.01)
    assert half.record.immersion == pytest.approx(full.record.immersion / 2, rel=0.02)
    await session.close()


async def test_noisy_uplink_measured_by_pilot_lowers_immersion_and_price(house: GatewayHouse) -> None:
    bought = await house.served()
    session = await house.session(bought, habit=NEVER)
    noisy = await session.use("frame", {"budget_k": 40}, radio={"rate_mbps": 100, "snr_db": 0.0})
    assert noisy.info["bep"] == pytest.approx(0.1464, abs=0.02)  # BPSK over Rayleigh fading at 0 dB
    assert noisy.record.immersion < 500  # under the plan's floor: 20 % off
    assert (noisy.record.quantity, noisy.record.units) == (40, 32)
    await session.close()


async def test_souvenir_carries_provenance_of_the_very_file(house: GatewayHouse) -> None:
    bought = await house.served()
    session = await house.session(bought)
    use = await session.use("souvenir", {"object": 7, "seed": 3, "size": 64})
    assert use.provenance is not None
    content = sha256(use.body).digest()
    word = Provenance(content, bought.buyer.address, bought.id, asset_uri(content))
    assert from_hex(use.provenance["contentHash"]) == word.content_hash
    signer = recover(house.contracts.assets_domain, word, from_hex(use.provenance["signature"]))
    assert signer == house.meter_key.address
    assert use.record.units == 25
    await session.close()


async def test_bad_use_refused_and_nothing_recorded(house: GatewayHouse) -> None:
    bought = await house.served()
    session = await house.session(bought)
    for operation, params, code in [
        ("fly", {}, "malformed_request"),
        ("frame", {"objects": "all"}, "malformed_request"),
        ("frame", {"objects": [99]}, "malformed_request"),
        ("frame", {"budget_k": -1}, "malformed_request"),
        ("frame", {"format": "gif"}, "model_refused"),
    ]:
        with pytest.raises(UseRefused) as caught:
            await session.use(operation, params)
        assert caught.value.server_code == code
    assert await logged(house, bought.id) == []
    await session.close()


async def test_model_down_is_503_unbilled_and_passes_once_it_is_back(house: GatewayHouse) -> None:
    bought = await house.served()
    session = await house.session(bought, habit=NEVER, patience_s=0.3)
    house.runtime.delete("rendering")
    with pytest.raises(UseRefused) as caught:
        await session.use("frame", {"view": {"x": 9.0}}, request_id="later")
    assert caught.value.server_code == "model_unavailable"
    assert await logged(house, bought.id) == []
    house.ensure("rendering")
    use = await session.use("frame", {"view": {"x": 9.0}}, request_id="later")
    assert use.record.seq == 0
    await session.close()


async def logged(house: GatewayHouse, subscription: int) -> list[dict[str, Any]]:
    async with house.component("operator") as client:
        lines = (await client.get(f"/logs/{subscription}")).text.splitlines()
    return [json.loads(line)["record"] for line in lines[1:]]


async def test_killed_gateway_loses_and_doubles_nothing(house: GatewayHouse, record_file: Path) -> None:
    bought = await house.served()
    session = await house.session(bought, record_file=record_file)

    async def wander(traveller: int) -> list[int]:
        return [(await session.use("frame", {"view": {"x": float(traveller + 2 * n)}})).record.seq for n in range(6)]

    async def kill_twice() -> None:
        for _ in range(2):
            await asyncio.sleep(0.35)
            await asyncio.to_thread(house.stop_gateway, signal.SIGKILL)
            await asyncio.to_thread(house.start_gateway)

    one = await session.use("frame", request_id="one")
    first, second, _ = await asyncio.gather(wander(0), wander(1), kill_twice())
    assert sorted(first + second) == list(range(1, 13))
    repeated = await session.use("frame", request_id="one")
    assert (repeated.record, repeated.body) == (one.record, one.body)
    await session.close()
    records = await logged(house, bought.id)
    assert [int(record["total"]) for record in records] == [100 * n for n in range(1, 14)]
    assert len({record["requestHash"] for record in records}) == 13
    again = await house.session(bought, record_file=record_file)
    assert again.receipts.signed_size == again.receipts.log.size == 13
    assert (await again.use("frame")).record.seq == 13
    await again.close()


async def test_restarted_client_without_memory_takes_over_the_log(house: GatewayHouse) -> None:
    bought = await house.served()
    before = await house.session(bought, habit=NEVER)
    await before.use("frame", {"budget_k": 20})
    await before.close(sign=False)
    after: UsageSession = await house.session(bought, habit=NEVER)
    assert after.receipts.total == 20
    assert (await after.use("frame", {"budget_k": 40})).record.total == 60
    await after.close()


async def test_route_withdrawn_makes_its_models_forget_the_tenant(house: GatewayHouse) -> None:
    bought = await house.served()
    session = await house.session(bought, habit=NEVER)
    asked = {"budget_k": 40, "objects": [4, 9]}
    await session.use("frame", asked)
    assert (await session.use("frame", asked)).info["cache"] == "hit"
    async with house.component("orchestrator") as client:
        assert (await client.delete(f"/routes/{bought.id}")).status_code == 200
        assert (await client.put(f"/routes/{bought.id}", json=house.route(bought))).status_code == 200
    assert "cache" not in (await session.use("frame", asked)).info
    await session.close()
