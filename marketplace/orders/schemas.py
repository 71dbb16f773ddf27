"""What goes over the wire when buying: quote requests, orders, permits. Ids, money and units are decimal strings."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from ledger import structs
from ledger.typed_data import Order
from ledger.values import Money, PlanId, Units, address, from_hex

Decimal = Annotated[str, StringConstraints(pattern=r"^(0|[1-9][0-9]{0,77})$"), Field(examples=["124554051585"])]
Hex32 = Annotated[str, StringConstraints(pattern=r"^0x[0-9a-fA-F]{64}$"), Field(examples=["0x" + "5f" * 32])]
HexBytes = Annotated[
    str, StringConstraints(pattern=r"^0x([0-9a-fA-F]{2}){1,4096}$"), Field(examples=["0x" + "1b" * 65])
]
HexAddress = Annotated[
    str,
    StringConstraints(pattern=r"^0x[0-9a-fA-F]{40}$"),
    Field(examples=["0x70997970C51812dc3A010C7d01b50e0d17dc79C8"]),
]


class Shape(BaseModel):
    """Strict and frozen: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class QuoteRequest(Shape):
    """POST /quotes. `cap` is the most billable units, `periods` the prepaid periods."""

    planId: Decimal
    cap: Decimal
    periods: int = Field(default=0, ge=0, lt=2**32)
    buyer: HexAddress


class OrderFields(Shape):
    """The EIP-712 Order's message, as wallets show it."""

    buyer: HexAddress
    planId: Decimal
    signer: HexAddress
    cap: Decimal
    periods: Decimal
    requirementsHash: Hex32
    total: Decimal
    nonce: Decimal
    deadline: Decimal

    def order(self) -> Order:
        return Order(
            buyer=address(self.buyer),
            plan_id=PlanId(int(self.planId)),
            signer=address(self.signer),
            cap=Units(int(self.cap)),
            periods=int(self.periods),
            requirements_hash=from_hex(self.requirementsHash),
            total=Money(int(self.total)),
            nonce=int(self.nonce),
            deadline=int(self.deadline),
        )


class PermitFields(Shape):
    """A signed ERC-2612 permit for the market."""

    value: Decimal
    deadline: Decimal
    v: int = Field(ge=27, le=28)
    r: Hex32
    s: Hex32

    def permit(self) -> structs.Permit:
        return structs.Permit(Money(int(self.value)), int(self.deadline), self.v, from_hex(self.r), from_hex(self.s))


class OrderRequest(Shape):
    """POST /orders. `chainId` says for which chain the wallet signed, so that a mistake can be named."""

    quoteId: str = Field(examples=["0f1e2d3c4b5a69788796a5b4c3d2e1f0"])
    order: OrderFields
    signature: HexBytes
    permit: PermitFields | None = None
    chainId: Decimal | None = None
