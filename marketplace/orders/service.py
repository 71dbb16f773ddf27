"""Quotes, and orders relayed exactly once: check everything that can be checked, then one transaction.

An order's id is its EIP-712 digest: the same order again finds the same row, the same transaction, the same
subscription. Whatever is refused leaves no row and no transaction behind.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, delete, insert, select

from ledger import structs
from ledger.errors import Reverted, SignatureMalformed, ValueOutOfRange
from ledger.events import Subscribed
from ledger.typed_data import Order, Permit, digest, recover, typed_data
from ledger.values import ZERO_ADDRESS, ZERO_HASH, Address, Money, PlanId, Units, address, from_hex, to_hex
from marketplace.answers import OrderAnswer, PermitToSign, QuoteAnswer
from marketplace.database import orders, quotes
from marketplace.documents import REQUEST_SCHEMAS
from marketplace.errors import (
    BadSignature,
    DocumentMissing,
    InsufficientFunds,
    MalformedDocument,
    MalformedInput,
    OrderDiffers,
    PlanRetired,
    QuoteExpired,
    UnknownOrder,
    UnknownPlan,
    UnknownQuote,
    WrongChain,
)
from marketplace.orders.schemas import OrderRequest, QuoteRequest
from marketplace.parts import Parts
from storage import upsert

MAX_CAP = 2**40 - 1


@dataclass(frozen=True)
class Funds:
    """What a buyer can pay with at one block, in the token's smallest unit."""

    account: int
    nonce: int
    tokens: int
    allowance: int

    def shortfall(self, total: int) -> int:
        """What the market must pull from the buyer's tokens."""
        return max(0, total - self.account)


def funds_of(parts: Parts, buyer: Address) -> Funds:
    block = parts.chain.latest()
    account = parts.contracts.market.account_of(buyer, block=block)
    credit = parts.contracts.credit
    tokens = credit.balance_of(buyer, block=block)
    return Funds(account.balance, account.nonce, tokens, credit.allowance(buyer, parts.deployment.market, block=block))


def now(parts: Parts) -> int:
    """UTC seconds; the chain's where it runs ahead, because the contract judges deadlines by it."""
    return max(int(parts.clock()), parts.chain.latest().timestamp)


def quote(parts: Parts, request: QuoteRequest) -> QuoteAnswer:
    """Prices a purchase and writes the quote down; raises `UnknownPlan`, `PlanRetired`, `MalformedInput`."""
    buyer, cap = address(request.buyer), int(request.cap)
    plan = _plan(parts, int(request.planId))
    total = cap * plan.unit_price + request.periods * plan.period_price
    if cap > MAX_CAP or not (cap or request.periods):
        raise MalformedInput(f"cap {cap} with {request.periods} periods cannot be bought.", remedy="Give a cap.")
    funds = funds_of(parts, buyer)
    expires = now(parts) + parts.settings.quote_seconds
    quote_id = secrets.token_hex(16)
    row = {
        "quote_id": quote_id, "plan_id": request.planId, "cap": request.cap, "periods": request.periods,
        "buyer": buyer, "total": str(total), "nonce": str(funds.nonce), "deadline": expires, "expires": expires,
    }  # fmt: skip
    with parts.engine.begin() as connection:
        connection.execute(insert(quotes).values(row))
    return {
        "quoteId": quote_id,
        "planId": request.planId,
        "cap": request.cap,
        "periods": request.periods,
        "total": str(total),
        "nonce": str(funds.nonce),
        "deadline": str(expires),
        "expires": str(expires),
        "typedData": _order_to_sign(parts, row),
        "permit": _permit_to_sign(parts, buyer, funds, total, expires),
    }


