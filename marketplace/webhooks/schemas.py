"""What goes over the wire for a webhook."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from marketplace.notice_kinds import NoticeKind
from marketplace.orders.schemas import Decimal, HexAddress, HexBytes, Shape

Kind = Literal[
    "Subscribed", "Activated", "CapRaised", "Renewed", "SignerProposed", "SignerConfirmed", "ReleaseRequested",
    "Released", "Refunded", "Settled", "Skipped", "TimeCollected", "AssetMinted",
]  # fmt: skip


class WebhookRequest(Shape):
    """POST /webhooks: the signed registration. Without `subscriptionId`: all that the owner bought or sells."""

    owner: HexAddress
    url: str = Field(min_length=1, max_length=2048, examples=["https://shop.example/hooks"])
    kinds: tuple[Kind | NoticeKind, ...] = Field(
        min_length=1, max_length=25, examples=[["Subscribed", "share.migrated"]]
    )
    subscriptionId: Decimal | None = Field(default=None, examples=["534955578137634078721"])
    expires: int = Field(ge=0, lt=2**53, examples=[1764216600])
    signature: HexBytes
