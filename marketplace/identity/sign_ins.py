"""Sign-ins of people: by a wallet's EIP-4361 message, or by a passkey that stands on the chain.

Both name the key that the browser holds and that proves every later call (DPoP): the message in its only resource, the
passkey in the challenge that it signs. A sign-in lives eight hours at most, its tokens two minutes; ending it refuses
the very next call. Nothing of this moves money: orders are signed by the wallet each for itself.
"""

from __future__ import annotations

import secrets
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, RowMapping, delete, insert, select

from ledger.account_signature import is_signed_by, text_digest
from ledger.values import Address, from_hex
from marketplace.database import sign_ins
from marketplace.errors import UnknownSignIn
from marketplace.identity import nonces
from marketplace.identity.answers import NonceAnswer, SignInAnswer, SignInRow
from marketplace.identity.passkeys import Passkeys
from marketplace.identity.schemas import PasskeySignInRequest, SignInRequest
from marketplace.parts import Parts
from trust import siwe
from trust.errors import SignedOut, SignInRefused
from trust.sessions import SessionIssuer

LONGEST_S = 8 * 3600
"""Longest sign-in: a working day."""
KEY = "urn:ietf:params:oauth:jwk-thumbprint:sha-256:"
"""RFC 9278: how a message names the key that it signs in."""
STATEMENT = "Sign in to Slicing4Meta. This signs no order and moves no money."


class SignIns:
    """Begins, renews and ends sign-ins; `stands` is what the gate asks on every call."""

    def __init__(self, parts: Parts, issuer: SessionIssuer, passkeys: Passkeys) -> None:
        self._parts = parts
        self._issuer = issuer
        self._passkeys = passkeys

    def nonce(self) -> NonceAnswer:
        """A nonce and all that a message for this site has to say."""
        nonce, expires = nonces.give(self._parts)
        origin = self._parts.settings.site_origin
        return {
            "nonce": nonce,
            "expires": expires,
            "domain": urlsplit(origin).netloc,
            "uri": origin,
            "chainId": str(self._parts.deployment.chain_id),
            "statement": STATEMENT,
            "rpId": self._passkeys.rp_id,
        }

    def by_wallet(self, asked: SignInRequest, jkt: str) -> SignInAnswer:
        """A sign-in of the account that signed the message; SignInRefused says what is wrong with it."""
        try:
            message = siwe.parse(asked.message)
        except ValueError as error:
            raise SignInRefused(f"The message is no EIP-4361 message: {error}.") from error
        siwe.check(message, self._expected(jkt))
        self._require_signed(message.account, asked)
        ends = LONGEST_S + int(self._parts.clock())
        if message.expiration_time is not None:
            ends = min(ends, int(siwe.seconds(message.expiration_time)))
        with self._parts.engine.begin() as rows:
            nonces.take(self._parts, rows, message.nonce)
            return self._begin(rows, message.account, jkt, ends, None)

    def by_passkey(self, asked: PasskeySignInRequest, jkt: str) -> SignInAnswer:
        """A sign-in of the account whose passkey made the assertion; SignInRefused says what is wrong with it."""
        found = self._passkeys.check(asked.credential, sign_in_challenge(asked.nonce, jkt))
        with self._parts.engine.begin() as rows:
            nonces.take(self._parts, rows, asked.nonce)
            self._passkeys.count(rows, found)
            ends = LONGEST_S + int(self._parts.clock())
            return self._begin(rows, found.account, jkt, ends, found.credential_id)

    def renew(self, sign_in_id: str, jkt: str) -> SignInAnswer:
        """A fresh token for the holder of the sign-in's key; SignedOut where it has ended."""
        row = self._row(sign_in_id)
        if row is None or row["ends"] <= self._parts.clock() or row["jkt"] != jkt:
            raise SignedOut("It has ended, is not known here, or is another key's.")
        if row["credential_id"] is not None and not self._passkeys.stands(row["credential_id"], row["account"]):
            raise SignedOut("The passkey that opened it no longer stands on the chain.")
        return self._answer(row)

    def end(self, sign_in_id: str, account: str) -> None:
        """Ends one sign-in of the account; UnknownSignIn where it has none of that id."""
        theirs = (sign_ins.c.sign_in_id == sign_in_id, sign_ins.c.account == account)
        with self._parts.engine.begin() as rows:
            if rows.execute(delete(sign_ins).where(*theirs)).rowcount != 1:
                raise UnknownSignIn(
                    f"the account has no sign-in {sign_in_id[:40]}.", remedy="GET /api/v1/me lists them."
                )

    def of(self, account: str) -> list[SignInRow]:
        """The account's sign-ins that have not ended."""
        living = (sign_ins.c.account == account, sign_ins.c.ends > int(self._parts.clock()))
        with self._parts.engine.connect() as rows:
            found = rows.execute(select(sign_ins).where(*living).order_by(sign_ins.c.begun)).mappings().all()
        return [
            {
                "signInId": row["sign_in_id"],
                "by": "wallet" if row["credential_id"] is None else "passkey",
                "begun": row["begun"],
                "ends": row["ends"],
                "jkt": row["jkt"],
            }
            for row in found
        ]

    def stands(self, sign_in_id: str) -> bool:
        """Whether it was begun here, has not ended, and the passkey that opened it was not revoked since."""
        row = self._row(sign_in_id)
        if row is None or row["ends"] <= self._parts.clock():
            return False
        return row["credential_id"] is None or not self._passkeys.is_given_up(row["credential_id"], row["account"])

    def _row(self, sign_in_id: str) -> RowMapping | None:
        with self._parts.engine.connect() as rows:
            return rows.execute(select(sign_ins).where(sign_ins.c.sign_in_id == sign_in_id)).mappings().first()

    def _expected(self, jkt: str) -> siwe.Expected:
        origin = self._parts.settings.site_origin
        return siwe.Expected(
            domain=urlsplit(origin).netloc,
            uri=origin,
            chain_id=self._parts.deployment.chain_id,
            resources=(KEY + jkt,),
            now=self._parts.clock(),
        )

    def _require_signed(self, account: Address, asked: SignInRequest) -> None:
        if not is_signed_by(self._parts.chain, account, text_digest(asked.message), from_hex(asked.signature)):
            raise SignInRefused(f"The message is not signed by {account}, neither by its key nor by its contract.")

    def _begin(
        self, rows: Connection, account: Address, jkt: str, ends: int, credential_id: str | None
    ) -> SignInAnswer:
        now = int(self._parts.clock())
        rows.execute(delete(sign_ins).where(sign_ins.c.ends <= now))
        row = {
            "sign_in_id": secrets.token_urlsafe(24),
            "account": account,
            "jkt": jkt,
            "credential_id": credential_id,
            "begun": now,
            "ends": ends,
        }
        rows.execute(insert(sign_ins).values(row))
        return self._answer(row)

    def _answer(self, row: Any) -> SignInAnswer:
        token, expires = self._issuer.mint_account(
            row["account"], row["jkt"], ends=row["ends"], standing=row["sign_in_id"]
        )
        return {
            "signInId": row["sign_in_id"],
            "account": row["account"],
            "token": token,
            "expires": expires,
            "ends": row["ends"],
        }


def sign_in_challenge(nonce: str, jkt: str) -> bytes:
    """What a passkey signs to sign in the key of this thumbprint: 32 bytes."""
    return sha256(f"slicing4meta sign-in\n{nonce}\n{jkt}".encode()).digest()
