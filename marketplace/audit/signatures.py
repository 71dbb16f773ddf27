"""Who signed for it: every purchase, activation, settlement and asset against the signature in its call data. Pure.

The market's events tell what happened, the transactions behind them carry the proof: the buyer's order, the session
key's activation and vouchers, the meter key's provenance. A call that came through another contract cannot be read
here; it is counted, not judged.

Finding codes: order_differs, order_signature_wrong, activation_differs, settlement_differs, provenance_wrong,
transaction_missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ledger import events as chain_events
from ledger.chain import SentTransaction
from ledger.contracts.assets import AssetsContract
from ledger.contracts.market import MarketContract
from ledger.deployment import Deployment
from ledger.errors import SignatureMalformed
from ledger.events import ChainEvent
from ledger.typed_data import (
    Activation,
    Domain,
    Message,
    Order,
    Provenance,
    Voucher,
    assets_domain,
    market_domain,
    recover,
)
from ledger.values import expand, model_of, plan_of
from marketplace.audit.report import Finding

SIGNED = (chain_events.Subscribed, chain_events.Activated, chain_events.Settled, chain_events.AssetMinted)
"""Events behind which a signature stands."""

Calls = Mapping[str, tuple[str, tuple[Any, ...]] | None]


@dataclass
class Signatures:
    """Checks one history. `opaque` counts what came through other contracts, `checked` what was recovered."""

    deployment: Deployment
    sent: Mapping[str, SentTransaction]
    checked: int = 0
    opaque: int = 0
    _signers: dict[int, str] = field(default_factory=dict)
    _meters: dict[int, str] = field(default_factory=dict)
    _calls: dict[str, tuple[str, tuple[Any, ...]] | None] = field(default_factory=dict)

    def check(self, events: Iterable[ChainEvent]) -> Iterator[Finding]:
        """Each signed event, by the keys that counted at its time."""
        for entry in events:
            match entry.event:
                case chain_events.MeterKeySet(model_id=model, meter_key=key):
                    self._meters[model] = key
                case chain_events.SignerConfirmed(subscription_id=found, signer=signer):
                    self._signers[found] = signer
                case chain_events.Subscribed(subscription_id=found, signer=signer):
                    self._signers[found] = signer
            if isinstance(entry.event, SIGNED):
                yield from self._check_one(entry)

    def _check_one(self, entry: ChainEvent) -> Iterator[Finding]:
        if entry.tx_hash not in self.sent:
            yield _finding("transaction_missing", entry, f"the node does not have its transaction {entry.tx_hash}")
            return
        call = self._call(entry)
        check = _CHECKS.get(call[0]) if call else None
        if call is None or check is None:
            self.opaque += 1
            return
        self.checked += 1
        yield from check(self, entry, call[1])

    def _call(self, entry: ChainEvent) -> tuple[str, tuple[Any, ...]] | None:
        """The call that the transaction makes to the contract itself, decoded once."""
        if entry.tx_hash not in self._calls:
            transaction = self.sent[entry.tx_hash]
            contract = {self.deployment.market: MarketContract, self.deployment.assets: AssetsContract}.get(
                transaction.to or transaction.sender
            )
            self._calls[entry.tx_hash] = contract.call_in(transaction.data) if contract else None
        return self._calls[entry.tx_hash]

    @property
    def _market(self) -> Domain:
        return market_domain(self.deployment.chain_id, self.deployment.market)

    def _ordered(self, entry: ChainEvent, arguments: tuple[Any, ...]) -> Iterator[Finding]:
        """`buyFor`: the order's own fields, and the buyer's signature under it (a contract's cannot be recovered)."""
        order, event = Order(*arguments[0]), entry.event
        assert isinstance(event, chain_events.Subscribed)  # noqa: S101 — the table below pairs them
        bought = (event.buyer, plan_of(event.subscription_id), event.signer, event.cap, event.periods)
        if bought != (order.buyer, order.plan_id, order.signer, order.cap, order.periods):
            yield _finding("order_differs", entry, "it was not bought as ordered")
        if (event.requirements_hash, event.reserved) != (order.requirements_hash, order.total):
            yield _finding("order_differs", entry, f"{event.reserved} was reserved, the order is over {order.total}")
        if len(arguments[1]) == 65 and _signer(self._market, order, arguments[1]) != order.buyer:
            yield _finding("order_signature_wrong", entry, f"the order is not signed by {order.buyer}")

    def _bought(self, entry: ChainEvent, arguments: tuple[Any, ...]) -> Iterator[Finding]:
        """`buy`: the buyer sent it."""
        event = entry.event
        assert isinstance(event, chain_events.Subscribed)  # noqa: S101 — the table below pairs them
        bought = (plan_of(event.subscription_id), event.signer, event.cap, event.periods, event.requirements_hash)
        if bought != arguments or event.buyer != self.sent[entry.tx_hash].sender:
            yield _finding("order_differs", entry, "it was not bought as its transaction says")

    def _activated(self, entry: ChainEvent, arguments: tuple[Any, ...]) -> Iterator[Finding]:
        event = entry.event
        assert isinstance(event, chain_events.Activated)  # noqa: S101 — the table below pairs them
        found, endpoint, r, vs = arguments
        signer = _signer(self._market, Activation(found, endpoint), _expanded(r, vs))
        told = (event.subscription_id, event.endpoint_hash, self._signers.get(event.subscription_id))
        if told != (found, endpoint, signer):
            yield _finding("activation_differs", entry, f"the activation was signed by {signer} for {found}")

    def _settled(self, entry: ChainEvent, arguments: tuple[Any, ...]) -> Iterator[Finding]:
        """One of the vouchers in the call must be this very one, signed by the session key."""
        event = entry.event
        assert isinstance(event, chain_events.Settled)  # noqa: S101 — the table below pairs them
        told = Voucher(event.subscription_id, event.units, event.usage_root)
        signers = {
            _signer(self._market, told, _expanded(r, vs))
            for found, units, root, r, vs in arguments[0]
            if Voucher(found, units, root) == told
        }
        if self._signers.get(event.subscription_id) not in signers:
            yield _finding(
                "settlement_differs", entry, f"no voucher over {event.units} units was signed by its session key"
            )

    def _minted(self, entry: ChainEvent, arguments: tuple[Any, ...]) -> Iterator[Finding]:
        event = entry.event
        assert isinstance(event, chain_events.AssetMinted)  # noqa: S101 — the table below pairs them
        creator, content, found, uri, signature = arguments
        word = Provenance(content, creator, found, uri)
        if word != Provenance(event.content_hash, event.creator, event.subscription_id, event.uri):
            yield _finding("provenance_wrong", entry, f"asset {event.asset_id} is not what its transaction minted")
        signer = _signer(assets_domain(self.deployment.chain_id, self.deployment.assets), word, signature)
        if signer != self._meters.get(model_of(plan_of(found))):
            yield _finding(
                "provenance_wrong", entry, f"asset {event.asset_id} is not vouched for by its model's gateway"
            )


_CHECKS: dict[str, Callable[[Signatures, ChainEvent, tuple[Any, ...]], Iterator[Finding]]] = {
    "buyFor": Signatures._ordered,
    "buy": Signatures._bought,
    "activate": Signatures._activated,
    "settle": Signatures._settled,
    "mint": Signatures._minted,
}


def _expanded(r: bytes, vs: bytes) -> bytes:
    try:
        return expand(r, vs)
    except SignatureMalformed:
        return b""


def _signer(domain: Domain, message: Message, signature: bytes) -> str:
    """Who signed; empty where it is no signature."""
    try:
        return str(recover(domain, message, signature))
    except SignatureMalformed:
        return ""


def _finding(code: str, entry: ChainEvent, detail: str) -> Finding:
    return Finding(code, getattr(entry.event, "subscription_id", None), f"{entry.name}: {detail}.")
