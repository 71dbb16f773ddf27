"""The audit finds a single changed digit: in a record, a sum, a root, a signature, or in the money."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from market_yard import Market

from ledger import metering
from ledger.events import Activated, ChainEvent, Released, Settled, Subscribed, TimeCollected
from ledger.keys import WalletKey
from ledger.sender import Sender
from ledger.structs import SignedVoucher
from ledger.typed_data import Activation, Voucher, sign
from ledger.usage_log import UsageLog, UsageRecord
from ledger.values import SubscriptionId, Units, compact, from_hex, to_hex
from marketplace.audit import checks, logs, money
from marketplace.audit.facts import fold
from marketplace.audit.service import ALL_PROOFS, Auditor
from marketplace.errors import ProblemAnswer
from marketplace.projection import addresses_of

SERVICE = "virtual-beach-travel"
RECORDS = 20

Lines = list[dict[str, Any]]


@dataclass
class Used:
    """A subscription with records, a doubly signed voucher, and its settlement on-chain."""

    market: Market
    subscription_id: int
    session: WalletKey
    lines: Lines

    def audit(self, lines: Lines | None = None, proofs: int = 0) -> list[str]:
        """The codes of the findings for these lines."""
        text = "\n".join(json.dumps(line) for line in lines or self.lines)
        documents = self.market.parts.documents
        parts = self.market.parts
        auditor = Auditor(
            parts.chain, parts.deployment, parts.contracts, lambda digest: documents.document(to_hex(digest))
        )
        return sorted({finding.code for finding in auditor.audit(logs.parse(text), proofs).findings})

    def changed(self, index: int, **fields: Any) -> Lines:
        """The log with one record changed, its leaf hash left as the gateway wrote it."""
        lines: Lines = json.loads(json.dumps(self.lines))
        lines[index + 1]["record"] |= fields
        return lines


def _records(market: Market, subscription_id: int, since: int) -> list[UsageRecord]:
    document = market.client.plan(market.plans[SERVICE])["terms"]
    terms, tally, records = metering.Terms.parse(document), metering.Tally(), []
    for seq in range(RECORDS):
        meter, quantity, immersion = (0, 15 + seq, 400 + 20 * seq) if seq % 3 else (2, 1, 0)
        after = metering.bill(terms, tally, meter, quantity, immersion, 0)
        start = (since + seq) * 1000
        records.append(
            UsageRecord(
                subscription_id, seq, meter, quantity, Units(after.billed - tally.billed), Units(after.billed),
                start, start + 40, immersion, bytes([seq]) * 32,
            )  # type: ignore[arg-type]
        )  # fmt: skip
        tally = after
    return records


@pytest.fixture(scope="module")
def used(market: Market, funded_wallet: Callable[..., WalletKey], sender_for: Callable[[WalletKey], Sender]) -> Used:
    contracts, wallet = market.parts.contracts, funded_wallet(credits=10)
    bought = market.client.buy_only(wallet, market.plans[SERVICE], market.request(), 5_000, 1, store=market.store)
    sender = sender_for(WalletKey.create())
    activation = Activation(bought.subscription_id, b"\x05" * 32)
    r, vs = compact(sign(bought.session, contracts.market_domain, activation))
    sender.send(contracts.market.activate(bought.subscription_id, b"\x05" * 32, r, vs))
    since = contracts.market.subscription(bought.subscription_id).since
    records = _records(market, bought.subscription_id, since)
    _settle(market, sender, bought.session, records[:7])
    header = _settle(market, sender, bought.session, records)
    while market.parts.chain.latest().timestamp <= since:
        time.sleep(0.1)
    sender.send(contracts.market.collect_time([bought.subscription_id]))
    lines = [header, *({"record": each.to_json(), "leafHash": to_hex(each.leaf())} for each in records)]
    return Used(market, bought.subscription_id, bought.session, lines)


def _settle(market: Market, sender: Sender, session: WalletKey, records: list[UsageRecord]) -> dict[str, Any]:
    """Settles a voucher over these records; returns the header line that a gateway would write."""
    contracts, root = market.parts.contracts, UsageLog.of(records).usage_root()
    voucher = Voucher(records[-1].subscription_id, records[-1].total, root)
    signature = sign(session, contracts.market_domain, voucher)
    r, vs = compact(signature)
    signed = SignedVoucher(voucher.subscription_id, voucher.units, root, r, vs)
    settled = contracts.event_in(sender.send(contracts.market.settle([signed])), Settled)
    assert settled.units == records[-1].total
    body = {
        "subscriptionId": str(voucher.subscription_id), "units": str(voucher.units), "usageRoot": to_hex(root),
        "size": len(records), "signature": to_hex(signature), "r": to_hex(r), "vs": to_hex(vs),
        "meterSignature": to_hex(sign(market.keys.account("meter"), contracts.market_domain, voucher)),
    }  # fmt: skip
    return {"schema": "s4m/log/1", "subscriptionId": str(voucher.subscription_id), "voucher": body}


def test_an_honest_log_is_proven_record_by_record(used: Used) -> None:
    text = "\n".join(json.dumps(line) for line in used.lines)
    report = used.market.client.audit(text, proofs="all")
    assert report["findings"] == []
    assert (report["ok"], report["records_checked"], report["proofs_checked_on_chain"]) == (True, RECORDS, RECORDS)
    assert int(report["money"]["donated"]) == 0
    assert used.audit(proofs=ALL_PROOFS) == []


def test_settled_use_without_a_log_is_found_where_all_logs_are_due(used: Used) -> None:
    parts = used.market.parts
    documents = parts.documents
    auditor = Auditor(parts.chain, parts.deployment, parts.contracts, lambda digest: documents.document(to_hex(digest)))
    mine = logs.parse("\n".join(json.dumps(line) for line in used.lines))

    def missing(given: list[logs.SubscriptionLog], complete: bool) -> bool:
        """The chain is shared with other tests, whose use has no log either."""
        found = auditor.audit(given, 0, complete=complete).findings
        return ("log_missing", used.subscription_id) in {(each.code, each.subscription_id) for each in found}

    assert missing([], complete=True)
    assert not missing(mine, complete=True)
    assert not missing([], complete=False)


def test_a_log_in_another_order_is_found(used: Used) -> None:
    swapped = [*used.lines[:4], used.lines[5], used.lines[4], *used.lines[6:]]
    assert {"sequence_broken", "root_differs", "voucher_differs"} <= set(used.audit(swapped))


def test_a_record_told_twice_is_found(used: Used) -> None:
    assert {"sequence_broken", "total_differs"} <= set(used.audit([*used.lines[:5], *used.lines[4:]]))


def test_a_voucher_over_another_root_is_found(used: Used) -> None:
    lines: Lines = json.loads(json.dumps(used.lines))
    lines[0]["voucher"]["usageRoot"] = "0x" + "22" * 32
    assert used.audit(lines) == ["meter_signature_wrong", "session_signature_wrong", "voucher_differs"]


def test_a_voucher_over_another_root_well_signed_is_found_all_the_same(used: Used) -> None:
    """Both keys in one forger's hand: the log and the root settled on-chain still say otherwise."""
    lines: Lines = json.loads(json.dumps(used.lines))
    body, domain = lines[0]["voucher"], used.market.parts.contracts.market_domain
    voucher = Voucher(used.subscription_id, Units(int(body["units"])), b"\x22" * 32)  # type: ignore[arg-type]
    body["usageRoot"] = to_hex(voucher.usage_root)
    body["meterSignature"] = to_hex(sign(used.market.keys.account("meter"), domain, voucher))
    body["r"], body["vs"] = map(to_hex, compact(sign(used.session, domain, voucher)))
    assert used.audit(lines) == ["voucher_differs"]
    assert used.audit(lines, proofs=1) == ["proof_refused", "voucher_differs"]


