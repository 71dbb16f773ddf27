"""Providers' supply offers as rows: what is offered, what stands, and the history of the sites where it stands.

MMF's supply routes call these inside their transactions, in the pool's turn. While an offer stands it is a supply of
its site under the name `offer/<id>`. The history of a site's supplies and allocations is append-only and written by
triggers, so every statement can be recomputed by whoever reads it. Who may offer is not judged here.
"""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from orchestrator.errors import OrchestratorError
from orchestrator.resources.pool import ALLOCATIONS, METADATA, SUPPLIES, amounts_of, supply, withdraw
from orchestrator.resources.repacks import being_repacked
from orchestrator.resources.statement import Change
from orchestrator.resources.triggers import append_only, record_changes
from orchestrator.resources.vector import RESOURCES, ResourceVector


class OfferState(enum.StrEnum):
    """Where a supply offer stands."""

    STANDING = "standing"
    WITHDRAWING = "withdrawing"
    """what stands on it is being moved; nothing new is placed on it"""
    ENDED = "ended"


OPEN = (OfferState.STANDING, OfferState.WITHDRAWING)

SUPPLY_OFFERS = sa.Table(
    "supply_offers",
    METADATA,
    sa.Column("offer_id", sa.String, primary_key=True),
    sa.Column("model_id", sa.String, nullable=False, index=True),
    sa.Column("model", sa.String, nullable=False),
    sa.Column("owner", sa.String, nullable=False),
    sa.Column("site", sa.String, nullable=False, index=True),
    sa.Column("amounts", sa.JSON, nullable=False),
    sa.Column("prices", sa.JSON, nullable=False),
    sa.Column("pay_cap", sa.String, nullable=False),
    sa.Column("until", sa.BigInteger, nullable=False),
    sa.Column("nonce", sa.String, nullable=False),
    sa.Column("state", sa.String, nullable=False, index=True),
    sa.Column("moving", sa.JSON, nullable=False),
    sa.Column("offered_at", sa.BigInteger, nullable=False),
    sa.Column("ended_at", sa.BigInteger, nullable=True),
)

SUPPLY_NONCES = sa.Table(
    "supply_nonces",
    METADATA,
    sa.Column("owner", sa.String, primary_key=True),
    sa.Column("nonce", sa.String, primary_key=True),
    sa.Column("at", sa.BigInteger, nullable=False),
)
"""Of every signed offer and withdrawal that was taken: each counts once."""

POOL_HISTORY = sa.Table(
    "pool_history",
    METADATA,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("node_id", sa.String, nullable=False, index=True),
    sa.Column("subject", sa.String, nullable=False),
    sa.Column("subscription_id", sa.String, nullable=False),
    *(sa.Column(name, sa.BigInteger, nullable=False, info={"amount": True}) for name in RESOURCES),
)
"""Every change of a site's supplies and allocations, in order; nobody can change or delete a row."""

_ON_A_SITE = "EXISTS (SELECT 1 FROM nodes WHERE nodes.node_id = {row}.node_id AND nodes.kind = 'site')"
record_changes(SUPPLIES, POOL_HISTORY, "supply", "{row}.supplier", "''", _ON_A_SITE)
record_changes(ALLOCATIONS, POOL_HISTORY, "allocation", "{row}.allocation_id", "{row}.subscription_id", _ON_A_SITE)
append_only(POOL_HISTORY)
POOL_HISTORY.add_is_dependent_on(SUPPLIES)
POOL_HISTORY.add_is_dependent_on(ALLOCATIONS)


_WITHDRAWING = sa.select(SUPPLY_OFFERS).where(SUPPLY_OFFERS.c.state == OfferState.WITHDRAWING.value)


class UnknownSupplyOffer(OrchestratorError):
    """No supply offer has this id."""

    code = "unknown_supply_offer"
    status = 404
    title = "No supply offer has this id"


class SupplyReplayed(OrchestratorError):
    """This very signed offer or withdrawal, or its nonce, was taken before."""

    code = "supply_replayed"
    status = 409
    title = "The signed document was used before"


class BadSupplyOffer(OrchestratorError):
    """The offer is of no site, of nothing, of more than the model supplies, or its end has passed."""

    code = "bad_supply_offer"
    status = 422
    title = "The supply offer cannot be taken"


@dataclass(frozen=True, slots=True)
class SupplyOffer:
    """Capacity that a model's owner gives to the pool, and what it costs."""

    offer_id: str
    model_id: str
    model: str
    owner: str
    site: str
    amounts: ResourceVector
    prices: Mapping[str, int]
    """resource → the token's smallest units for one unit of it and one hour"""
    pay_cap: int
    """the most that it may ever cost"""
    until: int
    """UTC seconds"""
    nonce: str
    state: OfferState = OfferState.STANDING

    @property
    def supplier(self) -> str:
        """Its name among the supplies of its site."""
        return f"offer/{self.offer_id}"

    def to_json(self) -> dict[str, Any]:
        """The offer as a JSON object; money and ids as decimal strings."""
        return {
            "offer": self.offer_id,
            "modelId": self.model_id,
            "model": self.model,
            "owner": self.owner,
            "site": self.site,
            "amounts": self.amounts.amounts(),
            "prices": {name: str(price) for name, price in self.prices.items()},
            "payCap": str(self.pay_cap),
            "until": self.until,
            "state": self.state.value,
        }


