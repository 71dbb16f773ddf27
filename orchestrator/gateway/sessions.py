"""Opening a session: the session key binds the buyer's DPoP key, the gateway answers with a short-lived token. And
the other words of buyers that it believes by their signatures: audit grants, demands to erase.

Grants are read at the finalised block, revocations at the latest. What a session may do afterwards is the gate's.
"""

import time

from ledger.errors import SignatureMalformed
from ledger.structs import Subscription
from ledger.typed_data import AuditGrant, Domain, ErasureDemand, SessionBinding, recover
from ledger.values import SubscriptionId, address, from_hex
from orchestrator.gateway.errors import BadBinding, BadErasure
from orchestrator.gateway.shapes import AuditGrantHeader, ErasurePost, SessionRequest
from orchestrator.gateway.watch import Watch
from trust.sessions import SessionIssuer


class Sessions:
    """Opens sessions of one gateway. `limit_s` is the longest life of a binding, seconds."""

    def __init__(self, issuer: SessionIssuer, watch: Watch, domain: Domain, limit_s: int) -> None:
        self._issuer = issuer
        self._watch = watch
        self._domain = domain
        self._limit_s = limit_s

    async def open(self, asked: SessionRequest, proof_jkt: str) -> tuple[str, int]:
        """(token, its expiry in UTC seconds). `proof_jkt` is the key that signed this request's DPoP proof."""
        if asked.jkt != proof_jkt:
            raise BadBinding("The DPoP proof is of another key than the binding names; prove with the bound key.")
        if not 0 < asked.expires - time.time() <= self._limit_s:
            raise BadBinding(f"The binding must end within {self._limit_s} s from now; sign a new one.")
        right = await self._watch.open(int(asked.subscriptionId))
        binding = SessionBinding(SubscriptionId(int(asked.subscriptionId)), asked.jkt, asked.expires)
        if self._signed_by(binding, asked.signature) != right.subscription.signer:
            raise BadBinding("The binding is not signed by the subscription's session key on this chain and market.")
        return self._issuer.mint(int(asked.subscriptionId), asked.jkt, ends=asked.expires)

    def check_grant(self, grant: AuditGrantHeader, subscription: int, buyer: str) -> None:
        """`BadBinding` unless the buyer signed this grant for this subscription and it still runs."""
        message = AuditGrant(SubscriptionId(int(grant.subscriptionId)), address(grant.grantee), grant.expires)
        if message.subscription_id != subscription or grant.expires <= time.time():
            raise BadBinding("The audit grant is for another subscription or has ended; ask the buyer for a new one.")
        if self._signed_by(message, grant.signature) != buyer:
            raise BadBinding("The audit grant is not signed by the subscription's buyer.")

    def check_erasure(self, demand: ErasurePost, subscription: int, state: Subscription) -> None:
        """`BadErasure` unless buyer or session key signed this demand for this subscription and it still runs."""
        message = ErasureDemand(SubscriptionId(int(demand.subscriptionId)), demand.expires)
        if message.subscription_id != subscription or demand.expires <= time.time():
            raise BadErasure("The demand is for another subscription or has ended; sign a new one.")
        if self._signed_by(message, demand.signature) not in (state.buyer, state.signer):
            raise BadErasure("The demand is not signed by the subscription's buyer or its session key.")

    def _signed_by(self, message: SessionBinding | AuditGrant | ErasureDemand, signature: str) -> str:
        try:
            return recover(self._domain, message, from_hex(signature))
        except SignatureMalformed as cause:
            raise BadBinding(f"The signature is malformed: {cause.message}.") from cause
