"""What was used of supply offers, what is due for it, and what was paid: statements and payments as rows.

MMF's supply routes call these inside their transactions. Money is the token's smallest unit, decimal strings in JSON
and rows, whole numbers between. Nothing is sent here: the operator's command does that, and names the transaction.
"""

from typing import Any

import sqlalchemy as sa

from orchestrator.resources.pool import METADATA
from orchestrator.resources.statement import charge, usage
from orchestrator.resources.supplied import SUPPLY_OFFERS, SupplyOffer, SupplyReplayed, history, offers

SUPPLY_PAYMENTS = sa.Table(
    "supply_payments",
    METADATA,
    sa.Column("payment_id", sa.String, primary_key=True),
    sa.Column("offer_id", sa.ForeignKey(SUPPLY_OFFERS.c.offer_id), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("payee", sa.String, nullable=False),
    sa.Column("amount", sa.String, nullable=False),
    sa.Column("through_ms", sa.BigInteger, nullable=False),
    sa.Column("tx_hash", sa.String, nullable=False, server_default=""),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("offer_id", "number"),
)
"""Payments of an offer, numbered from 0; each pays what had been earned by `through_ms` less all before it."""


def statement(rows: sa.Connection, offer: SupplyOffer, until_ms: int) -> dict[str, Any]:
    """What was used of an offer until then (amount × seconds, rounded down), earned, paid, and due."""
    used = usage(history(rows, offer.site), offer.supplier, until_ms)
    earned = charge(used, offer.prices, offer.pay_cap)
    begun = payments(rows, offer.offer_id)
    paid = sum(int(one["amount"]) for one in begun if one["txHash"])
    pending = sum(int(one["amount"]) for one in begun) - paid
    return {
        **offer.to_json(),
        "throughMs": until_ms,
        "usedSeconds": {name: int(amount / 1000) for name, amount in sorted(used.items())},
        "earned": str(earned),
        "paid": str(paid),
        "pending": str(pending),
        "due": str(max(earned - paid - pending, 0)),
    }


def payments(rows: sa.Connection, offer_id: str | None = None) -> list[dict[str, Any]]:
    """Payments (of an offer), oldest first; one without `txHash` was begun and is not confirmed."""
    query = sa.select(SUPPLY_PAYMENTS).order_by(SUPPLY_PAYMENTS.c.at, SUPPLY_PAYMENTS.c.payment_id)
    if offer_id is not None:
        query = query.where(SUPPLY_PAYMENTS.c.offer_id == offer_id)
    return [
        {
            "payment": row["payment_id"],
            "offer": row["offer_id"],
            "payee": row["payee"],
            "amount": row["amount"],
            "throughMs": row["through_ms"],
            "txHash": row["tx_hash"],
        }
        for row in rows.execute(query).mappings()
    ]


def open_payments(rows: sa.Connection, now_ms: int) -> list[dict[str, Any]]:
    """What is to be paid now: payments that were begun and not confirmed, and one more for each offer without such.

    A payment's amount is fixed when it is begun: whoever asks again gets the same until it is confirmed.
    """
    for offer in offers(rows):
        known = payments(rows, offer.offer_id)
        if any(not one["txHash"] for one in known):
            continue
        due = int(statement(rows, offer, now_ms)["due"])
        if due:
            rows.execute(
                sa.insert(SUPPLY_PAYMENTS).values(
                    payment_id=f"{offer.offer_id}-{len(known)}", offer_id=offer.offer_id, number=len(known),
                    payee=offer.owner, amount=str(due), through_ms=now_ms, at=now_ms // 1000,
                )
            )  # fmt: skip
    return [one for one in payments(rows) if not one["txHash"]]


def confirm_payment(rows: sa.Connection, payment_id: str, tx_hash: str) -> None:
    """The payment was made in this transaction; one transaction pays one payment, and a payment keeps its first."""
    taken = rows.scalar(sa.select(SUPPLY_PAYMENTS.c.payment_id).where(SUPPLY_PAYMENTS.c.tx_hash == tx_hash))
    if taken not in (None, payment_id):
        raise SupplyReplayed(f"{tx_hash} paid {taken} already. Name the transaction of {payment_id}.")
    mine = (SUPPLY_PAYMENTS.c.payment_id == payment_id) & (SUPPLY_PAYMENTS.c.tx_hash == "")
    rows.execute(sa.update(SUPPLY_PAYMENTS).where(mine).values(tx_hash=tx_hash))
