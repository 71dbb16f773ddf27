"""What goes over the wire for a subscription."""

from __future__ import annotations

from marketplace.orders.schemas import Hex32, HexBytes, Shape


class ActivationRequest(Shape):
    """POST /subscriptions/{id}/activation: the session key's word that it was handed the service."""

    endpointHash: Hex32
    signature: HexBytes
