"""Vouchers: what the gateway proposes, what it accepts from the session key, and when it asks for one.

A voucher is cumulative, so an older one can never be spent twice: it is refused and changes nothing. The meter key
signs exactly what the log says, as the buyer's client recomputes it.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from ledger.errors import SignatureMalformed
from ledger.keys import WalletKey
from ledger.metering import Terms
from ledger.typed_data import Domain, Voucher, recover, sign
from ledger.values import address, compact, from_hex, to_hex
from orchestrator.gateway.books import Book
from orchestrator.gateway.errors import BadVoucher, CapReached, StaleVoucher, VoucherRequired
from orchestrator.gateway.shapes import VoucherPost
from orchestrator.gateway.store import KeptVoucher, UsageStore


@dataclass(frozen=True)
class VoucherDesk:
    """Proposes and accepts vouchers under one meter key and one market."""

    meter_key: WalletKey
    domain: Domain
    store: UsageStore

    def propose(self, book: Book, size: int | None = None) -> dict[str, Any]:
        """The meter-signed voucher over the first `size` records (all of them by default)."""
        size = book.log.size if size is None else size
        voucher = book.voucher(size)
        return voucher_json(voucher, size, sign(self.meter_key, self.domain, voucher))

    def require_credit(self, book: Book, terms: Terms, signer: str) -> None:
        """`VoucherRequired` once unsigned use passes the plan's credit, in units or in seconds."""
        unsigned = book.unsigned_units(signer)
        age_ms = book.unsigned_age_ms(signer, time.time_ns() // 1_000_000)
        if unsigned > terms.credit_units or (unsigned and age_ms > terms.credit_seconds * 1000):
            raise VoucherRequired(
                f"{unsigned} units are unsigned, the oldest for {age_ms // 1000} s; the plan lends "
                f"{terms.credit_units} units and {terms.credit_seconds} s. Check the records, then sign the voucher.",
                voucher=self.propose(book),
            )

    @staticmethod
    def require_cap(book: Book, cap: int, units: int) -> None:
        """`CapReached` where `units` more, on top of what is reserved, would pass the cap."""
        if book.total + book.reserved + units > cap:
            raise CapReached(
                f"{book.total} of {cap} units are used, {book.reserved} are on the way and this use may take {units}. "
                "Raise the cap (`raiseCap`) or ask for less.",
                cap=str(cap),
                used=str(book.total),
            )

    async def accept(self, book: Book, posted: VoucherPost, signer: str) -> KeptVoucher:
        """Check and keep a voucher signed by the current session key. The newest one again is a no-op."""
        voucher, root = book.voucher(_size(book, posted)), from_hex(posted.usageRoot)
        if voucher.units != int(posted.units) or voucher.usage_root != root:
            raise BadVoucher(
                f"At {posted.size} records the log has {voucher.units} units under {to_hex(voucher.usage_root)}. "
                "Fetch the log and compare.",
            )
        signature = from_hex(posted.signature)
        if _signer(self.domain, voucher, signature) != signer:
            raise BadVoucher("The signature is not the subscription's session key's over this voucher.")
        proposal = sign(self.meter_key, self.domain, voucher)
        kept = KeptVoucher(book.subscription, voucher.units, root, posted.size, signer, signature, proposal)
        async with book.lock:  # two at once: the older one, kept last, would be settled in place of the newer
            if posted.size < book.signed_size(signer):
                newest = book.signed_size(signer)
                raise StaleVoucher(f"A voucher over {newest} records was accepted; sign the newest one.")
            if posted.size > book.signed_size(signer):
                await asyncio.shield(self._keep(book, kept))
        return kept

    async def _keep(self, book: Book, kept: KeptVoucher) -> None:
        await asyncio.to_thread(self.store.add_voucher, kept)
        book.sign_off(kept)


def voucher_json(voucher: Voucher, size: int, meter_signature: bytes) -> dict[str, Any]:
    """The S4M-Voucher document."""
    return {
        "subscriptionId": str(voucher.subscription_id),
        "units": str(voucher.units),
        "usageRoot": to_hex(voucher.usage_root),
        "size": size,
        "meterSignature": to_hex(meter_signature),
    }


def kept_json(kept: KeptVoucher) -> dict[str, Any]:
    """A doubly signed voucher, as settlement takes it."""
    r, vs = compact(kept.signature)
    return {
        "subscriptionId": str(kept.subscription),
        "units": str(kept.units),
        "usageRoot": to_hex(kept.usage_root),
        "size": kept.size,
        "signer": kept.signer,
        "signature": to_hex(kept.signature),
        "r": to_hex(r),
        "vs": to_hex(vs),
        "meterSignature": to_hex(kept.meter_signature),
        "rowid": kept.rowid,
    }


def _size(book: Book, posted: VoucherPost) -> int:
    if posted.size > book.log.size:
        raise BadVoucher(f"The log has {book.log.size} records, the voucher covers {posted.size}.")
    return posted.size


def _signer(domain: Domain, voucher: Voucher, signature: bytes) -> str:
    try:
        return address(recover(domain, voucher, signature))
    except SignatureMalformed as cause:
        raise BadVoucher(f"The signature is malformed: {cause.message}.") from cause
