"""The books in the browser judge usage records as the wallet's own do (marketplace/wallet/receipts.py)."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from ledger.keys import WalletKey
from ledger.metering import Tally, Terms, bill, vested
from ledger.typed_data import Voucher, market_domain, sign
from ledger.usage_log import UsageRecord
from ledger.values import SubscriptionId, Units, address, to_hex
from marketplace.wallet.receipts import PAID_FOR_EVER, Agreement, MeterDispute, Receipts
from s4m.supervisor import House

METER = WalletKey(b"\x07" * 32)
ID = SubscriptionId(9 << 64)
SINCE, PERIOD = 1_000, 3_600
MARKET = address("0x" + "11" * 20)
TERMS: dict[str, Any] = {
    "schema": "s4m/terms/1",
    "meters": [
        {"name": "frame", "unit": "K", "units_per_1000": 333},
        {"name": "souvenir", "unit": "piece", "units_per_1000": 25_000},
    ],
    "included_units_per_period": "36000",
    "qoe": {"floor_milli": 500, "discount_bps": 1_234},
    "credit_units": "100",
    "credit_seconds": 10,
}
JUDGE = """async ([terms, facts, lines, proposal]) => {
  const at = (name) => import(`/static/test/js/${name}.js`);
  const [{ Books }, { parseTerms }, { parseRecord }, { marketDomain }] = await Promise.all(
    ['use/books', 'proof/metering', 'proof/record', 'proof/typed_data'].map(at));
  const agreement = { ...facts, terms: parseTerms(terms), since: BigInt(facts.since), period: BigInt(facts.period),
    domain: marketDomain(31337, facts.market), operations: {}, attention: new Map() };
  const books = new Books(agreement, [], []);
  try {
    for (const line of lines) books.trustFirst(parseRecord(line));
    if (proposal) await books.checkProposal(proposal);
  } catch (cause) {
    if (cause.code !== 'meter_dispute') throw cause;
    return { disputed: Number(cause.record) };
  }
  const { size, message } = books.voucher();
  return { size, units: String(message.units), root: message.usageRoot, gap: books.hasGap };
}"""


@pytest.fixture(scope="module")
def page(house: House, browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    page = context.new_page()
    page.goto(house.urls.marketplace + "/")
    yield page
    context.close()


def browsers_word(page: Page, records: Sequence[UsageRecord], proposal: dict[str, Any] | None = None) -> dict[str, Any]:
    facts = {"subscriptionId": str(ID), "since": SINCE, "period": PERIOD, "market": MARKET, "meterKey": METER.address}
    return dict(page.evaluate(JUDGE, [TERMS, facts, [each.to_json() for each in records], proposal]))


def our_word(records: Sequence[UsageRecord], proposal: dict[str, Any] | None = None) -> dict[str, Any]:
    domain = market_domain(31_337, MARKET)
    receipts = Receipts(Agreement(ID, Terms.parse(TERMS), domain, METER.address, since=SINCE, period=PERIOD))
    try:
        for record in records:
            receipts.trust_first(record)
        if proposal:
            receipts.check_proposal(proposal)
    except MeterDispute as dispute:
        return {"disputed": dispute.record}
    voucher, size = receipts.voucher()
    return {"size": size, "units": str(voucher.units), "root": to_hex(voucher.usage_root), "gap": receipts.has_gap}


def honest(count: int) -> list[UsageRecord]:
    """Records as a gateway bills them: pictures above and below the floor, things, and included units that vest."""
    rng, terms, tally, now, made = random.Random(7), Terms.parse(TERMS), Tally(), SINCE * 1_000, []
    for seq in range(count):
        meter, now = rng.choice((0, 0, 0, 1)), now + rng.randrange(1, 3_000)
        quantity, immersion = (1, 0) if meter else (rng.randrange(1, 400), rng.choice((0, 1, 499, 500, 1_724)))
        after = bill(terms, tally, meter, quantity, immersion, vested(terms, SINCE, PERIOD, PAID_FOR_EVER, now))
        units, total = Units(after.billed - tally.billed), Units(after.billed)
        hashed = rng.randbytes(32)
        made.append(UsageRecord(ID, seq, meter, quantity, units, total, now - 1, now, immersion, hashed))
        tally = after
    return made


def proposed(records: Sequence[UsageRecord], size: int, key: WalletKey = METER, more: int = 0) -> dict[str, Any]:
    """The gateway's voucher over the first `size` records, overcounted by `more`."""
    receipts = Receipts(Agreement(ID, Terms.parse(TERMS), market_domain(31_337, MARKET), METER.address, SINCE, PERIOD))
    for record in records[:size]:
        receipts.trust_first(record)
    root = receipts.log.usage_root()
    voucher = Voucher(ID, Units(receipts.total + more), root)
    signature = to_hex(sign(key, market_domain(31_337, MARKET), voucher))
    return {
        "subscriptionId": str(ID), "units": str(voucher.units), "usageRoot": to_hex(root), "size": size,
        "meterSignature": signature,
    }  # fmt: skip


def test_honest_records_have_the_same_units_and_root(page: Page) -> None:
    records = honest(60)
    shuffled = random.Random(3).sample(records, len(records))
    for order in (records, shuffled, records[:20] + records[22:], records + records[:5]):
        assert browsers_word(page, order) == our_word(order)
    assert browsers_word(page, records, proposed(records, 60)) == our_word(records)
    assert browsers_word(page, records, proposed(records, 33)) == our_word(records)


@pytest.mark.parametrize(
    "changes",
    [
        {"units": Units(10_000)}, {"total": Units(10_000)}, {"quantity": 399}, {"meter": 1}, {"meter": 2},
        {"subscription_id": SubscriptionId(6)}, {"end_millis": 1}, {"immersion": 3},
    ],
    ids=lambda changes: next(iter(changes)),
)  # fmt: skip
def test_record_that_is_changed_is_disputed_alike(page: Page, changes: dict[str, Any]) -> None:
    records = honest(12)
    at = next(seq for seq in range(4, 12) if records[seq].meter == 0 and records[seq].immersion in (0, 1_724))
    forged = [*records[:at], replace(records[at], **changes), *records[at + 1 :]]
    assert browsers_word(page, forged) == our_word(forged) == {"disputed": at}


def test_record_that_is_rewritten_is_disputed_alike(page: Page) -> None:
    records = honest(5)
    forged = [*records, replace(records[2], request_hash=b"\x01" * 32)]
    assert browsers_word(page, forged) == our_word(forged) == {"disputed": 2}


@pytest.mark.parametrize("wrong", ["units", "root", "key", "subscription"])
def test_voucher_that_differs_is_disputed_alike(page: Page, wrong: str) -> None:
    records = honest(9)
    proposal = {
        "units": proposed(records, 9, more=1),
        "root": {**proposed(records, 9), "usageRoot": proposed(records, 8)["usageRoot"]},
        "key": proposed(records, 9, WalletKey(b"\x08" * 32)),
        "subscription": {**proposed(records, 9), "subscriptionId": "7"},
    }[wrong]
    assert browsers_word(page, records, proposal) == our_word(records, proposal) == {"disputed": 8}
