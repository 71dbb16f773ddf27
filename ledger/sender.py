"""Sends the transactions of one key: one nonce manager, fees, speed-up, and never the same call twice.

Called by everyone who changes the chain. `ledger.outbox` holds what is written before anything leaves: after a kill, a
lost node or a reorganisation the very same signed transaction goes out again, until its nonce is used on the chain.
It does not wait for finality: a receipt is as lasting as its block.
"""

from __future__ import annotations

import time
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from uuid import uuid4

from ledger.chain import Chain, Fees, MinedTransaction
from ledger.errors import (
    GasUnfunded,
    KeyReused,
    NodeError,
    NothingToReplace,
    Reverted,
    TransactionCancelled,
    TransactionPending,
)
from ledger.outbox import Attempt, Outbox, Send
from ledger.raw_transactions import call_of
from ledger.reverts import decode_revert
from ledger.signer import Signer
from ledger.values import Address, Call

Receipt = MinedTransaction

BUMP_AFTER_S = 10.0
_FIRST_PAUSE_S = 0.01
_LONGEST_PAUSE_S = 0.25
_CANCEL_GAS = 21_000
_REVIVE_AFTER_S = 0.5  # how long a transaction may stay unmined before the node is asked whether it still has it

# How nodes put it (geth and anvil, hardhat): there is no code for either.
_UNFUNDED = ("insufficient funds", "enough funds")
_HARMLESS = ("already", "known transaction", "nonce too low", "underpriced")


