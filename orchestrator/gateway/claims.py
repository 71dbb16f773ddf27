"""Claims that a plan requires of its user: shown when a session opens, held against the chain while it is used.

The plan's terms say what is required; the buyer's client shows claim and salt with its session binding. They stay in
memory, as long as this process lives; a claim that is revoked or expires stops the use within `AGAIN_S`.
"""

import asyncio
import time

from ledger.claims import Disclosure, first_unmet
from ledger.contracts.identity import IdentityContract
from ledger.errors import LedgerError
from ledger.metering import Terms
from ledger.values import Address
from orchestrator.gateway.errors import ChainUnreachable, ClaimRequired

AGAIN_S = 4.0
"""The chain is asked again after so many seconds of use."""


class ClaimDesk:
    """What was disclosed for each subscription."""

    def __init__(self, identity: IdentityContract) -> None:
        self._identity = identity
        self._shown: dict[int, tuple[Disclosure, ...]] = {}
        self._checked: dict[int, float] = {}

    def show(self, subscription: int, disclosures: tuple[Disclosure, ...]) -> None:
        """Take these in place of what was shown before."""
        if disclosures:
            self._shown[subscription] = disclosures
            self._checked.pop(subscription, None)

    def forget(self, subscription: int) -> None:
        self._shown.pop(subscription, None)
        self._checked.pop(subscription, None)

    async def require(self, subscription: int, buyer: Address, terms: Terms) -> None:
        """ClaimRequired unless the buyer has all that the terms require, ChainUnreachable where nobody can say."""
        if not terms.requires or time.monotonic() - self._checked.get(subscription, float("-inf")) < AGAIN_S:
            return
        shown = self._shown.get(subscription, ())
        try:
            unmet = await asyncio.to_thread(first_unmet, self._identity, buyer, terms.requires, shown)
        except LedgerError as cause:
            raise ChainUnreachable(f"{cause}") from cause
        if unmet is not None:
            self._checked.pop(subscription, None)
            raise ClaimRequired(
                f"The plan asks for a claim about its user: {unmet}. It was not shown, is not about {buyer}, or is "
                "expired or revoked. Show its disclosure when you open the session."
            )
        self._checked[subscription] = time.monotonic()
