"""Measured, not assumed: a link that falls lowers R, immersion and the bill, and who hides it is found out."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path
from typing import Any

import httpx
import pytest
from gateway_house import NEVER, TERMS, Bought, GatewayHouse

from ledger.measured import Measured
from ledger.metering import immersion_milli
from ledger.typed_data import AuditGrant, Voucher, sign
from ledger.usage_log import UsageLog, UsageRecord
from ledger.values import Units, to_hex
from marketplace.audit import checks, logs
from marketplace.audit.facts import fold
from marketplace.projection import addresses_of
from marketplace.wallet.use import MeterDispute

FLOOR = TERMS["qoe"]["floor_milli"]
BUDGET = {"budget_k": 40, "objects": [4, 9]}
"""Two objects of attention 5 at 20 K each: Σ a ln(x / x_th) is 2.88."""


async def frame(session: Any, x: float) -> Any:
    return await session.use("frame", {**BUDGET, "view": {"x": x}})


async def test_link_halved_behind_the_gateways_back_halves_immersion_and_lowers_the_bill(house: GatewayHouse) -> None:
    bought = await house.served()
    session = await house.session(bought, habit=NEVER)
    house.configure_link(bought, rate_mbps=300, snr_db=60)
    full = await frame(session, 1.0)
    house.configure_link(bought, rate_mbps=150, snr_db=60)
    half = await frame(session, 2.0)
    rates = [use.info["rate_bps"] for use in (full, half)]
    assert rates == [pytest.approx(300e6, rel=0.01), pytest.approx(150e6, rel=0.01)]
    assert half.record.immersion == pytest.approx(full.record.immersion / 2, rel=0.02)
    assert half.record.immersion < FLOOR <= full.record.immersion
    assert (full.record.quantity, full.record.units) == (40, 40)
    assert (half.record.quantity, half.record.units) == (40, 32)  # 20 % off, as the plan says
    assert await session.sign() == 72
    await session.close()


class HidingTheFall(httpx.AsyncBaseTransport):
    """A gateway that bills a frame under the floor as if it had kept it. Its meter key signs whatever it says."""

    def __init__(self, house: GatewayHouse, honest_rate: bool) -> None:
        self._house = house
        self._honest_rate = honest_rate
        self._way = httpx.AsyncHTTPTransport()
        self.posted: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.posted.append(request.url.path)
        response = await self._way.handle_async_request(request)
        await response.aread()
        if "S4M-Record" in response.headers:
            self._embellish(response)
        return response

    async def aclose(self) -> None:
        await self._way.aclose()

    def _embellish(self, response: httpx.Response) -> None:
        true, info = unpacked(response.headers["S4M-Record"]), unpacked(response.headers["S4M-Info"])
        immersion = true["immersion"] if self._honest_rate else 2 * true["immersion"]
        record = UsageRecord.from_json({**true, "immersion": immersion, "units": "40", "total": "40"})
        root = UsageLog.of([record]).usage_root()
        word = sign(
            self._house.meter_key,
            self._house.contracts.market_domain,
            Voucher(record.subscription_id, Units(40), root),
        )
        voucher = {"subscriptionId": str(record.subscription_id), "units": "40", "usageRoot": to_hex(root), "size": 1}
        response.headers["S4M-Record"] = packed(record.to_json())
        response.headers["S4M-Voucher"] = packed({**voucher, "meterSignature": to_hex(word)})
        response.headers["S4M-Info"] = packed(info)


def unpacked(header: str) -> Any:
    return json.loads(urlsafe_b64decode(header + "=" * (-len(header) % 4)))


def packed(document: Any) -> str:
    return urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


@pytest.mark.parametrize(("honest_rate", "field"), [(True, "units"), (False, "immersion")])
async def test_figure_that_hides_the_fall_is_disputed_and_no_voucher_signed(
    house: GatewayHouse, honest_rate: bool, field: str
) -> None:
    bought, way = await house.served(), HidingTheFall(house, honest_rate)
    house.configure_link(bought, rate_mbps=150, snr_db=60)
    session = await house.session(bought, habit=NEVER, transport=way)
    with pytest.raises(MeterDispute) as caught:
        await frame(session, 1.0)
    assert (caught.value.record, caught.value.field) == (0, field)
    await session.close()
    assert (session.vouchers_signed, session.receipts.total) == (0, 0)
    assert f"/vouchers/{bought.id}" not in way.posted


async def test_audit_recomputes_immersion_from_r_e_and_x(house: GatewayHouse, record_file: Path) -> None:
    bought = await house.served()
    session = await house.session(bought, habit=NEVER, record_file=record_file)
    house.configure_link(bought, rate_mbps=150, snr_db=5)
    use = await frame(session, 1.0)
    await session.close()
    granted = await granted_log(house, bought)
    assert granted[1]["measured"] == json.loads(record_file.read_text().splitlines()[0])["measured"]  # noqa: ASYNC240
    seen = Measured.from_json(granted[1]["measured"])
    assert seen.immersion_milli == use.record.immersion
    assert seen.immersion_milli == immersion_milli(
        use.info["rate_bps"], use.info["bep"], [(5.0, tile["w"] * tile["h"] / 4608) for tile in use.info["tiles"]]
    )
    assert findings(house, granted) == []
    assert findings(house, [json.loads(line) for line in record_file.read_text().splitlines()]) == []  # noqa: ASYNC240
    for changed in ({"rate_bps": 2 * seen.rate_bps}, {"bep": 0.4}, {"objects": []}):
        told = [granted[0], {**granted[1], "measured": {**granted[1]["measured"], **changed}}]
        assert findings(house, told) == ["immersion_differs"]


async def granted_log(house: GatewayHouse, bought: Bought) -> list[dict[str, Any]]:
    """The log as an auditor reads it on the buyer's grant."""
    word = AuditGrant(bought.id, house.deployer.address, 2_000_000_000)
    signature = to_hex(sign(bought.buyer, house.contracts.market_domain, word))
    document = {"subscriptionId": str(bought.id), "grantee": word.grantee, "expires": word.expires}
    headers = {"S4M-Audit-Grant": packed({**document, "signature": signature})}
    async with httpx.AsyncClient(base_url=house.url, trust_env=False) as client:
        answer = await client.get(f"/usage/{bought.id}/log", headers=headers)
    return [json.loads(line) for line in answer.text.splitlines()]


def findings(house: GatewayHouse, lines: list[dict[str, Any]]) -> list[str]:
    """What the audit finds in these lines, against the chain."""
    chain, deployment = house.contracts.chain, house.contracts.deployment
    market = fold(chain.logs(deployment.block_number, chain.latest().number, addresses_of(deployment)))
    parsed = logs.parse("\n".join(json.dumps(line) for line in lines))
    return [each.code for log in parsed for each in checks.check_log(log, market, TERMS, house.contracts.market_domain)]
