"""A subscription's two sides: the chain's word from the contract, the service's word from the orchestrator."""

from __future__ import annotations

from typing import Any

import httpx
from sqlalchemy import RowMapping, select

from ledger.errors import SignatureMalformed
from ledger.structs import Subscription
from ledger.typed_data import Activation, recover
from ledger.values import Status, SubscriptionId, from_hex
from marketplace.database import subscriptions
from marketplace.errors import BadSignature, MalformedInput, OrchestratorDown, ProblemAnswer, UnknownSubscription
from marketplace.parts import Parts
from marketplace.subscriptions.schemas import ActivationRequest


def listed(parts: Parts, buyer: str | None) -> list[dict[str, Any]]:
    """From the projected table; statuses are the contract's, computed from facts, so ask `one` for them."""
    parts.projection.refresh()
    query = select(subscriptions)
    if buyer is not None:
        query = query.where(subscriptions.c.buyer == buyer)
    with parts.engine.connect() as connection:
        rows = connection.execute(query).mappings().all()
    return [_row(row) for row in sorted(rows, key=lambda row: int(row["subscription_id"]))]


def one(parts: Parts, subscription_id: str) -> dict[str, Any]:
    """Both sides now; raises `UnknownSubscription`. A silent orchestrator is said, not hidden."""
    found = chain_side(parts, subscription_id)
    return {
        "subscriptionId": subscription_id,
        "chain": _chain(parts, subscription_id, found),
        "service": service_side(parts, subscription_id),
    }


def chain_side(parts: Parts, subscription_id: str) -> Subscription:
    is_number = subscription_id.isascii() and subscription_id.isdecimal() and len(subscription_id) < 30
    if not is_number or int(subscription_id) >= 2**96:
        raise MalformedInput(f"{subscription_id!r} is no subscription id.", remedy="Give a decimal id below 2^96.")
    found = parts.contracts.market.subscription(SubscriptionId(int(subscription_id)))
    if found.status == Status.NONE:
        raise UnknownSubscription(f"the chain knows no {subscription_id}.", remedy="Check the id and the chain.")
    return found


def service_side(parts: Parts, subscription_id: str) -> dict[str, Any]:
    """What the orchestrator says; `requested` before it has seen the final event, `unknown` where it is silent."""
    try:
        answer = parts.orchestrator.get(f"/subscriptions/{subscription_id}")
    except httpx.TransportError as error:
        return {"state": "unknown", "why": f"the orchestrator does not answer ({type(error).__name__})"}
    if answer.status_code == 404:
        return {"state": "requested"}
    if answer.status_code != 200:
        return {"state": "unknown", "why": f"the orchestrator answered {answer.status_code}"}
    return dict(answer.json())


def activate(parts: Parts, subscription_id: str, request: ActivationRequest) -> dict[str, Any]:
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


def _forward(parts: Parts, path: str, body: dict[str, Any]) -> dict[str, Any]:
    try:
        answer = parts.orchestrator.post(path, json=body)
    except httpx.TransportError as error:
        raise OrchestratorDown(f"{type(error).__name__}: {error}.", remedy="Try again in a moment.") from error
    if answer.is_error:
        raise ProblemAnswer(answer.status_code, problem_in(answer))
    return dict(answer.json())


def problem_in(answer: httpx.Response) -> dict[str, Any]:
    """The problem document that the orchestrator answered with, or one in its place."""
    try:
        return dict(answer.json())
    except ValueError:
        return {"code": "orchestrator_failed", "detail": f"it answered {answer.status_code}"}


def _chain(parts: Parts, subscription_id: str, found: Subscription) -> dict[str, Any]:
    return {
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


def _history(parts: Parts, subscription_id: str) -> dict[str, Any]:
    """What only events tell: money reserved and returned, the endpoint's hash, the request's hash."""
    parts.projection.refresh()
    query = select(subscriptions).where(subscriptions.c.subscription_id == subscription_id)
    with parts.engine.connect() as connection:
        row = connection.execute(query).mappings().first()
    if row is None:
        return {}
    names = ("planId", "periods", "reserved", "returned", "deadline", "requirementsHash", "endpointHash", "txHash")
    known = _row(row)
    return {name: known[name] for name in names}


def _row(row: RowMapping) -> dict[str, Any]:
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
