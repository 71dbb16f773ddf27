"""Usage logs as JSONL: a header line with the newest vouchers, then one line a record, for as long as asked.

Used by `app.py`. It reads committed records only and changes nothing. What tells of the user (`measured`) goes to the
buyer and its grantees only, while it is kept.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, Final

from ledger.values import to_hex
from orchestrator.gateway.books import Book
from orchestrator.gateway.store import UsageStore
from orchestrator.gateway.vouchers import VoucherDesk, kept_json

BATCH: Final = 500
IDLE_S: Final = 1.0


async def log_lines(
    store: UsageStore, desk: VoucherDesk, book: Book, signer: str, since: int, follow: bool, with_measured: bool
) -> AsyncIterator[bytes]:
    """Header, then records from sequence number `since` on; with `follow` it goes on as the log grows."""
    yield _line(await asyncio.to_thread(_header, desk, book, signer, since))
    at = since
    while True:
        known = await asyncio.to_thread(store.measured, book.subscription, at, BATCH) if with_measured else {}
        for record in await asyncio.to_thread(store.records, book.subscription, at, BATCH):
            if record.seq >= book.log.size:  # committed, not yet grown: the next look has it
                break
            line: dict[str, Any] = {"record": record.to_json(), "leafHash": to_hex(record.leaf())}
            if record.seq in known:
                line["measured"] = known[record.seq].to_json()
            yield _line(line)
            at = record.seq + 1
        if at < book.log.size:
            continue
        if not follow:
            return
        await _grown(book, at)


async def _grown(book: Book, size: int) -> None:
    """Wait until the log is longer than `size`, at most a second (so that an ended reader is noticed)."""
    grown = book.grown
    if book.log.size > size:
        return
    try:
        await asyncio.wait_for(grown.wait(), IDLE_S)
    except TimeoutError:
        return


def _header(desk: VoucherDesk, book: Book, signer: str, since: int) -> dict[str, Any]:
    signed = book.vouchers.get(signer)
    return {
        "schema": "s4m/log/1",
        "subscriptionId": str(book.subscription),
        "from": since,
        "size": book.log.size,
        "voucher": kept_json(signed) if signed else None,
        "proposed": desk.propose(book) if book.log.size else None,
    }


def _line(document: dict[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"
