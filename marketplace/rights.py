"""Who may read what concerns one subscription only: its buyer, its session key, and the owner of the model it is of.

Such a reader signs a SessionBinding over the key of its DPoP proof; the gate has checked the proof, this checks the
binding. Used by the features that show a request, its decisions and its notices. It keeps nothing.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from typing import Annotated

from fastapi import Header, Request

from ledger.errors import SignatureMalformed
from ledger.typed_data import SessionBinding, recover
from ledger.values import Address, SubscriptionId, from_hex, model_of, plan_of
from marketplace.errors import BadSignature
from marketplace.parts import Parts
from marketplace.subscriptions.service import chain_side
from marketplace.wallet.own import HEADER

LONGEST_S = 3600
"""Longest life of a binding, seconds: who lost the key of the proof can read no longer than this."""
Binding = Annotated[
    str, Header(alias=HEADER, description="base64url JSON: `jkt`, `expires`, `signature` of the SessionBinding.")
]
"""The header as the OpenAPI document tells of it; `require_reader` reads it itself, because it may be missing."""
_REMEDY = "Sign a SessionBinding over your proof's key with the subscription's session key."


@dataclass(frozen=True)
class Reader:
    """Who reads, until when (UTC seconds)."""

    address: Address
    ends: int


def may_read(parts: Parts, subscription_id: str, reader: str) -> bool:
    """Whether the chain says so now."""
    found = chain_side(parts, subscription_id)
    model = model_of(plan_of(SubscriptionId(int(subscription_id))))
    return reader in (found.signer, found.buyer) or reader == parts.contracts.catalog.owner_of(model)


def require_reader(parts: Parts, request: Request, subscription_id: str) -> Reader:
    """Who reads; `BadSignature` for whoever may not, `UnknownSubscription` where there is none."""
    chain_side(parts, subscription_id)
    try:
        header = request.headers.get(HEADER, "")
        given = json.loads(urlsafe_b64decode(header + "=" * (-len(header) % 4)))
        binding = SessionBinding(SubscriptionId(int(subscription_id)), str(given["jkt"]), int(given["expires"]))
        reader = recover(parts.contracts.market_domain, binding, from_hex(str(given["signature"])))
    except (ValueError, KeyError, TypeError, OverflowError, SignatureMalformed) as error:
        raise BadSignature(f"the {HEADER} header cannot be read.", remedy=_REMEDY) from error
    if binding.jkt != request.state.caller.jkt:
        raise BadSignature("the proof is of another key than the binding names.", remedy=_REMEDY)
    if not 0 < binding.expires - parts.clock() <= LONGEST_S:
        raise BadSignature(f"the binding must end within {LONGEST_S} s from now.", remedy=_REMEDY)
    if not may_read(parts, subscription_id, reader):
        raise BadSignature(f"made by {reader}, who neither bought subscription {subscription_id} nor sells its model.",
                           remedy=_REMEDY)  # fmt: skip
    return Reader(reader, binding.expires)