def test_a_whole_log_forged_consistently_misses_what_was_settled(used: Used) -> None:
    """A second, cheaper history: every sum, hash and signature right, only not the one that was settled."""
    records = [UsageRecord.from_json(line["record"]) for line in used.lines[1:]]
    domain = used.market.parts.contracts.market_domain
    forged = [replace(each, request_hash=b"\x33" * 32) for each in records]
    root = UsageLog.of(forged).usage_root()
    voucher = Voucher(records[-1].subscription_id, records[-1].total, root)
    header: dict[str, Any] = json.loads(json.dumps(used.lines[0]))
    header["voucher"]["usageRoot"] = to_hex(root)
    header["voucher"]["meterSignature"] = to_hex(sign(used.market.keys.account("meter"), domain, voucher))
    header["voucher"]["r"], header["voucher"]["vs"] = map(to_hex, compact(sign(used.session, domain, voucher)))
    lines = [header, *({"record": each.to_json(), "leafHash": to_hex(each.leaf())} for each in forged)]
    assert used.audit(lines) == ["root_differs"]


def test_settled_usage_is_shown_from_events(used: Used) -> None:
    usage = used.market.client.usage(used.subscription_id)
    total = used.lines[-1]["record"]["total"]
    assert (usage["units"], len(usage["settled"])) == (total, 3)
    assert int(usage["settled"][-1]["amount"]) >= 1_000_000 // 86_400
    assert int(usage["amount"]) == int(total) * 50 + int(usage["settled"][-1]["amount"])


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("quantity", "999", "units_differ"),
        ("units", "1", "total_differs"),
        ("total", "1", "total_differs"),
        ("seq", "9", "sequence_broken"),
        ("meter", 99, "meter_unknown"),
        ("immersion", 500, "units_differ"),
        ("endMillis", "0", "time_disordered"),
        ("requestHash", "0x" + "ee" * 32, "root_differs"),
        ("subscriptionId", "7", "foreign_record"),
    ],
)
def test_one_changed_field_is_found(used: Used, field: str, value: Any, code: str) -> None:
    found = used.audit(used.changed(4, **{field: value}))
    assert code in found
    assert "leaf_differs" in found
    assert "root_differs" in found or "settled_units_differ" in found


