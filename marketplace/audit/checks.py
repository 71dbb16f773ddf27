"""The usage side of the audit, pure: one subscription's log against its plan's terms and the chain's vouchers.

Finding codes: foreign_record, leaf_differs, sequence_broken, total_differs, time_disordered, meter_unknown,
units_differ, immersion_differs, terms_missing, terms_differ, settled_units_differ, root_differs, log_short,
voucher_differs, session_signature_wrong, meter_signature_wrong, subscription_unknown, log_missing, proof_refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

from ledger import metering
from ledger.errors import SignatureMalformed
from ledger.typed_data import Domain, Voucher, recover
from ledger.usage_log import UsageLog, UsageRecord
from marketplace.audit.facts import MarketFacts, PlanFacts, SubscriptionFacts
from marketplace.audit.logs import SubscriptionLog, VoucherLine
from marketplace.audit.report import Finding
from marketplace.documents import canonical


def check_log(
    log: SubscriptionLog, market: MarketFacts, terms: dict[str, Any] | None, domain: Domain
) -> Iterator[Finding]:
    """Everything that can be said of one log without asking the node again."""
    one = market.subscriptions.get(log.subscription_id)
    if one is None:
        yield Finding("subscription_unknown", log.subscription_id, "the chain knows no such subscription.")
        return
    yield from _check_records(log)
    yield from _check_immersion(log)
    yield from _check_units(log, one, market.plans[one.plan_id], terms)
    yield from _check_roots(log, one)
    if log.voucher is not None:
        yield from _check_voucher(log, log.voucher, one, market, domain)


def check_missing(logs: Iterable[SubscriptionLog], market: MarketFacts) -> Iterator[Finding]:
    """Use that was settled on-chain and whose log nobody shows: withheld, or lost."""
    shown = {log.subscription_id for log in logs}
    for identifier, one in market.subscriptions.items():
        if one.used and identifier not in shown:
            yield Finding("log_missing", identifier, f"{one.used} units are settled, and there is no log of them.")


def isolation_sold(plan: PlanFacts, terms: dict[str, Any] | None) -> int | None:
    """The degree of isolation that a plan sells; None where its very terms are not there."""
    if terms is None or hashlib.sha256(canonical(terms)).digest() != plan.terms_hash:
        return None
    return metering.Terms.parse(terms).isolation


def usage_log_of(log: SubscriptionLog) -> UsageLog:
    """The RFC 6962 tree over the log's records."""
    return UsageLog(line.record.leaf() for line in log.lines)


def _check_records(log: SubscriptionLog) -> Iterator[Finding]:
    total = 0
    for index, line in enumerate(log.lines):
        record, where = line.record, f"record {index}: "
        if record.subscription_id != log.subscription_id:
            yield _finding("foreign_record", log, where + f"it belongs to {record.subscription_id}.")
        if line.leaf_hash is not None and line.leaf_hash != record.leaf():
            yield _finding("leaf_differs", log, where + "its hash is not the one recorded beside it.")
        if record.seq != index:
            yield _finding("sequence_broken", log, where + f"seq is {record.seq}.")
        total += record.units
        if record.total != total:
            yield _finding("total_differs", log, where + f"total is {record.total}, the units so far sum to {total}.")
        if record.start_millis > record.end_millis:
            yield _finding("time_disordered", log, where + "it ends before it starts.")


def _check_immersion(log: SubscriptionLog) -> Iterator[Finding]:
    """Recomputes Meta-Immersion from R, E and x wherever the log still has them; erased ones cannot be recomputed."""
    for index, line in enumerate(log.lines):
        if line.measured is not None and line.measured.immersion_milli != line.record.immersion:
            due, said = line.measured.immersion_milli, line.record.immersion
            yield _finding(
                "immersion_differs", log, f"record {index}: it says {said} ‰, what was measured makes {due}."
            )


