"""Runs an audit: history and balance from the node at one block, logs from the caller, proofs by `proveUsage`.

Called by the endpoint below, by `s4m audit --log` and by the demo. It needs a node and a deployment, nothing of the
marketplace: whoever distrusts the marketplace runs this at home.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ledger.chain import Chain
from ledger.contracts import Contracts
from ledger.deployment import Deployment
from ledger.errors import LedgerError
from ledger.structs import InclusionProof, SignedVoucher
from ledger.values import BlockStamp, compact
from marketplace.audit import checks, money
from marketplace.audit.facts import MarketFacts, fold
from marketplace.audit.logs import SubscriptionLog
from marketplace.audit.report import Finding, Money, Report
from marketplace.projection import addresses_of

ALL_PROOFS = 2**62
"""Prove every record on-chain."""

TermsOf = Callable[[bytes], dict[str, Any] | None]
"""The terms document of a hash, None where nobody has it."""


@dataclass(frozen=True)
class Auditor:
    """One auditor of one market."""

    chain: Chain
    deployment: Deployment
    contracts: Contracts
    terms_of: TermsOf

    def audit(self, logs: Sequence[SubscriptionLog] = (), proofs: int = 16, *, complete: bool = False) -> Report:
        """The whole market's money and the given logs; `proofs` records of each log are proven on-chain.

        `complete` says that these are meant to be all logs: then settled use without a log is a finding.
        """
        block = self.chain.latest()
        events = self.chain.logs(self.deployment.block_number, block.number, addresses_of(self.deployment))
        market = fold(events)
        report = Report(money=self._money(market, block))
        report.findings += self._money_findings(market, report)
        for log in logs:
            self._audit_log(report, market, log, proofs, block)
        if complete:
            report.findings += checks.check_missing(logs, market)
        return report

    def _money(self, market: MarketFacts, block: BlockStamp) -> Money:
        balance = self.contracts.credit.balance_of(self.deployment.market, block=block)
        return money.money_of(market, balance, block.number)

    def _money_findings(self, market: MarketFacts, report: Report) -> list[Finding]:
        assert report.money is not None  # noqa: S101 — set one line above the only call
        findings = list(money.check_market(market, report.money))
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
        report.records_checked += len(log.lines)
        report.immersions_recomputed += sum(line.measured is not None for line in log.lines)
        if one is None or log.voucher is None or not (log.voucher.meter_signature and log.voucher.session_signature):
            return
        report.vouchers_checked += 1
        if log.voucher.units <= one.used:
            report.findings += self._prove(report, log, proofs, block)

    def _prove(self, report: Report, log: SubscriptionLog, proofs: int, block: BlockStamp) -> Iterator[Finding]:
        """Asks the market itself whether a record is in the doubly-signed voucher's log."""
        voucher = log.voucher
        assert voucher is not None  # noqa: S101 — narrows the type
        size = min(voucher.size, len(log.lines))
        tree = checks.usage_log_of(log)
        r, vs = compact(voucher.session_signature)
        signed = SignedVoucher(voucher.voucher.subscription_id, voucher.voucher.units, voucher.usage_root, r, vs)
        for index in _sample(size, proofs):
            proof = InclusionProof(size, tuple(tree.inclusion_proof(index, size)))
            record = log.lines[index].record
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