def take_offer(rows: sa.Connection, offer: SupplyOffer, most: ResourceVector, now: int) -> None:
    """The offer stands from now on. `most` is what the model supplies: all its standing offers together keep to it."""
    if offer.until <= now:
        raise BadSupplyOffer(f"The offer would end at {offer.until}, and it is {now}. Offer until a later second.")
    others = [one.amounts for one in offers(rows, OPEN) if one.model_id == offer.model_id]
    whole = sum(others, offer.amounts)
    if not offer.amounts or not whole.fits(most):
        raise BadSupplyOffer(
            f"Model {offer.model_id} ({offer.model}) supplies {most.amounts()}; with this its offers would come to "
            f"{whole.amounts()}. Offer something, and no more than the model supplies."
        )
    use_nonce(rows, offer.owner, offer.nonce, now)
    rows.execute(
        sa.insert(SUPPLY_OFFERS).values(
            offer_id=offer.offer_id, model_id=offer.model_id, model=offer.model, owner=offer.owner, site=offer.site,
            amounts=offer.amounts.amounts(), prices=dict(offer.prices), pay_cap=str(offer.pay_cap), until=offer.until,
            nonce=offer.nonce, state=offer.state.value, moving={}, offered_at=now,
        )
    )  # fmt: skip
    supply(rows, offer.supplier, offer.site, offer.amounts)


def require_fresh(rows: sa.Connection, owner: str, nonce: str) -> None:
    """SupplyReplayed where an owner's nonce was taken before."""
    known = (SUPPLY_NONCES.c.owner == owner) & (SUPPLY_NONCES.c.nonce == nonce)
    if rows.execute(sa.select(SUPPLY_NONCES.c.nonce).where(known)).first() is not None:
        raise SupplyReplayed(f"{owner} has used the nonce {nonce} before. Sign anew with a nonce of its own.")


def use_nonce(rows: sa.Connection, owner: str, nonce: str, now: int) -> None:
    """Take an owner's nonce; SupplyReplayed where it was taken before."""
    require_fresh(rows, owner, nonce)
    rows.execute(sa.insert(SUPPLY_NONCES).values(owner=owner, nonce=nonce, at=now))


def end_offer(rows: sa.Connection, offer: SupplyOffer, now: int) -> None:
    """The offer is over: its capacity goes. OverAllocated while something stands on it."""
    withdraw(rows, offer.supplier)
    mine = SUPPLY_OFFERS.c.offer_id == offer.offer_id
    rows.execute(sa.update(SUPPLY_OFFERS).where(mine).values(state=OfferState.ENDED.value, moving={}, ended_at=now))


def mark(rows: sa.Connection, offer_id: str, state: OfferState, moving: Mapping[str, str]) -> None:
    """Write an offer's state, and which instances are being moved (old → new)."""
    mine = SUPPLY_OFFERS.c.offer_id == offer_id
    rows.execute(sa.update(SUPPLY_OFFERS).where(mine).values(state=state.value, moving=dict(moving)))


def offer_named(rows: sa.Connection, offer_id: str) -> SupplyOffer:
    """One offer; UnknownSupplyOffer."""
    found = _offers(rows, SUPPLY_OFFERS.c.offer_id == offer_id)
    if not found:
        raise UnknownSupplyOffer(f"{offer_id} was never taken here. `s4m supply list` shows the offers there are.")
    return found[0]


def offers(rows: sa.Connection, states: Sequence[OfferState] = tuple(OfferState)) -> Sequence[SupplyOffer]:
    """The offers in these states, by id."""
    return _offers(rows, SUPPLY_OFFERS.c.state.in_([state.value for state in states]))


def on_the_move(rows: sa.Connection) -> tuple[dict[str, ResourceVector], frozenset[str]]:
    """Site → what is being withdrawn there; and the instances that are being moved, old and new: none take shares."""
    going: dict[str, ResourceVector] = {}
    moving: set[str] = set()
    for row in rows.execute(_WITHDRAWING).mappings():
        going[row["site"]] = going.get(row["site"], ResourceVector()) + ResourceVector.of(row["amounts"])
        moving |= {*row["moving"], *row["moving"].values()}
    return going, being_repacked(rows) | moving


def history(rows: sa.Connection, site: str) -> list[Change]:
    """All changes of a site's supplies and allocations, oldest first."""
    query = sa.select(POOL_HISTORY).where(POOL_HISTORY.c.node_id == site).order_by(POOL_HISTORY.c.number)
    return [
        Change(row["at_ms"], row["kind"], row["subject"], amounts_of(row)) for row in rows.execute(query).mappings()
    ]


def _offers(rows: sa.Connection, where: sa.ColumnElement[bool]) -> Sequence[SupplyOffer]:
    query = sa.select(SUPPLY_OFFERS).where(where).order_by(SUPPLY_OFFERS.c.offered_at, SUPPLY_OFFERS.c.offer_id)
    return [
        SupplyOffer(
            offer_id=row["offer_id"],
            model_id=row["model_id"],
            model=row["model"],
            owner=row["owner"],
            site=row["site"],
            amounts=ResourceVector.of(row["amounts"]),
            prices={name: int(price) for name, price in row["prices"].items()},
            pay_cap=int(row["pay_cap"]),
            until=row["until"],
            nonce=row["nonce"],
            state=OfferState(row["state"]),
        )
        for row in rows.execute(query).mappings()
    ]
