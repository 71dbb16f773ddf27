"""Users at the gateway: a session of a running service, and calls without a pause that count what is lost."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any

from core_house import CoreHouse

from ledger.values import SubscriptionId, from_hex
from marketplace.wallet.use import Agreement, UsageSession
from orchestrator.documents import operations_of
from orchestrator.models.manifests import Manifest

USERS = 4
"""Calls of one subscription at once."""


def activate(house: CoreHouse, subscription: SubscriptionId) -> None:
    """The buyer's activation of a running service, until it is final."""
    house.market.activate(subscription, from_hex(house.service(subscription)["endpointHash"]))
    house.market.devnet.mine(3)
    house.wait_state(subscription, "active")


async def session_of(
    house: CoreHouse, subscription: SubscriptionId, terms: Mapping[str, Any], operations: Mapping[str, Any]
) -> UsageSession:
    """A session that repeats nothing by itself: what fails, fails."""
    agreement = await asyncio.to_thread(
        Agreement.read, house.market.contracts, subscription, terms, operations=operations, objects=[]
    )
    key = house.market.sessions[subscription]
    return await UsageSession.open(house.url("gateway"), agreement, key, patience_s=0, grace_s=10.0)


@dataclass
class Traffic:
    """Calls of one operation of a single model, one after the other, by several users of one subscription."""

    operation: str
    params: Mapping[str, Any]
    answered: int = 0
    lost: list[str] = field(default_factory=list)
    units: int = 0
    ended: Event = field(default_factory=Event)

    async def flow(self, house: CoreHouse, subscription: SubscriptionId, manifest: Manifest) -> None:
        operations = operations_of(manifest.document, manifest.terms)
        async with await session_of(house, subscription, manifest.terms, operations) as session:
            await asyncio.gather(*(self._call(session) for _ in range(USERS)))
            self.units = await session.sign()

    async def _call(self, session: UsageSession) -> None:
        while not self.ended.is_set():
            try:
                await session.use(self.operation, self.params)
                self.answered += 1
            except Exception as cause:  # noqa: BLE001 (whatever a user would see)
                self.lost.append(repr(cause))
                return


@contextmanager
def traffic(
    house: CoreHouse, subscription: SubscriptionId, manifest: Manifest, operation: str, params: Mapping[str, Any]
) -> Iterator[Traffic]:
    """Calls without a pause while the block runs; afterwards all are answered or counted as lost."""
    made = Traffic(operation, params)
    thread = Thread(target=lambda: asyncio.run(made.flow(house, subscription, manifest)))
    thread.start()
    try:
        yield made
    finally:
        made.ended.set()
        thread.join(60)
