"""PUT /subscriptions/{id}/request: a buyer changes a running request. The orchestrator keeps and carries it out.

Checked here already: the session key's signature over RequestUpdate, by the chain's word for who that is.
"""

from __future__ import annotations

from typing import Any, cast

from fastapi import APIRouter
from pydantic import Field

from ledger.errors import SignatureMalformed
from ledger.typed_data import RequestUpdate, recover
from ledger.values import SubscriptionId, from_hex
from marketplace.answers import Accepted
from marketplace.decisions import ask_orchestrator
from marketplace.errors import BadSignature, MalformedInput, OrchestratorDown, UnknownSubscription
from marketplace.openapi import problems
from marketplace.orders.schemas import Hex32, HexBytes, Shape
from marketplace.parts import Parts
from marketplace.subscriptions.service import chain_side


class UpdateRequest(Shape):
    """The new request document and the signature over its hash, its revision and its deadline (UTC seconds)."""

    document: dict[str, Any] = Field(examples=[{"schema": "s4m/request/2"}])
    requirementsHash: Hex32
    revision: int = Field(ge=1, lt=2**53)
    deadline: int = Field(ge=0, lt=2**53)
    signature: HexBytes


def router(parts: Parts) -> APIRouter:
    routes = APIRouter(tags=["subscriptions"])

    @routes.put(
        "/subscriptions/{id}/request",
        responses=problems(MalformedInput, UnknownSubscription, BadSignature, OrchestratorDown),
    )
    def put_request(id: str, update: UpdateRequest) -> Accepted:
        """Change a running request by a document that the session key signed. The same revision twice is one."""
        found = chain_side(parts, id)
        message = RequestUpdate(
            SubscriptionId(int(id)), from_hex(update.requirementsHash), update.revision, update.deadline
        )
        try:
            signer = recover(parts.contracts.market_domain, message, from_hex(update.signature))
        except SignatureMalformed as error:
            raise BadSignature(str(error), remedy="Sign with the session key.") from error
        if signer != found.signer:
            why = f"made by {signer}, the session key is {found.signer}."
            raise BadSignature(why, remedy="Sign with the session key.")
        body = update.model_dump()
        return cast(Accepted, ask_orchestrator(parts, "PUT", f"/subscriptions/{id}/request", json=body))

    return routes
