"""What goes over the wire for a subscription."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from marketplace.orders.schemas import Decimal, Hex32, HexAddress, HexBytes, Shape


class ActivationRequest(Shape):
    """POST /subscriptions/{id}/activation: the session key's word that it was handed the service."""

    endpointHash: Hex32
    signature: HexBytes


class Wanted(BaseModel):
    """GET /subscriptions: of which buyer, plan, transaction; None asks for all."""

    model_config = ConfigDict(frozen=True)

    buyer: HexAddress | None = Field(default=None, description="Whose.")
    planId: Decimal | None = Field(default=None, description="Of which plan.")
    txHash: Hex32 | None = Field(default=None, description="Bought by which transaction.")