def _plan(parts: Parts, plan_id: int) -> structs.PlanTerms:
    try:
        plan = parts.contracts.catalog.plan(PlanId(plan_id))
    except (Reverted, ValueOutOfRange) as error:
        raise UnknownPlan(f"no plan {plan_id} was published.", remedy="GET /api/v1/models lists them.") from error
    if plan.retired:
        raise PlanRetired(f"plan {plan_id} takes no new buyers.", remedy="Choose a newer version of the plan.")
    return plan.terms


def _order_to_sign(parts: Parts, row: Mapping[str, Any]) -> dict[str, Any]:
    """The typed data with signer and requirementsHash left open: the client puts in its own."""
    order = Order(
        buyer=row["buyer"], plan_id=PlanId(int(row["plan_id"])), signer=ZERO_ADDRESS, cap=Units(int(row["cap"])),
        periods=row["periods"], requirements_hash=ZERO_HASH, total=Money(int(row["total"])), nonce=int(row["nonce"]),
        deadline=row["deadline"],
    )  # fmt: skip
    document = typed_data(parts.contracts.market_domain, order)
    document["message"] |= {"signer": None, "requirementsHash": None}
    return document


def _permit_to_sign(parts: Parts, buyer: Address, funds: Funds, total: int, deadline: int) -> PermitToSign | None:
    """The permit that would cover the shortfall, None where the account or an allowance covers it."""
    shortfall = funds.shortfall(total)
    if shortfall <= funds.allowance:
        return None
    nonce = parts.contracts.credit.permit_nonce(buyer)
    permit = Permit(buyer, parts.deployment.market, Money(shortfall), nonce, deadline)
    return {
        "value": str(shortfall),
        "deadline": str(deadline),
        "typedData": typed_data(parts.contracts.credit_domain, permit),
    }


def place(parts: Parts, request: OrderRequest) -> OrderAnswer:
    """Checks and relays an order; the same order again gives the same answer."""
    order = request.order.order()
    order_id = to_hex(digest(parts.contracts.market_domain, order))
    known = _row(parts, order_id)
    if known is not None and known["state"] == "bought":
        return answer(dict(known))
    if known is None:
        _check(parts, request, order)
    return _relay(parts, request, order, order_id)


def _check(parts: Parts, request: OrderRequest, order: Order) -> None:
    """Every reason to refuse, named, before anything is written."""
    chain_id = parts.deployment.chain_id
    if request.chainId is not None and int(request.chainId) != chain_id:
        why = f"signed for chain {request.chainId}, this is chain {chain_id}."
        raise WrongChain(why, remedy="Switch the wallet's network and sign again.")
    _check_quote(parts, request)
    _check_document(parts, to_hex(order.requirements_hash))
    _check_signature(parts, order, from_hex(request.signature))
    _check_funds(parts, order, request)


def _check_quote(parts: Parts, request: OrderRequest) -> None:
    with parts.engine.connect() as connection:
        quoted = connection.execute(select(quotes).where(quotes.c.quote_id == request.quoteId)).mappings().first()
    if quoted is None:
        raise UnknownQuote(f"no quote {request.quoteId} was given.", remedy="POST /api/v1/quotes again.")
    at = now(parts)
    if at > quoted["expires"]:
        raise QuoteExpired(f"it held until {quoted['expires']}, now is {at}.", remedy="POST /api/v1/quotes again.")
    pairs = [
        ("planId", "plan_id"), ("cap", "cap"), ("periods", "periods"), ("buyer", "buyer"), ("total", "total"),
        ("nonce", "nonce"), ("deadline", "deadline"),
    ]  # fmt: skip
    for name, column in pairs:
        given, due = str(getattr(request.order, name)).lower(), str(quoted[column]).lower()
        if given != due:
            raise OrderDiffers(f"{name} is {given}, quoted was {due}.", remedy="Sign what was quoted, or quote again.")