def test_a_consistently_forged_record_still_misses_the_settled_root(used: Used) -> None:
    lines = used.changed(4, requestHash="0x" + "ee" * 32)
    lines[5]["leafHash"] = to_hex(UsageRecord.from_json(lines[5]["record"]).leaf())
    assert used.audit(lines) == ["root_differs", "voucher_differs"]


def test_a_missing_record_is_found(used: Used) -> None:
    assert {"sequence_broken", "total_differs"} <= set(used.audit(used.lines[:4] + used.lines[5:]))
    assert "log_short" in used.audit(used.lines[:-3])


@pytest.mark.parametrize("side", ["session", "meter"])
def test_a_signature_of_somebody_else_is_found(used: Used, side: str) -> None:
    lines: Lines = json.loads(json.dumps(used.lines))
    body = lines[0]["voucher"]
    voucher = Voucher(used.subscription_id, Units(int(body["units"])), from_hex(body["usageRoot"]))  # type: ignore[arg-type]
    forged = sign(WalletKey.create(), used.market.parts.contracts.market_domain, voucher)
    if side == "meter":
        body["meterSignature"] = to_hex(forged)
    else:
        body["r"], body["vs"] = map(to_hex, compact(forged))
    assert used.audit(lines) == [f"{side}_signature_wrong"]
    assert used.audit(lines, proofs=1) == sorted(["proof_refused", f"{side}_signature_wrong"])


def test_a_voucher_over_other_units_is_found(used: Used) -> None:
    lines: Lines = json.loads(json.dumps(used.lines))
    lines[0]["voucher"]["units"] = "1"
    assert "voucher_differs" in used.audit(lines)


