"""Runs an audit: history and balance from the node at one block, logs from the caller, proofs by `proveUsage`.

Called by the endpoint below, by `s4m audit --log` and by the demo. It needs a node and a deployment, nothing of the
marketplace: whoever distrusts the marketplace runs this at home.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ledger.chain import Chain
from ledger.contracts import Contracts
from ledger.decoding import decode_logs
from ledger.deployment import Deployment
from ledger.errors import BlockGone, LedgerError
from ledger.events import ChainEvent
from ledger.evidence import contradictions
from ledger.structs import InclusionProof, SignedVoucher
from ledger.values import Address, BlockStamp, compact
from marketplace.audit import checks, money
from marketplace.audit.assets import check_assets
from marketplace.audit.facts import MarketFacts, fold
from marketplace.audit.history import check_history
from marketplace.audit.identities import check_identities
from marketplace.audit.logs import SubscriptionLog
from marketplace.audit.payouts import check_payouts
from marketplace.audit.report import Finding, Money, Report
from marketplace.audit.signatures import SIGNED, Signatures
from marketplace.audit.state import check_balance, check_state
from marketplace.audit.tables import MarketTables, check_tables

ALL_PROOFS = 2**62
"""Prove every record on-chain."""

TermsOf = Callable[[bytes], dict[str, Any] | None]
"""The terms document of a hash, None where nobody has it."""


@dataclass(frozen=True)
class Evidence:
    """The wish that the node's blocks be recomputed; up to the one with `head_hash`, which is known from elsewhere."""

    head_hash: str | None = None


def audited(deployment: Deployment) -> dict[str, Address]:
    """The contracts whose events are audited: all but the token, of which only the market's transfers are read."""
    return {word: place for word, place in deployment.addresses.items() if word != "credit"}


