"""Reads signed raw EIP-1559 transactions: what they call, who signed them, their hash. Called within the ledger."""

from __future__ import annotations

from typing import Any

from eth_utils.crypto import keccak

from ledger.values import Address, Call, address, to_hex


def fields_of(raw: bytes) -> dict[str, Any]:
    """`chainId`, `nonce`, `gas`, fees and `value` as whole numbers, `data` as bytes, `to` an Address or None."""
    from eth_account.typed_transactions.typed_transaction import TypedTransaction
    from hexbytes import HexBytes

    fields = dict(TypedTransaction.from_bytes(HexBytes(raw)).as_dict())
    to = bytes(fields["to"] or b"")
    return {**fields, "data": bytes(fields["data"]), "to": address(to_hex(to)) if to else None}


def call_of(raw: bytes, description: str) -> Call:
    """The call that the transaction makes."""
    fields = fields_of(raw)
    return Call(fields["to"], fields["data"], fields["value"], description)


def sender_of(raw: bytes) -> Address:
    """Who signed it."""
    from eth_account import Account

    return address(str(Account.recover_transaction(raw)))


def hash_of(raw: bytes) -> str:
    return to_hex(keccak(raw))
