"""The usage side of the audit, pure: one subscription's log against its plan's terms and the chain's vouchers.

Finding codes: foreign_record, leaf_differs, sequence_broken, total_differs, time_disordered, meter_unknown,
units_differ, immersion_differs, terms_missing, terms_differ, settled_units_differ, root_differs, log_short,
voucher_differs, session_signature_wrong, meter_signature_wrong, subscription_unknown, log_missing, proof_refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from ledger import metering
from ledger.errors import SignatureMalformed
from ledger.typed_data import Domain, Voucher, recover
from ledger.values import model_of
from marketplace.audit.billing import units_due
from marketplace.audit.facts import MarketFacts, PlanFacts, SubscriptionFacts
from marketplace.audit.logs import SubscriptionLog, VoucherLine
from marketplace.audit.report import Finding
from marketplace.documents import canonical

MOST_TOLD = 10
"""Records of one kind of finding that are told one by one; the others are counted."""


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


def _check_records(log: SubscriptionLog) -> Iterator[Finding]:
    rows = log.columns
    mine = (rows["plan"] == log.subscription_id >> 32) & (rows["sequence"] == log.subscription_id & 0xFFFFFFFF)
    yield from _told("foreign_record", log, np.flatnonzero(~mine), lambda row: f"it belongs to {_owner(rows[row])}")
    yield from _told("leaf_differs", log, log.differing_leaves, lambda _: "its hash is not the one recorded beside it")
    broken = np.flatnonzero(rows["seq"] != np.arange(len(rows)))
    yield from _told("sequence_broken", log, broken, lambda row: f"seq is {rows['seq'][row]}")
    sums = np.cumsum(rows["units"], dtype=np.uint64)
    wrong = np.flatnonzero(rows["total"] != sums)
    yield from _told(
        "total_differs", log, wrong, lambda row: f"total is {rows['total'][row]}, the units so far sum to {sums[row]}"
    )
    late = np.flatnonzero(rows["start_millis"] > rows["end_millis"])
    yield from _told("time_disordered", log, late, lambda _: "it ends before it starts")


def _owner(row: Any) -> int:
    return int(row["plan"]) << 32 | int(row["sequence"])


def _told(
    code: str, log: SubscriptionLog, records: Sequence[int] | np.ndarray, why: Callable[[int], str]
) -> Iterator[Finding]:
    """A finding for each of the first records, and one that counts the rest."""
    for record in records[:MOST_TOLD]:
        yield _finding(code, log, f"record {record}: {why(int(record))}.")
    if len(records) > MOST_TOLD:
        yield _finding(code, log, f"and so are {len(records) - MOST_TOLD} more records.")


def _check_immersion(log: SubscriptionLog) -> Iterator[Finding]:
    """Recomputed from R, E and x wherever the log still has them; erased ones cannot be recomputed."""
    due, said = dict(log.differing_immersions), log.columns["immersion"]
    yield from _told(
        "immersion_differs", log, list(due), lambda row: f"it says {said[row]} ‰, what was measured makes {due[row]}"
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
    terms, rows = metering.Terms.parse(document), log.columns
    unknown = np.flatnonzero(rows["meter"] >= len(terms.meters))
    if len(unknown):
        yield from _told("meter_unknown", log, unknown, lambda row: f"the terms have no meter {rows['meter'][row]}")
        return
    due = units_due(terms, rows, one.since, plan.period, one.paid_through)
    wrong = np.flatnonzero(rows["units"] != due)
    yield from _told(
        "units_differ", log, wrong, lambda row: f"{rows['units'][row]} units, the terms make it {due[row]}"
    )


def _check_roots(log: SubscriptionLog, one: SubscriptionFacts) -> Iterator[Finding]:
    """Every voucher settled on-chain must be this very log at some size, with these very units."""
    totals = log.columns["total"]
    last = int(totals[-1]) if len(totals) else 0
    for voucher in one.settled:
        sizes = np.flatnonzero(totals == voucher.units) + 1
        if voucher.units > last:
            yield _finding("log_short", log, f"{voucher.units} units are settled, the log ends at {last}.")
        elif not len(sizes):
            yield _finding("settled_units_differ", log, f"no record ends at the {voucher.units} units settled.")
        elif all(log.tree.usage_root(int(size)) != voucher.usage_root for size in sizes):
            root = voucher.usage_root.hex()
            yield _finding("root_differs", log, f"settled root 0x{root} is not this log's at {voucher.units} units.")


def _check_voucher(
    log: SubscriptionLog, voucher: VoucherLine, one: SubscriptionFacts, market: MarketFacts, domain: Domain
) -> Iterator[Finding]:
    """The newest voucher that travels with the log: its size, units and root, and both signatures."""
    if not 0 < voucher.size <= log.size:
        yield _finding("voucher_differs", log, f"its size is {voucher.size}, the log has {log.size} records.")
        return
    if log.tree.usage_root(voucher.size) != voucher.usage_root:
        yield _finding("voucher_differs", log, "its root is not this log's at its size.")
    if log.columns["total"][voucher.size - 1] != voucher.units:
        yield _finding("voucher_differs", log, f"its {voucher.units} units are not the log's total at its size.")
    keys = {"meter": market.meter_keys_of(one.plan_id), "session": set(one.signers)}
    for who, signature in (("meter", voucher.meter_signature), ("session", voucher.session_signature)):
        if signature and _signer(domain, voucher.voucher, signature) not in keys[who]:
            yield _finding(
                f"{who}_signature_wrong", log, f"the voucher is not signed by a {who} key of this subscription."
            )


def was_superseded(voucher: VoucherLine, one: SubscriptionFacts, market: MarketFacts, domain: Domain) -> bool:
    """Whether a key that signed counted once and no longer does: then the market itself cannot confirm the voucher."""
    meter = _signer(domain, voucher.voucher, voucher.meter_signature)
    session = _signer(domain, voucher.voucher, voucher.session_signature)
    former_meter = meter in market.meter_keys_of(one.plan_id) and meter != market.meter_key[model_of(one.plan_id)]
    return former_meter or session in one.signers[:-1]


def _signer(domain: Domain, voucher: Voucher, signature: bytes) -> str:
    try:
        return str(recover(domain, voucher, signature))
    except SignatureMalformed:
        return ""


def _finding(code: str, log: SubscriptionLog, detail: str) -> Finding:
    return Finding(code, log.subscription_id, detail)
