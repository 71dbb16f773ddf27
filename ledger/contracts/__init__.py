"""One thin typed class for each contract: views return typed values, everything else returns a `Call` for a Sender.

Called by every program that reads or changes the chain. It holds no key and sends nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

from ledger.contracts.assets import AssetsContract
from ledger.contracts.catalog import CatalogContract
from ledger.contracts.credit import CreditContract
from ledger.contracts.identity import IdentityContract
from ledger.contracts.market import MarketContract
from ledger.decoding import decode_logs
from ledger.errors import EventMissing
from ledger.events import ChainEvent, Event
from ledger.typed_data import Domain, assets_domain, credit_domain, market_domain
from ledger.values import Address

if TYPE_CHECKING:
    from ledger.chain import Chain, MinedTransaction
    from ledger.deployment import Deployment

E = TypeVar("E", bound=Event)


class Contracts:
    """The deployed set on one chain."""

    def __init__(self, chain: Chain, deployment: Deployment) -> None:
        self.chain = chain
        self.deployment = deployment
        self.catalog = CatalogContract(chain, deployment.catalog)
        self.market = MarketContract(chain, deployment.market)
        self.assets = AssetsContract(chain, deployment.assets)
        self.identity = IdentityContract(chain, deployment.identity)
        self.credit = CreditContract(chain, deployment.credit)

    @property
    def market_domain(self) -> Domain:
        return market_domain(self.deployment.chain_id, self.deployment.market)

    @property
    def assets_domain(self) -> Domain:
        return assets_domain(self.deployment.chain_id, self.deployment.assets)

    @property
    def credit_domain(self) -> Domain:
        return credit_domain(self.deployment.chain_id, self.deployment.credit)

    @property
    def addresses(self) -> Mapping[str, Address]:
        """The deployment's words and addresses, as `Chain.logs` takes them."""
        return self.deployment.addresses

    def logs(self, first: int, last: int) -> list[ChainEvent]:
        """All events of the set in blocks first..last, both included."""
        return self.chain.logs(first, last, self.addresses)

    def events_in(self, receipt: MinedTransaction) -> list[ChainEvent]:
        return decode_logs(receipt.logs, self.addresses)

    def event_in(self, receipt: MinedTransaction, kind: type[E]) -> E:
        """The first event of this kind in the receipt; raises EventMissing."""
        for found in self.events_in(receipt):
            if isinstance(found.event, kind):
                return found.event
        raise EventMissing(kind.__name__, receipt.tx_hash)


__all__ = [
    "AssetsContract",
    "CatalogContract",
    "Contracts",
    "CreditContract",
    "IdentityContract",
    "MarketContract",
]
