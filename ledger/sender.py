"""Sends the transactions of one key: one nonce manager, fees, speed-up, and never the same call twice.

Called by everyone who changes the chain. See `ledger.outbox` for what is written before anything is sent.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from ledger.chain import Chain, MinedTransaction
from ledger.keys import WalletKey
from ledger.values import Address, Call

Receipt = MinedTransaction


class Sender:
    """One per key and process; thread-safe. Without a journal path, its memory ends with it."""

    def __init__(self, chain: Chain, key: WalletKey, journal: Path | None = None, bump_after_s: float = 10.0) -> None: ...

    def __enter__(self) -> Sender: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None: ...

    @property
    def address(self) -> Address: ...

    def close(self) -> None: ...

    def send(self, call: Call, key: str | None = None, timeout_s: float = 30.0) -> Receipt: ...

    def recover(self) -> list[str]: ...
