"""A subscription's two sides: the chain's word from the contract, the service's word from the orchestrator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import httpx
from sqlalchemy import RowMapping, select

from ledger.errors import SignatureMalformed
from ledger.structs import Subscription
from ledger.typed_data import Activation, recover
from ledger.values import Status, SubscriptionId, address, from_hex
from marketplace.answers import Accepted, ChainSide, ServiceSide, SubscriptionAnswer, SubscriptionRow
from marketplace.database import subscriptions
from marketplace.errors import BadSignature, MalformedInput, OrchestratorDown, ProblemAnswer, UnknownSubscription
from marketplace.pagination import Window
from marketplace.parts import Parts
from marketplace.subscriptions.schemas import ActivationRequest, Wanted


def listed(parts: Parts, asked: Wanted, window: Window) -> list[SubscriptionRow]:
    """From the projected table; statuses are the contract's, computed from facts, so ask `one` for them.

    One row more than `window` shows where there are more.
    """
    parts.projection.refresh()
    key = subscriptions.c.subscription_id
    query = select(subscriptions).order_by(key).limit(window.limit + 1)
    buyer = None if asked.buyer is None else address(asked.buyer)
    for column, value in (("buyer", buyer), ("plan_id", asked.planId), ("tx_hash", asked.txHash)):
        if value is not None:
            query = query.where(subscriptions.c[column] == value)
    if window.after is not None:
        query = query.where(key > window.after[0])
    with parts.engine.connect() as connection:
        return [_row(row) for row in connection.execute(query).mappings()]


def require_known(parts: Parts, subscription_id: str) -> None:
    """Raises `UnknownSubscription` unless its purchase is in the tables; `MalformedInput` for what is no id."""
    _number(subscription_id)
    query = select(subscriptions.c.buyer).where(subscriptions.c.subscription_id == subscription_id)
    for force in (False, True):  # who has just bought need not wait for the next look at the chain
        parts.projection.refresh(force)
        with parts.engine.connect() as connection:
            if connection.execute(query).first() is not None:
                return
    raise _unknown(subscription_id)


def one(parts: Parts, subscription_id: str) -> SubscriptionAnswer:
    """Both sides now; raises `UnknownSubscription`. A silent orchestrator is said, not hidden."""
    found = chain_side(parts, subscription_id)
    return {
        "subscriptionId": subscription_id,
        "chain": _chain(parts, subscription_id, found),
        "service": service_side(parts, subscription_id),
    }


def chain_side(parts: Parts, subscription_id: str) -> Subscription:
    """The contract's word now; raises `MalformedInput`, `UnknownSubscription`."""
    found = parts.contracts.market.subscription(_number(subscription_id))
    if found.status == Status.NONE:
        raise _unknown(subscription_id)
    return found


def _number(subscription_id: str) -> SubscriptionId:
    is_number = subscription_id.isascii() and subscription_id.isdecimal() and len(subscription_id) < 30
    if not is_number or int(subscription_id) >= 2**96:
        raise MalformedInput(f"{subscription_id!r} is no subscription id.", remedy="Give a decimal id below 2^96.")
    return SubscriptionId(int(subscription_id))


def _unknown(subscription_id: str) -> UnknownSubscription:
    return UnknownSubscription(f"the chain knows no {subscription_id}.", remedy="Check the id and the chain.")


def service_side(parts: Parts, subscription_id: str) -> ServiceSide:
    """What the orchestrator says; `requested` before it has seen the final event, `unknown` where it is silent."""
    try:
        answer = parts.orchestrator.get(f"/subscriptions/{subscription_id}")
    except httpx.TransportError as error:
        return {"state": "unknown", "why": f"the orchestrator does not answer ({type(error).__name__})"}
    if answer.status_code == 404:
        return {"state": "requested"}
    if answer.status_code != 200:
        return {"state": "unknown", "why": f"the orchestrator answered {answer.status_code}"}
    return cast(ServiceSide, answer.json())


def activate(parts: Parts, subscription_id: str, request: ActivationRequest) -> Accepted:
    """Checks the session key's signature, then hands it to the orchestrator, which submits it."""
    found = chain_side(parts, subscription_id)
    message = Activation(SubscriptionId(int(subscription_id)), from_hex(request.endpointHash))
    try:
        signer = recover(parts.contracts.market_domain, message, from_hex(request.signature))
    except SignatureMalformed as error:
        raise BadSignature(str(error), remedy="Sign with the session key.") from error
    if signer != found.signer:
        raise BadSignature(f"made by {signer}, the session key is {found.signer}.", remedy="Sign with the session key.")
    return _forward(parts, f"/subscriptions/{subscription_id}/activation", request.model_dump())


def _forward(parts: Parts, path: str, body: dict[str, Any]) -> Accepted:
    try:
        answer = parts.orchestrator.post(path, json=body)
    except httpx.TransportError as error:
        raise OrchestratorDown(f"{type(error).__name__}: {error}.", remedy="Try again in a moment.") from error
    if answer.is_error:
        raise ProblemAnswer(answer.status_code, problem_in(answer))
    return cast(Accepted, answer.json())


def problem_in(answer: httpx.Response) -> dict[str, Any]:
    """The problem document that the orchestrator answered with, or one in its place."""
    try:
        return dict(answer.json())
    except ValueError:
        return {"code": "orchestrator_failed", "detail": f"it answered {answer.status_code}"}


def _chain(parts: Parts, subscription_id: str, found: Subscription) -> ChainSide:
    side = {
        "status": found.status.name.lower(),
        "buyer": found.buyer,
        "signer": found.signer,
        "cap": str(found.cap),
        "used": str(found.used),
        "since": found.since,
        "paidThrough": found.paid_through,
        "collectedThrough": found.collected_through,
        **_history(parts, subscription_id),
    }
    return cast(ChainSide, side)


def _history(parts: Parts, subscription_id: str) -> dict[str, Any]:
    """What only events tell: money reserved and returned, the endpoint's hash, the request's hash."""
    parts.projection.refresh()
    query = select(subscriptions).where(subscriptions.c.subscription_id == subscription_id)
    with parts.engine.connect() as connection:
        row = connection.execute(query).mappings().first()
    if row is None:
        return {}
    names = ("planId", "periods", "reserved", "returned", "deadline", "requirementsHash", "endpointHash", "txHash")
    known: Mapping[str, Any] = _row(row)
    return {name: known[name] for name in names}


def _row(row: RowMapping) -> SubscriptionRow:
    return {
        "subscriptionId": row["subscription_id"],
        "planId": row["plan_id"],
        "buyer": row["buyer"],
        "signer": row["signer"],
        "cap": row["cap"],
        "used": row["used"],
        "periods": row["periods"],
        "reserved": row["reserved"],
        "returned": row["returned"],
        "deadline": row["deadline"],
        "requirementsHash": row["requirements_hash"],
        "endpointHash": row["endpoint_hash"],
        "since": row["since"],
        "paidThrough": row["paid_through"],
        "releasableAt": row["releasable_at"],
        "ended": row["ended"],
        "txHash": row["tx_hash"],
    }
