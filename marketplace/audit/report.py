"""What an audit says: findings by code, what was checked, and the money. Values only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Finding:
    """One thing that does not add up. Codes are stable; see `checks.py` and `money.py` for each one's meaning."""

    code: str
    subscription_id: int | None
    detail: str

    def to_json(self) -> dict[str, Any]:
        subscription = None if self.subscription_id is None else str(self.subscription_id)
        return {"code": self.code, "subscriptionId": subscription, "detail": self.detail}


@dataclass(frozen=True)
class Money:
    """The market's money at one block, in the token's smallest unit."""

    block_number: int
    token_balance: int
    accounts: int
    reserved: int
    earned_unpaid: int
    earned: int
    paid_out: int
    deposited: int
    withdrawn: int

    @property
    def donated(self) -> int:
        """What the token contract holds for the market beyond what the market owes: only gifts can explain it."""
        return self.token_balance - self.accounts - self.reserved - self.earned_unpaid

    def to_json(self) -> dict[str, str]:
        names = (
            "block_number", "token_balance", "accounts", "reserved", "earned_unpaid", "earned", "paid_out",
            "deposited", "withdrawn", "donated",
        )  # fmt: skip
        return {name: str(getattr(self, name)) for name in names}


@dataclass
class Report:
    """The whole audit; `ok` exactly when there are no findings."""

    money: Money | None = None
    findings: list[Finding] = field(default_factory=list)
    subscriptions_checked: int = 0
    records_checked: int = 0
    immersions_recomputed: int = 0
    """Records whose Meta-Immersion was computed again from measured R, E and x; the others' logs do not have them."""
    vouchers_checked: int = 0
    proofs_checked_on_chain: int = 0
    events_checked: int = 0
    signatures_checked: int = 0
    """Of orders, activations, settlements and provenance, recovered from the transactions behind the events."""
    signatures_opaque: int = 0
    """Of calls that came through other contracts: they cannot be read from the transaction."""
    blocks_checked: int = 0
    """Recomputed from header to logs, on request."""
    table_rows_checked: int = 0
    """Of the marketplace's own tables, where they were given."""
    isolation: dict[int, int] = field(default_factory=dict)
    """Subscription → the degree of isolation that was paid for, by the terms whose hash is on-chain."""

    @property
    def ok(self) -> bool:
        return not self.findings

    def to_json(self) -> dict[str, Any]:
        return {
            "ok": self.ok,
            "subscriptions_checked": self.subscriptions_checked,
            "records_checked": self.records_checked,
            "immersions_recomputed": self.immersions_recomputed,
            "vouchers_checked": self.vouchers_checked,
            "proofs_checked_on_chain": self.proofs_checked_on_chain,
            "events_checked": self.events_checked,
            "signatures_checked": self.signatures_checked,
            "signatures_opaque": self.signatures_opaque,
            "blocks_checked": self.blocks_checked,
            "table_rows_checked": self.table_rows_checked,
            "isolation": {str(subscription): degree for subscription, degree in self.isolation.items()},
            "findings": [finding.to_json() for finding in self.findings],
            "money": self.money.to_json() if self.money else None,
        }
