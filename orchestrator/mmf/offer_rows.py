"""Offers as rows: kept with what they were made for and in which turn of the pool, found, closed. It decides nothing.

Used by MMF's transactions.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import sqlalchemy as sa

from orchestrator.errors import OrchestratorError
from orchestrator.instances.tables import OFFERS
from orchestrator.requirements import Change, Decision, Offer, OfferRequest

_MINE = OFFERS.c.offer_id == sa.bindparam("mine")
_ADD, _CHANGE, _ONE = sa.insert(OFFERS), sa.update(OFFERS).where(_MINE), sa.select(OFFERS).where(_MINE)
_CAUSE = sa.select(OFFERS.c.cause).where(_MINE)


class UnknownOffer(OrchestratorError):
    """No offer has this id."""

    code = "unknown_offer"
    status = 404
    title = "No offer has this id"


@dataclass(frozen=True, slots=True)
class Kept:
    """An offer with what it was made for."""

    offer: Offer
    request: OfferRequest
    turn: int = 0
    """the last turn of the pool that it was decided after; 0: not known, or it is not to be accepted"""


def offer_name(key: str) -> str:
    """The id of the offer made for an idempotency key."""
    return f"offer-{sha256(key.encode()).hexdigest()[:16]}"


def keep_offer(rows: sa.Connection, new: Kept, now: int, cause: str = "") -> None:
    """Write a new offer."""
    offer = new.offer
    rows.execute(
        _ADD,
        {
            "offer_id": offer.offer_id,
            "subscription_id": offer.subscription_id,
            "msi_id": offer.msi,
            "state": offer.state,
            "request": new.request.to_json(),
            "decision": offer.decision.to_json(),
            "cause": cause,
            "at": now,
            "instead_of": offer.instead_of,
            "change": offer.change.to_json() if offer.change else None,
            "turn": new.turn,
        },
    )


def cause_of(rows: sa.Connection, offer_id: str) -> str:
    """Why an offer came to nothing."""
    return str(rows.scalars(_CAUSE, {"mine": offer_id}).one())


def change_offer(rows: sa.Connection, offer_id: str, state: str, cause: str = "") -> None:
    """Write where an offer stands now, and why."""
    rows.execute(_CHANGE, {"mine": offer_id, "state": state, "cause": cause})


def find_offer(rows: sa.Connection, offer_id: str) -> Kept | None:
    """An offer with what it was made for."""
    row = rows.execute(_ONE, {"mine": offer_id}).mappings().first()
    if row is None:
        return None
    return Kept(_with_counters(rows, _offer(row)), OfferRequest.model_validate(row["request"]), row["turn"])


def _with_counters(rows: sa.Connection, offer: Offer) -> Offer:
    if offer.state != "refused":
        return offer
    mine = (OFFERS.c.instead_of == offer.offer_id) & (OFFERS.c.state == "counter")
    changes = rows.scalars(sa.select(OFFERS.c.change).where(mine).order_by(OFFERS.c.offer_id))
    return offer.model_copy(update={"counters": tuple(Change.model_validate(change) for change in changes)})


def offers_of(rows: sa.Connection, subscription_id: str) -> list[dict[str, Any]]:
    """All offers ever made for a subscription, oldest first, each with when (UTC seconds) and why it failed."""
    ranks = {"stale": 0, "rejected": 0, "failed": 0, "refused": 1, "counter": 2}
    ended = sa.case(ranks, value=OFFERS.c.state, else_=3)  # within a second, what was left behind first
    query = sa.select(OFFERS).where(OFFERS.c.subscription_id == subscription_id)
    found = rows.execute(query.order_by(OFFERS.c.at, ended, OFFERS.c.offer_id)).mappings()
    return [{**_offer(row).to_json(), "at": row["at"], "cause": row["cause"]} for row in found]


def _offer(row: sa.RowMapping) -> Offer:
    return Offer(
        offer_id=row["offer_id"],
        msi=row["msi_id"],
        subscription_id=row["subscription_id"],
        state=row["state"],
        decision=Decision.model_validate(row["decision"]),
        instead_of=row["instead_of"],
        change=Change.model_validate(row["change"]) if row["change"] else None,
    )