def test_other_terms_than_those_on_chain_are_found(used: Used) -> None:
    parts = used.market.parts
    document = used.market.client.plan(used.market.plans[SERVICE])["terms"]
    log = logs.parse("\n".join(json.dumps(line) for line in used.lines))[0]
    market = fold(
        parts.chain.logs(parts.deployment.block_number, parts.chain.latest().number, addresses_of(parts.deployment))
    )
    cheaper = document | {"credit_seconds": 1}
    assert [each.code for each in checks.check_log(log, market, cheaper, parts.contracts.market_domain)] == [
        "terms_differ"
    ]
    assert [each.code for each in checks.check_log(log, market, None, parts.contracts.market_domain)] == [
        "terms_missing"
    ]


def _history(used: Used) -> list[ChainEvent]:
    parts = used.market.parts
    return parts.chain.logs(parts.deployment.block_number, parts.chain.latest().number, addresses_of(parts.deployment))


def _money_codes(events: list[ChainEvent], balance: int) -> set[str]:
    facts = fold(events)
    findings = list(money.check_market(facts, money.money_of(facts, balance, 1)))
    for one in facts.subscriptions.values():
        findings += money.check_subscription(one, facts.plans[one.plan_id])
    return {finding.code for finding in findings}


def test_money_adds_up_and_a_missing_token_is_found(used: Used) -> None:
    parts = used.market.parts
    balance = parts.contracts.credit.balance_of(parts.deployment.market)
    assert _money_codes(_history(used), balance) == set()
    assert _money_codes(_history(used), balance - 1) == {"balance_short"}


def test_tampered_amounts_are_found(used: Used) -> None:
    def change(kind: type, **fields: int) -> list[ChainEvent]:
        history, mine = [], used.subscription_id
        for entry in _history(used):
            hit = isinstance(entry.event, kind) and getattr(entry.event, "subscription_id", 0) == mine
            history.append(replace(entry, event=replace(entry.event, **fields)) if hit else entry)  # type: ignore[arg-type]
        return history

    assert "amount_differs" in _money_codes(change(Settled, amount=10**9), 10**18)
    assert "time_differs" in _money_codes(change(TimeCollected, amount=10**6), 10**18)
    assert "time_differs" in _money_codes(change(Activated, paid_through=5), 10**18)
    assert "reserved_differs" in _money_codes(change(Subscribed, reserved=5), 10**18)
    end = replace(_history(used)[-1], event=Released(used.subscription_id, used.session.address, 1))  # type: ignore[arg-type]
    assert "refund_differs" in _money_codes([*_history(used), end], 10**18)


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"record":{}}', '{"x":1}', '{"subscriptionId":"5","voucher":{"usageRoot":"0x"}}']
)
def test_a_malformed_log_is_refused_by_name(market: Market, text: str) -> None:
    with pytest.raises(ProblemAnswer) as caught:
        market.client.audit(text)
    assert (caught.value.http_status, caught.value.server_code) == (400, "malformed_log")


def test_logs_without_headers_are_told_apart_by_their_records() -> None:
    def line(subscription: int, seq: int) -> str:
        record = UsageRecord(
            subscription_id=SubscriptionId(subscription), seq=seq, meter=0, quantity=1, units=Units(1),
            total=Units(seq + 1), start_millis=1, end_millis=2, immersion=0, request_hash=bytes(32),
        )  # fmt: skip
        return json.dumps({"record": record.to_json()})

    voucher = {"subscriptionId": "5", "units": "1", "usageRoot": "0x" + "00" * 32, "size": 1}
    text = "\n".join([line(5, 0), json.dumps({"subscriptionId": "5", "voucher": voucher}), line(5, 1), line(6, 0)])
    parsed = logs.parse(text)
    assert [(log.subscription_id, log.size) for log in parsed] == [(5, 2), (6, 1)]


def test_a_log_of_an_unknown_subscription(used: Used) -> None:
    lines: Lines = json.loads(json.dumps(used.lines))
    for line in lines:
        line.pop("voucher", None)
        (line if "subscriptionId" in line else line["record"])["subscriptionId"] = str(5 << 64 | 1 << 32 | 1)
        line.pop("leafHash", None)
    assert used.audit(lines) == ["subscription_unknown"]
