"""Session tokens for buyers: the gateway mints one after it has verified the buyer's EIP-712 `SessionBinding`.

Called by the gateway's `POST /sessions`. The token carries `subscription:<id>`, is bound to the buyer's DPoP key and
lives at most 120 s, never longer than the binding. Whether the binding is good is the gateway's to decide.
"""

import time

from trust import tokens
from trust.caller import Clock
from trust.keys import ComponentIdentity


class SessionIssuer:
    """Mints session tokens for one gateway."""

    def __init__(self, identity: ComponentIdentity, *, clock: Clock = time.time) -> None:
        self._identity = identity
        self._clock = clock

    def mint(self, subscription_id: int, jkt: str, *, ends: int) -> tuple[str, int]:
        """(token, expiry in UTC seconds). `ends` is the binding's `expires`; ValueError when it is past."""
        now = int(self._clock())
        lifetime = min(tokens.MAX_LIFETIME_S, ends - now)
        if lifetime <= 0:
            raise ValueError(f"the session binding ended {now - ends} s ago")
        token = tokens.mint(
            self._identity,
            audience=self._identity.component,
            now=now,
            scope=("session",),
            lifetime_s=lifetime,
            subject=f"subscription:{subscription_id}",
            jkt=jkt,
            ends=ends,
        )
        return token, now + lifetime
