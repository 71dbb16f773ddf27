"""Passes at the gateway: opened by their holders, spent use by use, revoked by the buyer at once and for good.

What a pass has spent is committed with the record that spent it, for the pass and for each that it was made of: no
chain of passes can spend more than any link of it allows, whatever crashes. Units count before the plan's
included units, so that a delegate cannot use up those either.
"""

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ledger.errors import SignatureMalformed
from ledger.structs import Subscription
from ledger.typed_data import Domain, PassRevocation, recover
from ledger.values import SubscriptionId, from_hex
from orchestrator.gateway.shapes import PassRequest, RevocationPost
from orchestrator.gateway.store import UsageStore
from orchestrator.gateway.watch import Watch
from trust import passes
from trust.caller import Caller
from trust.errors import PassRefused, PassSpent
from trust.passes import Pass
from trust.sessions import SessionIssuer

MOST_OF_ONE = 64
"""Passes made of one root that the gateway takes: its holder cannot fill the store."""


@dataclass(frozen=True)
class Delegate:
    """Who uses by a pass: its lineage from the pass back to the root, and the proof of possession of this very use."""

    lineage: tuple[Pass, ...]
    proof: str

    @property
    def id(self) -> str:
        return self.lineage[0].id


class PassDesk:
    """All passes that were shown here."""

    def __init__(self, store: UsageStore, watch: Watch, issuer: SessionIssuer, domain: Domain) -> None:
        self._store = store
        self._watch = watch
        self._issuer = issuer
        self._domain = domain
        self._revoked = store.passes.revoked()
        self._spent = defaultdict(int, store.passes.spent())
        self._held: defaultdict[str, int] = defaultdict(int)
        self._known: dict[str, Pass] = {}
        for document in store.passes.documents():
            self._remember(passes.read(document, domain))

    async def open(self, asked: PassRequest, proof_jkt: str) -> tuple[str, int]:
        """(token, its expiry in UTC seconds) for the holder of the chain's last pass; PassRefused says why not."""
        chain = passes.read(asked.document, self._domain)
        if chain.last.jkt != proof_jkt:
            raise PassRefused("It is made out to another key than the one that proves this request.")
        right = await self._watch.open(chain.last.subscription)
        if chain.signer not in (right.subscription.buyer, right.subscription.signer):
            raise PassRefused("It is not signed by the subscription's buyer or its session key.")
        self._require_living(chain.passes)
        await self._keep(chain, asked.document)
        token, expires = self._issuer.mint(
            chain.last.subscription, proof_jkt, ends=self._end(chain.passes), standing=chain.last.id
        )
        return token, expires

    def stands(self, pass_id: str) -> bool:
        """Whether it was shown here and neither it nor one that it was made of is revoked or over."""
        try:
            self._require_living(self.lineage(pass_id))
        except PassRefused:
            return False
        return True

    def lineage(self, pass_id: str) -> tuple[Pass, ...]:
        """The pass, the one that it was made of, and so on to the root; empty where it was never shown."""
        found = []
        while pass_id in self._known:
            found.append(self._known[pass_id])
            pass_id = found[-1].parent
        return tuple(found)

    def delegate(self, caller: Caller, proof: str) -> Delegate | None:
        """Who uses by a pass; None for the buyer's own session."""
        return Delegate(self.lineage(caller.standing), proof) if caller.standing else None

    def require(self, delegate: Delegate, operation: str) -> None:
        """PassRefused unless every pass of the lineage still stands and allows the operation."""
        self._require_living(delegate.lineage)
        if not all(operation in each.operations for each in delegate.lineage):
            allowed = ", ".join(sorted(delegate.lineage[0].operations))
            raise PassRefused(f"It does not allow the operation {operation!r}, only {allowed}.")

    @contextmanager
    def held(self, delegate: Delegate | None, units: int) -> Iterator[None]:
        """Keeps a use's most units of every pass of the lineage; PassSpent where one has not so many left."""
        lineage = delegate.lineage if delegate else ()
        for each in lineage:
            left = each.units - self._spent[each.id] - self._held[each.id]
            if units > left:
                raise PassSpent(f"This use may take {units} units, {left} of {each.units} are left.")
        for each in lineage:
            self._held[each.id] += units
        try:
            yield
        finally:
            for each in lineage:
                self._held[each.id] -= units

    def spend(self, delegate: Delegate | None, units: int) -> None:
        """Notes what was committed."""
        for each in delegate.lineage if delegate else ():
            self._spent[each.id] += units

    async def revoke(self, subscription: int, posted: RevocationPost, state: Subscription) -> None:
        """Takes a pass back for good, also one that was never shown; PassRefused unless buyer or session key asks."""
        message = PassRevocation(SubscriptionId(subscription), from_hex(posted.passId))
        try:
            signer = recover(self._domain, message, from_hex(posted.signature))
        except SignatureMalformed as cause:
            raise PassRefused(f"The revocation's signature is malformed: {cause.message}.") from cause
        if signer not in (state.buyer, state.signer):
            raise PassRefused("The revocation is not signed by the subscription's buyer or its session key.")
        await asyncio.to_thread(self._store.passes.revoke, subscription, message.pass_id.hex())
        self._revoked.add((subscription, message.pass_id.hex()))

    async def shown(self, subscription: int, since: int) -> dict[str, Any]:
        """For the buyer: every pass that was shown, what it spent, and the proofs of uses from record `since` on."""
        documents, uses = await asyncio.to_thread(self._store.passes.of, subscription, since)
        found = [self._known[each] for each in self._known if self._known[each].subscription == subscription]
        return {
            "passes": [self._shown(each) for each in found],
            "documents": documents,
            "uses": [{"seq": seq, "passId": pass_id, "proof": proof} for seq, pass_id, proof in uses],
        }

    def _shown(self, one: Pass) -> dict[str, Any]:
        return {
            "passId": one.id,
            "parent": one.parent or None,
            "jkt": one.jkt,
            "operations": sorted(one.operations),
            "units": str(one.units),
            "spent": str(self._spent[one.id]),
            "expires": one.expires,
            "revoked": (one.subscription, one.id) in self._revoked,
        }

    async def _keep(self, chain: passes.PassChain, document: dict[str, Any]) -> None:
        if chain.last.id in self._known:
            return
        root = chain.passes[0]
        if sum(self.lineage(each)[-1] == root for each in self._known) >= MOST_OF_ONE:
            raise PassRefused(f"{MOST_OF_ONE} passes made of the same one were shown here; no more are taken.")
        ids = [each.id for each in chain.passes]
        await asyncio.to_thread(self._store.passes.keep, chain.last.subscription, ids, json.dumps(document))
        self._remember(chain)

    def _remember(self, chain: passes.PassChain) -> None:
        self._known |= {each.id: each for each in chain.passes}

    def _require_living(self, lineage: tuple[Pass, ...]) -> None:
        if not lineage:
            raise PassRefused("It is not known here: show it first.")
        if any((each.subscription, each.id) in self._revoked for each in lineage):
            raise PassRefused("It, or the one that it was made of, was revoked.")
        if self._end(lineage) <= time.time():
            raise PassRefused("Its time is over.")

    def _end(self, lineage: tuple[Pass, ...]) -> int:
        return min(each.expires for each in lineage)
