"""Pays the suppliers of capacity what is due, beside settlement: each moment of use once, whatever is killed.

Used as a worker's turn by `app`. MMF fixes a payment's amount in a row, its transfer has one key in the payer's journal
(the same of `s4m supply pay`, which may run at the same time), and it is confirmed when a final block shows it: a turn
goes on wherever the last one ended, in this process or before it. It judges no statement and holds no money back.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from uuid import uuid4

import structlog

from ledger.contracts import Contracts
from ledger.errors import LedgerError
from ledger.sender import Sender
from ledger.values import Address
from orchestrator.errors import OrchestratorError

log = structlog.get_logger("suppliers")


class Payments(Protocol):
    """The supply desk, as this sees it."""

    def begin_payments(self, key: str) -> Any: ...

    def confirm(self, payment_id: str, tx_hash: str) -> Any: ...


class SupplierPay:
    """Begins what is due each `every_s` seconds, at first at once; in between it sees to what was begun."""

    def __init__(
        self,
        payments: Payments,
        contracts: Contracts,
        payer: Sender,
        every_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._payments = payments
        self._contracts = contracts
        self._payer = payer
        self._every_s = every_s
        self._clock = clock
        self._due = clock()
        self._begun: list[dict[str, Any]] = []

    def look(self) -> list[str]:
        """One turn; answers the payments that were confirmed. One that cannot be made now keeps no other waiting."""
        if self._clock() >= self._due:
            self._begun = list(self._payments.begin_payments(f"pay:{uuid4().hex}")["payments"])
            self._due = self._clock() + self._every_s
        made = [one["payment"] for one in self._begun if self._makes(one)]
        self._begun = [one for one in self._begun if one["payment"] not in made]
        return made

    def _makes(self, payment: Mapping[str, Any]) -> bool:
        """Whether a payment is final, and confirmed; sent before, if it was not yet."""
        told = {"payment": payment["payment"], "payee": payment["payee"], "amount": payment["amount"]}
        try:
            transfer = self._contracts.credit.transfer(Address(payment["payee"]), int(payment["amount"]))
            receipt = self._payer.send(transfer, key=f"supply-pay:{payment['payment']}")
            if receipt.block_number > self._payer.chain.finalized().number:
                return False
            self._payments.confirm(payment["payment"], receipt.tx_hash)
        except (LedgerError, OrchestratorError) as cause:
            log.warning("supplier.unpaid", code=cause.code, error=str(cause), payer=self._payer.address, **told)
            return False
        log.info("supplier.paid", tx=receipt.tx_hash, **told)
        return True
