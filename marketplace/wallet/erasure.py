"""The buyer's demand that the gateway forgets its behaviour: signed here, carried out there.

Called by `s4m subscriptions forget`. It holds no session: the demand is good after the subscription's end too.
"""

from __future__ import annotations

import time
from typing import Any, Final

import httpx

from ledger.keys import WalletKey
from ledger.typed_data import Domain, ErasureDemand, sign
from ledger.values import SubscriptionId, to_hex
from marketplace.errors import GatewayDown, ProblemAnswer

GOOD_FOR_S: Final = 300
"""A demand that is read on its way can be repeated for five minutes; it erases the same user's behaviour only."""


def erasure_demand(domain: Domain, subscription_id: SubscriptionId, key: WalletKey) -> dict[str, Any]:
    """The body of the demand, signed by the buyer's key or the session key."""
    demand = ErasureDemand(subscription_id, int(time.time()) + GOOD_FOR_S)
    return {
        "subscriptionId": str(subscription_id),
        "expires": demand.expires,
        "signature": to_hex(sign(key, domain, demand)),
    }


def demand_erasure(gateway_url: str, domain: Domain, subscription_id: SubscriptionId, key: WalletKey) -> dict[str, Any]:
    """Have it forgotten; the gateway's answer. `ProblemAnswer` where it refuses, `GatewayDown` without a connection."""
    body = erasure_demand(domain, subscription_id, key)
    try:
        answer = httpx.post(f"{gateway_url}/usage/{subscription_id}/erasure", json=body, trust_env=False, timeout=30)
    except httpx.TransportError as cause:
        raise GatewayDown("no connection.", remedy="Start the house (`s4m up`), then repeat.") from cause
    if answer.is_error:
        raise ProblemAnswer(answer.status_code, dict(answer.json()))
    return dict(answer.json())
