"""What a buyer's client checks at handover, pure: is this the endpoint that the activation will name?

Called by `client.py`. It talks to nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ledger.values import to_hex
from marketplace.documents import hash_of
from marketplace.errors import EndpointDiffers, ServiceRefused

ENDED = ("released", "refunded", "refundable")


def state_of(answer: Mapping[str, Any]) -> str:
    """The service's state in the answer of GET /subscriptions/{id}."""
    return str(answer["service"].get("state", "unknown"))


def refused(answer: Mapping[str, Any]) -> None:
    """Raises `ServiceRefused` where waiting is in vain, with the orchestrator's own reason."""
    service, status = answer["service"], str(answer["chain"]["status"])
    if state_of(answer) == "refused":
        raise ServiceRefused(_why(service.get("refusal")), remedy=_REFUND)
    if state_of(answer) == "decommissioned" or status in ENDED:
        raise ServiceRefused(f"the subscription is {status}, the service {state_of(answer)}.", remedy="Buy again.")


def check_endpoint(subscription_id: int, service: Mapping[str, Any]) -> tuple[str, str]:
    """(endpoint URL, 0x-hash) once the document hashes to what will be activated; raises `EndpointDiffers`."""
    document, endpoint = service.get("endpointDocument"), str(service.get("endpoint"))
    digest = str(service.get("endpointHash")).lower()
    known = to_hex(hash_of(document)) if isinstance(document, dict) else "nothing"
    if known != digest:
        raise EndpointDiffers(f"the document hashes to {known}, the marketplace says {digest}.", remedy=_REMEDY)
    assert isinstance(document, dict)  # noqa: S101 — it had a hash
    if (document.get("url"), str(document.get("subscriptionId"))) != (endpoint, str(subscription_id)):
        raise EndpointDiffers(f"the document names {document}, the marketplace {endpoint}.", remedy=_REMEDY)
    return endpoint, digest


def _why(refusal: object) -> str:
    """The orchestrator's own words: its code and detail."""
    if not isinstance(refusal, Mapping):
        return f"{refusal}."
    code, detail = refusal.get("code", "refused"), refusal.get("detail") or refusal.get("title") or "no reason was told"
    return f"[{code}] {detail}"


_REFUND = "After the activation deadline take the money back: s4m subscriptions release ID --wallet NAME"
_REMEDY = "Do not use this service; ask its provider."
