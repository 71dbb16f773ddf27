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

    def mint(self, subscription_id: int, jkt: str, *, ends: int, standing: str = "") -> tuple[str, int]:
        """(token, expiry in UTC seconds). `ends` is the binding's `expires`; ValueError when it is past.

        With `standing` it is a delegate's: good as long as the pass of that id stands.
        """
        return self._mint(f"subscription:{subscription_id}", jkt, ends, standing)

    def mint_account(self, account: str, jkt: str, *, ends: int, standing: str) -> tuple[str, int]:
        """As `mint`, for a person who signed in: good as long as the sign-in of the id `standing` stands."""
        return self._mint(f"account:{account}", jkt, ends, standing)

    def _mint(self, subject: str, jkt: str, ends: int, standing: str) -> tuple[str, int]:
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
            subject=subject,
            jkt=jkt,
            ends=ends,
            standing=standing,
        )
        return token, now + lifetime