@dataclass(frozen=True)
class Auditor:
    """One auditor of one market."""

    chain: Chain
    deployment: Deployment
    contracts: Contracts
    terms_of: TermsOf

    def audit(
        self,
        logs: Sequence[SubscriptionLog] = (),
        proofs: int = 16,
        *,
        complete: bool = False,
        thorough: bool = False,
        evidence: Evidence | None = None,
        tables: MarketTables | None = None,
    ) -> Report:
        """The whole market's money and the given logs; `proofs` records of each log are proven on-chain.

        `complete` says that these are meant to be all logs: then settled use without a log is a finding. `thorough`
        also reads the transaction behind every signed event and the contracts' state; with `evidence` the node's
        blocks are recomputed down to the logs. `tables` are the marketplace's, read before.
        """
        block = self._block(evidence)
        raw = self.chain.raw_logs(self.deployment.block_number, block.number, audited(self.deployment))
        events = decode_logs(raw, audited(self.deployment))
        market = fold(events)
        sums = self._money(market, block)
        report = Report(money=sums, events_checked=len(events))
        report.findings += self._history_findings(events, market)
        report.findings += self._money_findings(market, sums)
        if thorough:
            report.findings += self._thorough_findings(report, events, market, block)
        if evidence is not None:
            report.findings += self._evidence_findings(report, evidence, raw, block)
        if tables is not None:
            report.findings += check_tables(tables, events)
            report.table_rows_checked = sum(map(len, tables.rows.values()))
        for log in logs:
            self._audit_log(report, market, log, proofs, block)
        if complete:
            report.findings += checks.check_missing(logs, market)
        return report

    def _block(self, evidence: Evidence | None) -> BlockStamp:
        """The newest block, or the trusted one; raises BlockGone where the node does not have that."""
        if evidence is None or evidence.head_hash is None:
            return self.chain.latest()
        found = self.chain.block_by_hash(evidence.head_hash)
        if found is None:
            raise BlockGone(0, evidence.head_hash)
        return found

    def _history_findings(self, events: Sequence[ChainEvent], market: MarketFacts) -> Iterator[Finding]:
        yield from check_history(events, market)
        yield from check_payouts(events)
        yield from check_assets(events)

    def _thorough_findings(
        self, report: Report, events: Sequence[ChainEvent], market: MarketFacts, block: BlockStamp
    ) -> Iterator[Finding]:
        """Signatures in the transactions, and the contracts' own state."""
        behind = {
            entry.tx_hash: None for entry in events if isinstance(entry.event, SIGNED) or entry.contract == "identity"
        }
        sent = self.chain.transactions(list(behind))
        signatures = Signatures(self.deployment, sent)
        yield from signatures.check(events)
        report.signatures_checked, report.signatures_opaque = signatures.checked, signatures.opaque
        yield from check_identities(events, sent, self.deployment.identity)
        yield from check_state(self.contracts, market, events, block)
        yield from check_balance(self.contracts, self.deployment.block_number, block)

    def _evidence_findings(
        self, report: Report, evidence: Evidence, raw: Sequence[Mapping[str, Any]], block: BlockStamp
    ) -> Iterator[Finding]:
        first, places = self.deployment.block_number, list(audited(self.deployment).values())
        report.blocks_checked = block.number - first + 1
        for found in contradictions(self.chain, first, block.number, places, raw, evidence.head_hash):
            yield Finding(found.code, None, f"block {found.block_number}: {found.detail}.")

    def _money(self, market: MarketFacts, block: BlockStamp) -> Money:
        balance = self.contracts.credit.balance_of(self.deployment.market, block=block)
        return money.money_of(market, balance, block.number)

    def _money_findings(self, market: MarketFacts, sums: Money) -> list[Finding]:
        findings = list(money.check_market(market, sums))
        for one in market.subscriptions.values():
            findings += money.check_subscription(one, market.plans[one.plan_id])
        return findings

    def _audit_log(
        self, report: Report, market: MarketFacts, log: SubscriptionLog, proofs: int, block: BlockStamp
    ) -> None:
        one = market.subscriptions.get(log.subscription_id)
        terms = self.terms_of(market.plans[one.plan_id].terms_hash) if one else None
        degree = checks.isolation_sold(market.plans[one.plan_id], terms) if one else None
        if degree is not None:
            report.isolation[log.subscription_id] = degree
        domain = self.contracts.market_domain
        report.findings += checks.check_log(log, market, terms, domain)
        report.subscriptions_checked += 1
        report.records_checked += log.size
        report.immersions_recomputed += log.immersions
        if one is None or log.voucher is None or not (log.voucher.meter_signature and log.voucher.session_signature):
            return
        report.vouchers_checked += 1
        superseded = checks.was_superseded(log.voucher, one, market, domain)
        if log.voucher.units <= one.used and not superseded:
            report.findings += self._prove(report, log, proofs, block)

    def _prove(self, report: Report, log: SubscriptionLog, proofs: int, block: BlockStamp) -> Iterator[Finding]:
        """Asks the market itself whether a record is in the doubly-signed voucher's log."""
        voucher = log.voucher
        assert voucher is not None  # noqa: S101 — narrows the type
        size = min(voucher.size, log.size)
        tree = log.tree
        r, vs = compact(voucher.session_signature)
        signed = SignedVoucher(voucher.voucher.subscription_id, voucher.voucher.units, voucher.usage_root, r, vs)
        for index in _sample(size, proofs):
            proof = InclusionProof(size, tuple(tree.inclusion_proof(index, size)))
            record = log.record(index)
            try:
                proven = self.contracts.market.prove_usage(record, proof, signed, voucher.meter_signature, block=block)
            except LedgerError as error:
                yield Finding("proof_refused", log.subscription_id, f"record {index}: {error}")
                continue
            report.proofs_checked_on_chain += 1
            if not proven:
                yield Finding("proof_refused", log.subscription_id, f"the market does not confirm record {index}.")


def _sample(size: int, count: int) -> list[int]:
    """At most `count` indices spread evenly over the log, the first and the last among them."""
    if size <= count:
        return list(range(size))
    if count < 2:
        return [size - 1][:count]
    return sorted({index * (size - 1) // (count - 1) for index in range(count)})


def summary(report: Report) -> str:
    """One line for people."""
    verdict = "ok" if report.ok else f"{len(report.findings)} finding(s)"
    return (
        f"{verdict}: {report.records_checked} records of {report.subscriptions_checked} subscriptions, "
        f"{report.proofs_checked_on_chain} proven on-chain; money {json.dumps(report.money and report.money.to_json())}"
    )