def _check_document(parts: Parts, digest: str) -> None:
    """There, and a request: well-formed, because only such are stored under that schema. Else money waits in vain."""
    document = parts.documents.document(digest)
    if document is None:
        raise DocumentMissing(f"no document has the hash {digest}.", remedy="PUT it to /api/v1/documents/{hash} first.")
    if document.get("schema") not in REQUEST_SCHEMAS:
        why = f"{digest} is no request: its schema is {document.get('schema')!r}."
        raise MalformedDocument(
            why, remedy=f"Ask by a document of schema {REQUEST_SCHEMAS[-1]}, then quote and sign again."
        )


def _check_signature(parts: Parts, order: Order, signature: bytes) -> None:
    """A key's signature is checked here; a contract wallet's (ERC-1271) by the market itself."""
    try:
        signer = recover(parts.contracts.market_domain, order, signature)
    except SignatureMalformed:
        signer = None
    if signer != order.buyer and not parts.chain.code(order.buyer):
        why = f"it was made by {signer or 'nobody'}, the order's buyer is {order.buyer}."
        raise BadSignature(why, remedy="Sign the quoted typed data with the buyer's key, on this chain.")


def _check_funds(parts: Parts, order: Order, request: OrderRequest) -> None:
    funds = funds_of(parts, order.buyer)
    shortfall = funds.shortfall(order.total)
    if shortfall > funds.tokens:
        why = f"{order.total} are needed; the account holds {funds.account}, the wallet {funds.tokens}."
        remedy = f"Get {shortfall - funds.tokens} more of the token's smallest units, or buy a lower cap."
        raise InsufficientFunds(why, remedy=remedy, needed=str(order.total), missing=str(shortfall - funds.tokens))
    allowed = max(funds.allowance, int(request.permit.value) if request.permit else 0)
    if shortfall > allowed:
        why = f"{shortfall} must be drawn from the wallet, {allowed} are allowed."
        raise InsufficientFunds(why, remedy="Sign the quote's permit.", needed=str(shortfall), allowed=str(allowed))


def _relay(parts: Parts, request: OrderRequest, order: Order, order_id: str) -> OrderAnswer:
    """One transaction under the order's digest as idempotency key; a refusal leaves no row."""
    permit = request.permit.permit() if request.permit else structs.NO_PERMIT
    call = parts.contracts.market.buy_for(order, from_hex(request.signature), permit)
    row = {"order_id": order_id, "quote_id": request.quoteId, "buyer": order.buyer, "state": "relaying"}
    with parts.engine.begin() as connection:
        connection.execute(upsert(orders).values(row).on_conflict_do_nothing())
    try:
        receipt = parts.relayer.send(call, key=order_id)
    except Reverted:
        _forget(parts, order_id)
        raise
    bought = parts.contracts.event_in(receipt, Subscribed)
    done = row | {"state": "bought", "tx_hash": receipt.tx_hash, "subscription_id": str(bought.subscription_id)}
    with parts.engine.begin() as connection:
        connection.execute(upsert(orders).values(done).on_conflict_do_update(index_elements=["order_id"], set_=done))
    return answer(done)


def _forget(parts: Parts, order_id: str) -> None:
    with parts.engine.begin() as connection:
        connection.execute(delete(orders).where(orders.c.order_id == order_id, orders.c.state == "relaying"))


def find(parts: Parts, order_id: str) -> OrderAnswer:
    """Where an order stands; raises `UnknownOrder`."""
    row = _row(parts, order_id)
    if row is None:
        raise UnknownOrder(f"no order {order_id} was accepted.", remedy="POST /api/v1/orders.")
    return answer(dict(row))


def _row(parts: Parts, order_id: str) -> RowMapping | None:
    with parts.engine.connect() as connection:
        return connection.execute(select(orders).where(orders.c.order_id == order_id)).mappings().first()


def answer(row: Mapping[str, Any]) -> OrderAnswer:
    return {
        "orderId": row["order_id"],
        "state": row["state"],
        "txHash": row.get("tx_hash"),
        "subscriptionId": row.get("subscription_id"),
    }
