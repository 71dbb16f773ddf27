"""One book per subscription: its Merkle log, running totals and newest signed voucher, in memory over usage.db.

Rebuilt from the records at start; a book grows only after its record is committed. `vouchers.py` proposes and accepts
vouchers by it, `use.py` appends. The book's lock puts records in order; it is never held while a model works.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from ledger.errors import LedgerError
from ledger.metering import Tally
from ledger.typed_data import Voucher
from ledger.usage_log import UsageLog, UsageRecord
from ledger.values import SubscriptionId, Units
from orchestrator.gateway.errors import LogBroken
from orchestrator.gateway.store import Kept, KeptVoucher, UsageStore

MOST_IN_FLIGHT = 4
"""Uses of one subscription at work at once."""
MOST_WAITING = 64
"""Uses of one subscription at work or waiting for their turn; a client that sends more waits at its own end."""


@dataclass
class Book:
    """The log of one subscription and what is known of it."""

    subscription: int
    log: UsageLog = field(default_factory=UsageLog)
    tally: Tally = field(default_factory=Tally)
    totals: list[int] = field(default_factory=list)
    end_millis: list[int] = field(default_factory=list)
    vouchers: dict[str, KeptVoucher] = field(default_factory=dict)
    reserved: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_IN_FLIGHT))
    in_flight: dict[str, asyncio.Task[Any]] = field(default_factory=dict)
    grown: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def total(self) -> int:
        """Billable units so far."""
        return self.tally.billed

    def grow(self, record: UsageRecord, gross: int) -> None:
        """Take one committed record in; wakes who follows the log. Raises `LogBroken` where it does not fit."""
        try:
            self.log.append(record)
        except LedgerError as cause:
            raise LogBroken(f"usage.db: subscription {self.subscription}: {cause}") from cause
        self.tally = self.tally.add(gross, record.units)
        if record.total != self.tally.billed:
            raise LogBroken(
                f"usage.db: record {record.seq} of subscription {self.subscription} says total {record.total}, its "
                f"records sum to {self.tally.billed}. Restore the file from a backup; do not edit it."
            )
        self.totals.append(record.total)
        self.end_millis.append(record.end_millis)
        self.grown.set()
        self.grown = asyncio.Event()

    def total_at(self, size: int) -> int:
        """Billable units of the first `size` records."""
        return self.totals[size - 1] if size else 0

    def voucher(self, size: int) -> Voucher:
        """The voucher over the first `size` records."""
        units = Units(self.total_at(size))
        return Voucher(SubscriptionId(self.subscription), units, self.log.usage_root(size))

    def signed_size(self, signer: str) -> int:
        """How many records the session key `signer` has signed for."""
        newest = self.vouchers.get(signer)
        return newest.size if newest else 0

    def unsigned_units(self, signer: str) -> int:
        return self.total - self.total_at(self.signed_size(signer))

    def unsigned_age_ms(self, signer: str, now_ms: int) -> int:
        """Age of the oldest unsigned record; 0 where nothing that costs is unsigned."""
        size = self.signed_size(signer)
        return now_ms - self.end_millis[size] if self.unsigned_units(signer) else 0

    def sign_off(self, voucher: KeptVoucher) -> None:
        """Take in a doubly signed voucher."""
        if voucher.size > self.signed_size(voucher.signer):
            self.vouchers[voucher.signer] = voucher


class Books:
    """All books."""

    def __init__(self, store: UsageStore) -> None:
        self._store = store
        self._books: dict[int, Book] = {}

    def load(self) -> int:
        """Rebuild every log from the store; how many records. Blocks: call it before serving."""
        count = 0
        for record, gross in self._store.each_record():
            self.of(record.subscription_id).grow(record, gross)
            count += 1
        for voucher in self._store.vouchers():
            self.of(voucher.subscription).sign_off(voucher)
        return count

    def of(self, subscription: int) -> Book:
        """The subscription's book, an empty one where nothing was used."""
        if subscription not in self._books:
            self._books[subscription] = Book(subscription)
        return self._books[subscription]

    async def append(self, book: Book, kept: Kept) -> None:
        """Commit, then grow. The caller holds the book's lock; a cancelled caller still finds both or neither done."""
        await asyncio.shield(self._append(book, kept))

    async def _append(self, book: Book, kept: Kept) -> None:
        await asyncio.to_thread(self._store.add, kept)
        book.grow(kept.record, kept.gross)