class Sender:
    """One per key; thread-safe. Without a journal its memory ends with it.

    Several processes may send from one key where they share its journal: they take turns at nonces.
    `bump_after_s`: how long a transaction may wait before it is replaced by one with higher fees.
    """

    def __init__(
        self, chain: Chain, key: Signer, journal: Path | None = None, bump_after_s: float = BUMP_AFTER_S
    ) -> None:
        self.chain = chain
        self.address: Address = key.address
        self._key = key
        self._bump_after_s = bump_after_s
        self._outbox = Outbox(journal, chain.genesis_hash, key.address)

    def __enter__(self) -> Sender:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._outbox.close()

    def send(self, call: Call, key: str | None = None, timeout_s: float = 30.0) -> Receipt:
        """Sends the call and waits until it is mined.

        The same `key` never sends twice, across threads and restarts: it waits for, or returns, the first one's
        receipt. Raises Reverted (found by simulation where possible, so that nothing is spent), TransactionPending
        (send again with the same key), TransactionCancelled, KeyReused, GasUnfunded, NodeDown.
        """
        name = key or f"once:{uuid4().hex}"
        send = self._outbox.find(name) or self._prepare(call, name)
        if send.fingerprint != _fingerprint(call):
            raise KeyReused(name, send.description, call.description)
        if send.cancelled:
            self._begin_again(name, call)
        return self._await(name, call, timeout_s)

    def recover(self) -> list[str]:
        """Sends again, unchanged, what is signed but not on the chain; returns the hashes. Harmless at any time."""
        with self._outbox.exclusive():
            return self._rebroadcast(self.chain.transaction_count(self.address))

    # what waits

    def waiting(self) -> list[Send]:
        """What is signed and not on the chain, lowest nonce first."""
        return self._outbox.unmined(self.chain.transaction_count(self.address))

    def raised_fees(self, send: Send) -> Fees:
        """What a replacement must offer: the node's advice, and at least a quarter more than the newest attempt."""
        last, fresh = send.newest, self.chain.fees()
        return Fees(max(fresh.max_fee, last.max_fee * 5 // 4 + 1), max(fresh.tip, last.tip * 5 // 4 + 1))

    def gas_of(self, send: Send, *, cancel: bool) -> int:
        """What a replacement may use at most."""
        return _CANCEL_GAS if cancel or send.newest.cancels else send.gas

    def speed_up(self, key: str) -> Attempt:
        """Sends what waits under the key again with higher fees; raises NothingToReplace."""
        with self._outbox.exclusive():
            send = self._replaceable(key)
            return self._replace(send, self.raised_fees(send), cancel=send.newest.cancels)

    def cancel(self, key: str) -> Attempt:
        """Sends an empty transaction in place of what waits under the key; either may be mined, never both.

        Who waits for the first one then gets TransactionCancelled. Raises NothingToReplace.
        """
        with self._outbox.exclusive():
            send = self._replaceable(key)
            return self._replace(send, self.raised_fees(send), cancel=True)

    def settled(self, key: str, timeout_s: float) -> tuple[Receipt, bool]:
        """The receipt of what was mined under the key, and whether it cancels; raises TransactionPending."""
        until = time.monotonic() + timeout_s
        while (found := self._mined(send := self._present(key))) is None:
            if time.monotonic() > until:
                raise TransactionPending(send.newest.tx_hash, key, timeout_s)
            time.sleep(_LONGEST_PAUSE_S)
        receipt, attempt = found
        return receipt, attempt.cancels

    def _present(self, key: str) -> Send:
        send = self._outbox.find(key)
        if send is None:
            raise NothingToReplace(repr(key[:100]), "nothing was sent under it")
        return send

    def _replaceable(self, key: str) -> Send:
        send = self._present(key)
        if send.nonce < self.chain.transaction_count(self.address):
            raise NothingToReplace(send.description or send.newest.tx_hash, f"its nonce {send.nonce} is used")
        return send

    def _replace(self, send: Send, fees: Fees, *, cancel: bool) -> Attempt:
        """The same nonce signed again: the same call, or nothing at all."""
        if cancel:
            attempt = self._sign(Call(self.address, b"", 0, "cancel"), send.nonce, _CANCEL_GAS, fees, cancels=True)
        elif (first := send.attempts[0]).raw:
            attempt = self._sign(call_of(first.raw, send.description), send.nonce, send.gas, fees)
        else:
            raise NothingToReplace(send.description, "only the signer's node has it, so speed it up there")
        self._outbox.add_attempt(send.key, attempt)
        self._broadcast(attempt)
        return attempt

    # preparing

    def _prepare(self, call: Call, key: str) -> Send:
        """Simulates, picks a nonce, signs, writes down, sends out."""
        try:
            gas = self.chain.estimate_gas(call, self.address)
        except Reverted:
            known = self._outbox.find(key)  # another thread may have sent it meanwhile: then this reverts rightly
            if known is None:
                raise
            return known
        with self._outbox.exclusive():
            send, is_new = self._enqueue(call, key, gas_limit(gas))
            if is_new:
                self._deliver(send)
        return send

    def _enqueue(self, call: Call, key: str, gas: int) -> tuple[Send, bool]:
        with self._outbox.transaction():
            known = self._outbox.find(key)
            if known is not None:
                return known, False
            nonce = self._next_nonce()
            attempt = self._sign(call, nonce, gas, self.chain.fees())
            send = Send(key, _fingerprint(call), call.description, nonce, gas, (attempt,))
            self._outbox.add(send)
        return send, True

    def _next_nonce(self) -> int:
        """The first nonce above everything mined, waiting, or written down; sends lost ones again."""
        count = self.chain.transaction_count(self.address)
        waiting = self._outbox.unmined(count)
        if waiting:
            self._rebroadcast(count)
        return max([self.chain.transaction_count(self.address, pending=True), *(send.nonce + 1 for send in waiting)])

    def _sign(self, call: Call, nonce: int, gas: int, fees: Fees, *, cancels: bool = False) -> Attempt:
        transaction = {
            "type": 2,
            "chainId": self.chain.chain_id,
            "nonce": nonce,
            "gas": gas,
            "maxFeePerGas": fees.max_fee,
            "maxPriorityFeePerGas": fees.tip,
            "value": call.value,
            "data": call.data,
        }
        raw, tx_hash = self._key.sign_transaction({**transaction, "to": call.to} if call.to else transaction)
        return Attempt(nonce, tx_hash, raw, fees.max_fee, fees.tip, cancels)

    # sending out

    def _deliver(self, send: Send) -> None:
        """The first broadcast; where the node refuses it at the door, the send is forgotten."""
        try:
            self._broadcast(send.newest)
        except (NodeError, GasUnfunded):
            self._outbox.forget(send.key)
            raise

    def _rebroadcast(self, count: int) -> list[str]:
        hashes = []
        for send in self._outbox.unmined(count):
            self._broadcast(send.newest)
            hashes.append(send.newest.tx_hash)
        return hashes

    def _broadcast(self, attempt: Attempt) -> None:
        """Hands it to the node; that the node has it, or has used its nonce, is no error here."""
        if not attempt.raw:  # a remote signer has sent it
            return
        try:
            self.chain.broadcast(attempt.raw)
        except NodeError as error:
            reason = error.reason.lower()
            if any(words in reason for words in _UNFUNDED):
                raise GasUnfunded(self.address, error.reason) from error
            if not any(words in reason for words in _HARMLESS):
                raise

    # waiting

    def _await(self, key: str, call: Call, timeout_s: float) -> Receipt:
        start = time.monotonic()
        pause, revive_at, bump_at = _FIRST_PAUSE_S, start + _REVIVE_AFTER_S, start + self._bump_after_s
        while True:
            receipt = self._receipt(key, call)
            if receipt is not None:
                return self._concluded(receipt, call)
            now = time.monotonic()
            if now >= start + timeout_s:
                raise TransactionPending(self._known(key, call).newest.tx_hash, key, timeout_s)
            if now >= bump_at:
                self._speed_up(key, call)
                bump_at = now + self._bump_after_s
            elif now >= revive_at:
                self._revive(key, call)
                revive_at = now + _REVIVE_AFTER_S
            time.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE_S)

    def _receipt(self, key: str, call: Call) -> Receipt | None:
        """The receipt of whichever attempt was mined; raises TransactionCancelled."""
        send = self._known(key, call)
        found = self._mined(send)
        if found is None:
            return None
        receipt, attempt = found
        if attempt.cancels:
            raise TransactionCancelled(attempt.tx_hash, send.description)
        return receipt

    def _mined(self, send: Send) -> tuple[Receipt, Attempt] | None:
        """A cancellation counts for the present nonce only: the call may have been begun anew since."""
        for attempt in reversed(send.attempts):
            if attempt.cancels and attempt.nonce != send.nonce:
                continue
            receipt = self.chain.receipt(attempt.tx_hash)
            if receipt is not None:
                return receipt, attempt
        return None

    def _begin_again(self, key: str, call: Call) -> None:
        """With a new nonce, where a cancellation was mined and the call is wanted after all."""
        with self._outbox.exclusive():
            send = self._known(key, call)
            found = self._mined(send)
            if found is not None and found[1].cancels:
                self._renumber(send, call)

    def _known(self, key: str, call: Call) -> Send:
        """What is written under the key; begun anew where the node refused it at the door in another thread."""
        return self._outbox.find(key) or self._prepare(call, key)

    def _revive(self, key: str, call: Call) -> None:
        """Sends lost transactions again; takes a new nonce where somebody else used this one."""
        with self._outbox.exclusive():
            send = self._known(key, call)
            if self.chain.knows(send.newest.tx_hash):
                return
            count = self.chain.transaction_count(self.address)
            if send.nonce >= count:
                self._rebroadcast(count)
            elif self._receipt(key, call) is None:
                self._renumber(send, call)

    def _renumber(self, send: Send, call: Call) -> None:
        with self._outbox.transaction():
            nonce = self._next_nonce()
            attempt = self._sign(call, nonce, send.gas, self.chain.fees())
            self._outbox.renumber(send.key, nonce)
            self._outbox.add_attempt(send.key, attempt)
        self._broadcast(attempt)

    def _speed_up(self, key: str, call: Call) -> None:
        """Replaces the waiting transaction by one with the same nonce and at least a quarter more in fees."""
        with self._outbox.exclusive():
            send = self._known(key, call)
            self._replace(send, self.raised_fees(send), cancel=send.newest.cancels)

    # concluding

    def _concluded(self, receipt: Receipt, call: Call) -> Receipt:
        if receipt.succeeded:
            return receipt
        raise self._why(receipt, call)

    def _why(self, receipt: Receipt, call: Call) -> Reverted:
        """The reason of a mined failure, found by calling again at the block before and at its own."""
        for number in (receipt.block_number - 1, receipt.block_number):
            try:
                self.chain.call(call, self.chain.block(number), self.address)
            except Reverted as error:
                return error
        return decode_revert(b"")


def gas_limit(estimate: int) -> int:
    """What a transaction may use: the estimate with a margin, for the state may move before it is mined."""
    return estimate + estimate // 4 + 20_000


def _fingerprint(call: Call) -> bytes:
    return sha256(f"{call.to}|{call.value}|".encode() + call.data).digest()
