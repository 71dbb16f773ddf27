"""What the explorer's pages show, read from the node page by page; nothing is kept.

A page ends with a cursor to the next, older one: a block number, or `block.index` of the last event shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ledger import history
from ledger.chain import Chain
from ledger.errors import LedgerError
from ledger.events import ChainEvent, to_json
from ledger.history import Block, DecodedCall, Transaction
from ledger.values import SubscriptionId, address, to_hex
from marketplace.errors import MalformedInput, UnknownOnChain
from marketplace.parts import Parts
from marketplace.subscriptions.service import chain_side

BLOCKS, EVENTS = 25, 25
"""Rows of one page."""
MOST_OF_A_LIFE = 500
"""Events of one subscription that its page shows."""


@dataclass(frozen=True)
class Cursor:
    """Events older than event `index` of block `block`."""

    block: int
    index: int

    @classmethod
    def parse(cls, text: str) -> Cursor:
        block, _, index = text.partition(".")
        return cls(number(block), number(index or "0"))

    def __str__(self) -> str:
        return f"{self.block}.{self.index}"


@dataclass(frozen=True)
class EventPage:
    """Events, newest first; `older` leads to the next page, None at the end."""

    events: list[dict[str, Any]]
    older: str | None


def newest_blocks(parts: Parts, before: int | None) -> tuple[list[Block], int | None]:
    """Blocks below `before` (all, if None), newest first, and the next `before`."""
    head = parts.chain.latest().number
    last = head if before is None else min(head, before - 1)
    found = history.blocks_back(parts.chain, last, BLOCKS) if last >= 0 else []
    older = found[-1].stamp.number if found and found[-1].stamp.number > 0 else None
    return found, older


def one_block(parts: Parts, which: str) -> tuple[Block, list[dict[str, Any]]]:
    """A block by its number or hash, and its events; raises `UnknownOnChain`."""
    stamp = parts.chain.block_by_hash(which) if which.startswith("0x") else None
    try:
        block = history.block(parts.chain, number(which) if stamp is None else stamp.number)
    except LedgerError as error:
        raise UnknownOnChain(f"the chain has no block {which}.", remedy="Give a number up to the newest.") from error
    events = parts.chain.logs_of(block.stamp, parts.contracts.addresses)
    return block, [shown(event) for event in events]


def one_transaction(parts: Parts, tx_hash: str) -> dict[str, Any]:
    """A transaction, its decoded call, its receipt and the events that it caused; raises `UnknownOnChain`."""
    found = history.transaction(parts.chain, tx_hash, parts.contracts.addresses)
    if found is None:
        raise UnknownOnChain(f"the node knows no transaction {tx_hash}.", remedy="Check the hash and the chain.")
    receipt = parts.chain.receipt(tx_hash)
    events = [] if receipt is None else [shown(event) for event in parts.contracts.events_in(receipt)]
    return {"transaction": found, "call": _call(found), "receipt": receipt, "events": events}


def newest_events(parts: Parts, before: str | None, about: int | None = None) -> EventPage:
    """Events of the whole set, or those with an id or address in an indexed field."""
    cursor = None if before is None else Cursor.parse(before)
    last = parts.chain.latest().number if cursor is None else cursor.block
    found = history.events_back(parts.chain, last, parts.deployment.block_number, parts.contracts.addresses, about)
    page = list(islice(_older(found, cursor), EVENTS + 1))
    older = str(_place(page[EVENTS - 1])) if len(page) > EVENTS else None
    return EventPage([shown(event) for event in page[:EVENTS]], older)


def _older(events: Iterator[ChainEvent], cursor: Cursor | None) -> Iterator[ChainEvent]:
    return (
        event for event in events
        if cursor is None or (event.block_number, event.log_index) < (cursor.block, cursor.index)
    )  # fmt: skip


def _place(event: ChainEvent) -> Cursor:
    return Cursor(event.block_number, event.log_index)


def one_address(parts: Parts, text: str, before: str | None) -> dict[str, Any]:
    """An account or contract: its balances at the newest block and the events that name it."""
    account, head = address(text), parts.chain.latest()
    words = {place: word for word, place in parts.contracts.addresses.items()}
    return {
        "address": account,
        "contract": words.get(account),
        "isContract": bool(parts.chain.code(account, head)),
        "wei": parts.chain.balance(account, head),
        "credits": parts.contracts.credit.balance_of(account, head),
        "account": parts.contracts.market.account_of(account, head).balance,
        "events": newest_events(parts, before, int(account, 16)),
    }


def life(parts: Parts, subscription_id: str) -> dict[str, Any]:
    """A subscription as the contract has it now, and everything that happened to it, oldest first."""
    found = chain_side(parts, subscription_id)
    head = parts.chain.latest().number
    back = history.events_back(
        parts.chain, head, parts.deployment.block_number, parts.contracts.addresses, int(subscription_id)
    )
    events = list(islice(back, MOST_OF_A_LIFE))[::-1]
    times = _times(parts.chain, events)
    return {
        "subscriptionId": SubscriptionId(int(subscription_id)),
        "status": found.status.name.lower(),
        "facts": found,
        "events": [shown(event, times[event.block_number]) for event in events],
    }


def _times(chain: Chain, events: list[ChainEvent]) -> Mapping[int, int]:
    """Block → UTC seconds; asked for where the node does not tell it with the log."""
    known = {event.block_number: event.timestamp for event in events}
    return {block: chain.block(block).timestamp if at is None else at for block, at in known.items()}


def search(parts: Parts, text: str) -> str:
    """The path of what was meant: a block, transaction, address or subscription; raises `MalformedInput`."""
    if text.startswith("0x") and len(text) == 42:
        return f"/explorer/addresses/{address(text)}"
    if text.startswith("0x") and len(text) == 66:
        is_block = parts.chain.block_by_hash(text) is not None
        return f"/explorer/{'blocks' if is_block else 'transactions'}/{text}"
    if text.isascii() and text.isdecimal() and len(text) < 30:
        return f"/explorer/{'subscriptions' if int(text) >= 2**64 else 'blocks'}/{text}"
    raise MalformedInput(
        f"{text[:80]!r} is neither a number, an address nor a hash.",
        remedy="Give a block's number, a subscription's id, an address (0x and 40 digits) or a hash (0x and 64).",
    )


def shown(event: ChainEvent, timestamp: int | None = None) -> dict[str, Any]:
    """An event for a template: its place, its name, its fields as (name, value)."""
    return {
        "contract": event.contract,
        "name": event.name,
        "fields": list(_flat(to_json(event.event))),
        "block": event.block_number,
        "transaction": event.tx_hash,
        "index": event.log_index,
        "at": event.timestamp if timestamp is None else timestamp,
    }


def _flat(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Structs as `terms.unit_price`, lists as `shares.0.bps`."""
    for name, value in document.items():
        inner = dict(enumerate(value)) if isinstance(value, list) else value
        if isinstance(inner, Mapping):
            yield from _flat({str(key): each for key, each in inner.items()}, f"{prefix}{name}.")
        else:
            yield prefix + name, str(value)


def _call(found: Transaction) -> tuple[str, list[tuple[str, str]]] | None:
    call: DecodedCall | None = found.call
    if call is None:
        return None
    return f"{call.contract}.{call.function}", [
        (f"{name} ({kind})", _text(value)) for name, kind, value in call.arguments
    ]


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return to_hex(value)
    if isinstance(value, tuple):
        return f"({', '.join(_text(one) for one in value)})"
    return str(value)


def number(text: str) -> int:
    """A block's number; raises `MalformedInput`."""
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise MalformedInput(f"{text[:80]!r} is no block number.", remedy="Give a whole decimal number.")
    return int(text)
