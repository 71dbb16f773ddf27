"""What owners sign about their webhooks (EIP-712, the market's domain, off-chain), and checking that they did."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar

from fastapi import Header

from ledger.errors import SignatureMalformed
from ledger.typed_data import Domain, Message, recover
from ledger.values import Address, SubscriptionId, from_hex
from marketplace.errors import BadSignature

HEADER = "S4M-Webhook-Word"
LONGEST_S = 900
"""Longest life of a signed word, seconds: time to sign by hand."""
_REMEDY = "Sign with the owner's key, on this chain, good for a few minutes; see docs/how-to/hear-by-webhook.md."

WordHeader = Annotated[
    str, Header(alias=HEADER, description="base64url JSON: `expires` and `signature` of the word about this webhook.")
]


@dataclass(frozen=True, slots=True)
class WebhookRegistration:
    """Tell me of these kinds of events, comma-separated, at this address. Subscription 0: of all that are mine."""

    owner: Address
    url: str
    kinds: str
    subscription_id: SubscriptionId
    expires: int

    PRIMARY: ClassVar[str] = "WebhookRegistration"
    FIELDS: ClassVar[tuple[tuple[str, str], ...]] = (
        ("owner", "address"),
        ("url", "string"),
        ("kinds", "string"),
        ("subscriptionId", "uint96"),
        ("expires", "uint64"),
    )


@dataclass(frozen=True, slots=True)
class WebhookReading:
    """Show me this webhook (or, by the name `*`, all of mine), until `expires`."""

    webhook_id: str
    expires: int

    PRIMARY: ClassVar[str] = "WebhookReading"
    FIELDS: ClassVar[tuple[tuple[str, str], ...]] = (("webhookId", "string"), ("expires", "uint64"))


@dataclass(frozen=True, slots=True)
class WebhookRemoval:
    """Tell me no more. Said twice it does no harm."""

    webhook_id: str
    expires: int

    PRIMARY: ClassVar[str] = "WebhookRemoval"
    FIELDS: ClassVar[tuple[tuple[str, str], ...]] = (("webhookId", "string"), ("expires", "uint64"))


def signer_of(domain: Domain, word: Message, expires: int, signature: str, now: float) -> Address:
    """Who signed the word; raises `BadSignature` where it has ended, lasts too long, or cannot be read."""
    if not 0 < expires - now <= LONGEST_S:
        raise BadSignature(f"the word must end within {LONGEST_S} s from now.", remedy=_REMEDY)
    try:
        return recover(domain, word, from_hex(signature))
    except (ValueError, SignatureMalformed) as error:
        raise BadSignature("it cannot be read.", remedy=_REMEDY) from error


def signer_in(header: str, domain: Domain, word: Callable[[str, int], Message], webhook_id: str, now: float) -> Address:
    """Who signed the header's word about this webhook; raises `BadSignature`."""
    try:
        given = json.loads(urlsafe_b64decode(header + "=" * (-len(header) % 4)))
        expires, signature = int(given["expires"]), str(given["signature"])
        said = word(webhook_id, expires)
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise BadSignature(f"the {HEADER} header cannot be read.", remedy=_REMEDY) from error
    return signer_of(domain, said, expires, signature, now)
