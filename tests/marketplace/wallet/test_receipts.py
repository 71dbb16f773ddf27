"""The buyer's own books: what fits is taken in, whatever differs is a dispute that names record and field."""

import io
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ledger.keys import WalletKey
from ledger.metering import Terms, immersion_milli
from ledger.typed_data import Voucher, market_domain, sign
from ledger.usage_log import UsageRecord
from ledger.values import SubscriptionId, Units, address, to_hex
from marketplace.wallet.receipts import Agreement, MeterDispute, Receipts

METER = WalletKey(b"\x07" * 32)
ID = SubscriptionId(5)
REQUEST = sha256(b"request").digest()
TERMS = Terms.parse(
    {
        "schema": "s4m/terms/1",
        "meters": [{"name": "frame", "unit": "K", "units_per_1000": 500}],
        "included_units_per_period": "3600",
        "qoe": {"floor_milli": 1000, "discount_bps": 5000},
        "credit_units": "100",
        "credit_seconds": 10,
    }
)
DOMAIN = market_domain(31337, address("0x" + "11" * 20))
AGREEMENT = Agreement(ID, TERMS, DOMAIN, METER.address, since=1000, period=3600, meters={"frame": 0})


def record(seq: int, units: int, total: int, **changes: Any) -> UsageRecord:
    good = UsageRecord(
        subscription_id=ID,
        seq=seq,
        meter=0,
        quantity=200,
        units=Units(units),
        total=Units(total),
        start_millis=1_000_000,
        end_millis=1_010_000,
        immersion=2000,
        request_hash=REQUEST,
    )
    return replace(good, **changes)


FIRST = record(0, 90, 90)  # 100 units, of which 10 s of a period of 3,600 units an hour are free


def test_records_in_order_or_not_taken_in_by_their_sequence() -> None:
    receipts = Receipts(AGREEMENT)
    receipts.take(record(1, 100, 190))
    assert (receipts.has_gap, receipts.total) == (True, 0)
    receipts.take(FIRST)
    assert (receipts.has_gap, receipts.total, receipts.log.size) == (False, 190, 2)
    receipts.take(FIRST)
    assert receipts.log.size == 2


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("units", {"units": Units(91), "total": Units(91)}),
        ("total", {"total": Units(91)}),
        ("units", {"immersion": 500}),
        ("units", {"quantity": 199}),
        ("subscriptionId", {"subscription_id": SubscriptionId(6)}),
        ("meter", {"meter": 1}),
        ("endMillis", {"end_millis": 999_999}),
    ],
)
def test_record_that_differs_is_disputed_by_field(field: str, changes: dict[str, Any]) -> None:
    receipts = Receipts(AGREEMENT)
    with pytest.raises(MeterDispute) as caught:
        receipts.take(replace(FIRST, **changes))
    assert (caught.value.record, caught.value.field) == (0, field)
    assert receipts.total == 0


def test_record_rewritten_later_is_disputed() -> None:
    receipts = Receipts(AGREEMENT)
    receipts.take(FIRST)
    with pytest.raises(MeterDispute, match="leafHash"):
        receipts.take(replace(FIRST, end_millis=1_010_001))


def test_answer_to_another_request_or_meter_is_disputed() -> None:
    receipts = Receipts(AGREEMENT)
    with pytest.raises(MeterDispute, match="requestHash"):
        receipts.check_answer("frame", sha256(b"other").digest(), FIRST, {}, b"")
    with pytest.raises(MeterDispute, match="meter"):
        receipts.check_answer("frame", REQUEST, replace(FIRST, meter=1), {}, b"")


def picture(width: int, height: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height)).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    ("immersion", "size", "field"), [(0, (480, 192), ""), (1, (480, 192), "immersion"), (0, (200, 192), "tiles")]
)
def test_immersion_recomputed_from_the_picture_that_came(immersion: int, size: tuple[int, int], field: str) -> None:
    info = {
        "tiles": [{"object": 4, "x": 0, "y": 0, "w": 480, "h": 192}],
        "attention": {"4": 5.0},
        "rate_bps": 5e8,
        "bep": 0.01,
    }
    value = immersion_milli(5e8, 0.01, [(5.0, 20.0)])
    receipts = Receipts(replace(AGREEMENT, attention={4: 5.0}))
    given = replace(FIRST, immersion=value + immersion)
    if not field:
        receipts.check_answer("frame", REQUEST, given, info, picture(*size))
        return
    with pytest.raises(MeterDispute) as caught:
        receipts.check_answer("frame", REQUEST, given, info, picture(*size))
    assert caught.value.field == field


def proposal(receipts: Receipts, key: WalletKey = METER, **changes: Any) -> dict[str, Any]:
    voucher = Voucher(ID, Units(receipts.total), receipts.log.usage_root())
    signature = to_hex(sign(key, DOMAIN, voucher))
    document = {"subscriptionId": str(ID), "units": str(voucher.units), "usageRoot": to_hex(voucher.usage_root)}
    return {**document, "size": receipts.log.size, "meterSignature": signature, **changes}


def test_proposed_voucher_checked_against_own_log() -> None:
    receipts = Receipts(AGREEMENT)
    receipts.take(FIRST)
    receipts.check_proposal(proposal(receipts))
    for field, spoilt in {
        "voucher.units": proposal(receipts, units="91"),
        "voucher.usageRoot": proposal(receipts, usageRoot=to_hex(b"\x01" * 32)),
        "voucher.meterSignature": proposal(receipts, key=WalletKey.create()),
    }.items():
        with pytest.raises(MeterDispute) as caught:
            receipts.check_proposal(spoilt)
        assert caught.value.field == field


def test_memory_survives_restart_and_foreign_records_are_disputed(tmp_path: Path) -> None:
    file = tmp_path / "use.jsonl"
    receipts = Receipts(AGREEMENT, file)
    receipts.sending(REQUEST)
    receipts.take(FIRST)
    with file.open("a") as cut:
        cut.write('{"record": {"se')  # a crash in the middle of a line
    again = Receipts(AGREEMENT, file)
    assert (again.total, again.log.usage_root()) == (90, receipts.log.usage_root())
    again.adopt(FIRST)
    again.adopt(record(1, 100, 190))  # our request, whose answer was lost
    with pytest.raises(MeterDispute, match="requestHash"):
        again.adopt(record(2, 100, 290, request_hash=sha256(b"not ours").digest()))
    assert Receipts(AGREEMENT, file).total == 190


def test_signed_state_of_the_gateway_must_fit_own_log() -> None:
    receipts = Receipts(AGREEMENT)
    receipts.take(FIRST)
    receipts.resume_signed(1, to_hex(receipts.log.usage_root()))
    assert receipts.unsigned_units == 0
    with pytest.raises(MeterDispute, match=r"voucher\.usageRoot"):
        receipts.resume_signed(1, to_hex(b"\x02" * 32))
    with pytest.raises(MeterDispute, match="size"):
        receipts.resume_signed(2, to_hex(b"\x02" * 32))