def _check_units(
    log: SubscriptionLog, one: SubscriptionFacts, plan: PlanFacts, document: dict[str, Any] | None
) -> Iterator[Finding]:
    """Recomputes every record's billable units from the plan's terms, whose hash stands on-chain."""
    if document is None:
        yield _finding("terms_missing", log, "nobody has put the plan's terms document; units were not recomputed.")
        return
    if hashlib.sha256(canonical(document)).digest() != plan.terms_hash:
        yield _finding("terms_differ", log, "the terms document is not the one whose hash is on-chain.")
        return
    terms, tally = metering.Terms.parse(document), metering.Tally()
    for index, line in enumerate(log.lines):
        record = line.record
        if record.meter >= len(terms.meters):
            yield _finding("meter_unknown", log, f"record {index}: the terms have no meter {record.meter}.")
            return
        after = _billed(terms, tally, record, one, plan)
        if record.units != after.billed - tally.billed:
            due = after.billed - tally.billed
            yield _finding("units_differ", log, f"record {index}: {record.units} units, the terms make it {due}.")
        tally = after


def _billed(
    terms: metering.Terms, tally: metering.Tally, record: UsageRecord, one: SubscriptionFacts, plan: PlanFacts
) -> metering.Tally:
    vested = metering.vested(terms, one.since, plan.period, one.paid_through, record.end_millis)
    return metering.bill(terms, tally, record.meter, record.quantity, record.immersion, vested)


def _check_roots(log: SubscriptionLog, one: SubscriptionFacts) -> Iterator[Finding]:
    """Every voucher settled on-chain must be this very log at some size, with these very units."""
    tree, sizes = usage_log_of(log), _sizes_by_total(log)
    last = log.lines[-1].record.total if log.lines else 0
    for voucher in one.settled:
        if voucher.units > last:
            yield _finding("log_short", log, f"{voucher.units} units are settled, the log ends at {last}.")
        elif voucher.units not in sizes:
            yield _finding("settled_units_differ", log, f"no record ends at the {voucher.units} units settled.")
        elif all(tree.usage_root(size) != voucher.usage_root for size in sizes[voucher.units]):
            root = voucher.usage_root.hex()
            yield _finding("root_differs", log, f"settled root 0x{root} is not this log's at {voucher.units} units.")


def _sizes_by_total(log: SubscriptionLog) -> dict[int, list[int]]:
    sizes: dict[int, list[int]] = {}
    for index, line in enumerate(log.lines):
        sizes.setdefault(line.record.total, []).append(index + 1)
    return sizes


def _check_voucher(
    log: SubscriptionLog, voucher: VoucherLine, one: SubscriptionFacts, market: MarketFacts, domain: Domain
) -> Iterator[Finding]:
    """The newest voucher that travels with the log: its size, units and root, and both signatures."""
    if not 0 < voucher.size <= len(log.lines):
        yield _finding("voucher_differs", log, f"its size is {voucher.size}, the log has {len(log.lines)} records.")
        return
    if usage_log_of(log).usage_root(voucher.size) != voucher.usage_root:
        yield _finding("voucher_differs", log, "its root is not this log's at its size.")
    if log.lines[voucher.size - 1].record.total != voucher.units:
        yield _finding("voucher_differs", log, f"its {voucher.units} units are not the log's total at its size.")
    keys = {"meter": market.meter_keys_of(one.plan_id), "session": set(one.signers)}
    for who, signature in (("meter", voucher.meter_signature), ("session", voucher.session_signature)):
        if signature and _signer(domain, voucher.voucher, signature) not in keys[who]:
            yield _finding(
                f"{who}_signature_wrong", log, f"the voucher is not signed by a {who} key of this subscription."
            )


def _signer(domain: Domain, voucher: Voucher, signature: bytes) -> str:
    try:
        return str(recover(domain, voucher, signature))
    except SignatureMalformed:
        return ""


def _finding(code: str, log: SubscriptionLog, detail: str) -> Finding:
    return Finding(code, log.subscription_id, detail)
