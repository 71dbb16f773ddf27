"""Where assets come from and whose they are, pure: minted in an active subscription, then hand to hand without a break.

Finding codes: asset_origin_wrong, asset_content_repeated, asset_owner_differs, asset_sale_differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ledger import events as chain_events
from ledger.events import ChainEvent
from ledger.values import ZERO_ADDRESS
from marketplace.audit.report import Finding

ROYALTY_BPS = 500
WHOLE_BPS = 10_000


@dataclass
class _Gallery:
    """Owners, listings and contents so far, and which subscriptions are active."""

    owners: dict[int, str] = field(default_factory=dict)
    previous: dict[int, str] = field(default_factory=dict)
    listed: dict[int, tuple[str, int]] = field(default_factory=dict)
    contents: set[bytes] = field(default_factory=set)
    active: set[int] = field(default_factory=set)


def check_assets(events: Iterable[ChainEvent]) -> Iterator[Finding]:
    """Each asset's whole life."""
    gallery = _Gallery()
    for entry in events:
        _follow_subscriptions(gallery, entry.event)
        check = _CHECKS.get(type(entry.event))
        if check is not None:
            yield from check(gallery, entry.event)


def _follow_subscriptions(gallery: _Gallery, event: object) -> None:
    match event:
        case chain_events.Activated(subscription_id=found):
            gallery.active.add(int(found))
        case chain_events.ReleaseRequested(subscription_id=found):
            gallery.active.discard(int(found))


def _moved(gallery: _Gallery, event: chain_events.AssetTransferred) -> Iterator[Finding]:
    owner = gallery.owners.get(event.asset_id, ZERO_ADDRESS)
    if event.previous_owner != owner:
        yield _finding("asset_owner_differs", event, f"{event.previous_owner} gave it away, {owner} had it")
    gallery.previous[event.asset_id], gallery.owners[event.asset_id] = owner, event.owner


def _minted(gallery: _Gallery, event: chain_events.AssetMinted) -> Iterator[Finding]:
    found = int(event.subscription_id)
    if found not in gallery.active:
        yield _finding("asset_origin_wrong", event, f"subscription {found} was not active when it was minted")
    if event.content_hash in gallery.contents:
        yield _finding("asset_content_repeated", event, "the same content was minted before")
    if gallery.owners.get(event.asset_id) != event.creator:
        yield _finding("asset_owner_differs", event, f"its creator {event.creator} is not who got it")
    gallery.contents.add(event.content_hash)


def _burned(gallery: _Gallery, event: chain_events.AssetBurned) -> Iterator[Finding]:
    if gallery.owners.get(event.asset_id) != ZERO_ADDRESS:
        yield _finding("asset_owner_differs", event, "it is burned and somebody has it still")


def _listed(gallery: _Gallery, event: chain_events.AssetListed) -> Iterator[Finding]:
    owner = gallery.owners.get(event.asset_id, ZERO_ADDRESS)
    if event.seller != owner:
        yield _finding("asset_owner_differs", event, f"{event.seller} offers it, {owner} has it")
    gallery.listed[event.asset_id] = event.seller, event.price


def _sold(gallery: _Gallery, event: chain_events.AssetSold) -> Iterator[Finding]:
    offered = gallery.listed.pop(event.asset_id, None)
    hands = gallery.previous.get(event.asset_id), gallery.owners.get(event.asset_id)
    royalty = event.price * ROYALTY_BPS // WHOLE_BPS
    if offered != (event.seller, event.price):
        yield _finding("asset_sale_differs", event, f"sold by {event.seller} at {event.price}, the offer was {offered}")
    if event.royalty not in (0, royalty):
        yield _finding("asset_sale_differs", event, f"the creator got {event.royalty} of {event.price}, due {royalty}")
    if hands != (event.seller, event.buyer):
        yield _finding("asset_owner_differs", event, f"it went from {hands[0]} to {hands[1]}")


_CHECKS: dict[type, Callable[[_Gallery, Any], Iterator[Finding]]] = {
    chain_events.AssetTransferred: _moved,
    chain_events.AssetMinted: _minted,
    chain_events.AssetBurned: _burned,
    chain_events.AssetListed: _listed,
    chain_events.AssetSold: _sold,
}


def _finding(code: str, event: Any, detail: str) -> Finding:
    found = getattr(event, "subscription_id", None)
    return Finding(code, found, f"asset {event.asset_id}: {detail}.")
