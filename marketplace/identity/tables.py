"""The tables of people's sign-ins; declared for `database.py`, changed only by the services beside this file."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, MetaData, Table, Text


def declare(kept: MetaData) -> tuple[Table, Table, Table]:
    """nonces, sign_ins, passkeys."""
    nonces = Table(
        "nonces",
        kept,
        Column("nonce", Text, primary_key=True),
        Column("expires", BigInteger, nullable=False, index=True),  # UTC seconds
    )
    sign_ins = Table(
        "sign_ins",
        kept,
        Column("sign_in_id", Text, primary_key=True),
        Column("account", Text, nullable=False, index=True),
        Column("jkt", Text, nullable=False),  # of the key that the browser holds
        Column("credential_id", Text),  # of the passkey; none where a wallet signed
        Column("begun", BigInteger, nullable=False),
        Column("ends", BigInteger, nullable=False, index=True),
    )
    passkeys = Table(
        "passkeys",
        kept,
        Column("credential_id", Text, primary_key=True),  # base64url
        Column("account", Text, nullable=False, index=True),
        Column("x", Text, nullable=False),  # 0x-hex
        Column("y", Text, nullable=False),
        Column("sign_count", BigInteger, nullable=False),
    )
    return nonces, sign_ins, passkeys
