"""Who signs: a key that is held here, or a program elsewhere that holds it and is asked over JSON-RPC.

`WalletKey` is a signer; so is `RemoteSigner`, for the accounts of a wallet program, of clef, of a node. Called by
typed_data and the sender, which take either. What a remote signer gives back is checked before it is used: the account
that signed, and of a transaction everything but its fees, which its owner may set there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Protocol

from ledger.errors import NodeDown, NodeError, SignatureMalformed, SignerDiffers, SignerDown, SignerRefused
from ledger.keys import recover_digest
from ledger.raw_transactions import fields_of, hash_of, sender_of
from ledger.rpc import Rpc
from ledger.values import Address, address, from_hex, to_hex

PATIENCE_S = 300.0
"""How long a person may take to approve in the signer, seconds."""
_NO_SUCH_METHOD = (-32601, -32004)
_METHOD_WORDS = ("method not found", "not supported", "does not exist", "unsupported")


class Signer(Protocol):
    """Signs for one account."""

    @property
    def address(self) -> Address: ...

    def sign_typed(self, digest: bytes, document: Callable[[], Mapping[str, Any]]) -> bytes:
        """65 bytes r ‖ s ‖ v (27 or 28) over an EIP-712 digest; `document` makes its eth_signTypedData_v4 form."""
        ...

    def sign_transaction(self, transaction: Mapping[str, Any]) -> tuple[bytes, str]:
        """The signed raw EIP-1559 transaction (empty where only the signer's node has it) and its hash."""
        ...


class Speech(StrEnum):
    """What a signer understands: wallets' and nodes' `eth_…`, or clef's `account_…`."""

    ETH = "eth"
    CLEF = "clef"


class RemoteSigner:
    """One account of a signer program; it keeps no state.

    Raises SignerDown, SignerRefused (also where its owner says no), SignerDiffers.
    """

    def __init__(self, url: str, account: Address, speech: Speech = Speech.ETH, timeout_s: float = PATIENCE_S) -> None:
        self.address = account
        self.url = url
        self._speech = speech
        self._rpc = Rpc(url, timeout_s)

    def close(self) -> None:
        """Closes the connections."""
        self._rpc.close()

    def accounts(self) -> list[Address]:
        """The accounts that it would sign for."""
        found = self._ask("account_list" if self._speech is Speech.CLEF else "eth_accounts")
        return [address(str(each)) for each in found]

    def sign_typed(self, digest: bytes, document: Callable[[], Mapping[str, Any]]) -> bytes:
        method = "account_signTypedData" if self._speech is Speech.CLEF else "eth_signTypedData_v4"
        signature = _normal(from_hex(str(self._ask(method, self.address, document()))))
        try:
            signed_by = recover_digest(digest, signature)
        except SignatureMalformed as error:
            raise SignerRefused(self.url, str(error)) from error
        if signed_by != self.address:
            raise SignerDiffers(self.url, "the account", self.address, signed_by)
        return signature

    def sign_transaction(self, transaction: Mapping[str, Any]) -> tuple[bytes, str]:
        asked = {"from": self.address, **{name: _quantity(value) for name, value in transaction.items()}}
        raw, tx_hash = self._signed_by_clef(asked) if self._speech is Speech.CLEF else self._signed_by_wallet(asked)
        if raw:
            self._check(raw, transaction)
        return raw, tx_hash

    def _signed_by_clef(self, asked: Mapping[str, Any]) -> tuple[bytes, str]:
        answer = self._ask("account_signTransaction", asked)
        raw = from_hex(str(answer["raw"]))
        return raw, hash_of(raw)

    def _signed_by_wallet(self, asked: Mapping[str, Any]) -> tuple[bytes, str]:
        """By eth_signTransaction; a wallet that only sends does so, and its node is asked for what it sent.

        Then a crash before the sender wrote it down loses sight of it: look at the account before sending again.
        """
        try:
            answer = self._request("eth_signTransaction", [asked])
        except NodeError as error:
            if not _unknown(error):
                raise SignerRefused(self.url, error.reason) from error
            tx_hash = str(self._ask("eth_sendTransaction", asked))
            return self._sent(tx_hash), tx_hash
        raw = from_hex(str(answer["raw"] if isinstance(answer, dict) else answer))
        return raw, hash_of(raw)

    def _sent(self, tx_hash: str) -> bytes:
        try:
            return from_hex(str(self._request("eth_getRawTransactionByHash", [tx_hash]) or "0x"))
        except NodeError:
            return b""

    def _check(self, raw: bytes, asked: Mapping[str, Any]) -> None:
        """Its owner may set fees and gas there; account, nonce, receiver, value and data must be those asked for."""
        if (signed_by := sender_of(raw)) != self.address:
            raise SignerDiffers(self.url, "the account", self.address, signed_by)
        signed = fields_of(raw)
        for name in ("chainId", "nonce", "value", "to", "data"):
            if signed[name] != asked.get(name):
                raise SignerDiffers(self.url, name, asked.get(name), signed[name])

    def _ask(self, method: str, *params: object) -> Any:
        try:
            return self._request(method, params)
        except NodeError as error:
            raise SignerRefused(self.url, error.reason) from error

    def _request(self, method: str, params: Any) -> Any:
        try:
            return self._rpc.request(method, params)
        except NodeDown as error:
            raise SignerDown(self.url, error.cause) from error


def _normal(signature: bytes) -> bytes:
    """Some signers write v as 0 or 1."""
    return signature[:64] + bytes([signature[64] + 27]) if len(signature) == 65 and signature[64] < 2 else signature


def _quantity(value: object) -> object:
    """As JSON-RPC has it: numbers and bytes in hexadecimal."""
    match value:
        case int():
            return hex(value)
        case bytes():
            return to_hex(value)
    return value


def _unknown(error: NodeError) -> bool:
    return error.number in _NO_SUCH_METHOD or any(words in error.reason.lower() for words in _METHOD_WORDS)
