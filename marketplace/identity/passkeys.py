"""Passkeys (WebAuthn level 2): registered here, bound to the account on the chain, which alone says whether they stand.

Three steps: the browser makes a passkey (`options`, `register`); the passkey signs the binding to account, registry and
chain (`binding`), of which a transaction is made that the account itself sends; from its block on the passkey signs in.
The public key is always read from `IdentityRegistry.passkey`: a row here says only whose a credential claims to be.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import webauthn
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from sqlalchemy import Connection, RowMapping, select, update
from webauthn.helpers import decode_credential_public_key, encode_cbor
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.decode_credential_public_key import DecodedEC2PublicKey
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from ledger.identity import passkey_challenge
from ledger.values import Address, Call, from_hex, to_hex
from marketplace.database import passkeys
from marketplace.errors import PasskeyRefused, UnknownPasskey
from marketplace.identity import nonces
from marketplace.identity.answers import PasskeyAnswer, PasskeyOptions, Transaction
from marketplace.identity.schemas import PasskeyRegistration
from marketplace.parts import Parts
from storage import upsert
from trust.errors import SignInRefused

MOST = 20
"""Passkeys of one account."""
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@dataclass(frozen=True)
class Passkey:
    """A passkey that made a good assertion; `sign_count` as its authenticator counts now."""

    credential_id: str
    account: Address
    sign_count: int


class Passkeys:
    """The passkeys of one site."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.rp_id = urlsplit(parts.settings.site_origin).hostname or ""

    def options(self, account: Address) -> PasskeyOptions:
        """What `navigator.credentials.create` takes, and the nonce that its challenge is."""
        nonce, _ = nonces.give(self._parts)
        made = webauthn.generate_registration_options(
            rp_id=self.rp_id,
            rp_name="Slicing4Meta",
            user_id=from_hex(account),
            user_name=account,
            challenge=nonce.encode(),
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
            ),
            exclude_credentials=[
                PublicKeyCredentialDescriptor(_bytes(row["credential_id"])) for row in self._of(account)
            ],
            supported_pub_key_algs=[COSEAlgorithmIdentifier.ECDSA_SHA_256],
        )
        return {"nonce": nonce, "publicKey": json.loads(webauthn.options_to_json(made))}

    def register(self, account: Address, asked: PasskeyRegistration) -> PasskeyAnswer:
        """Takes a new passkey down; it signs nobody in before the chain has it. PasskeyRefused says what is wrong."""
        if len(self._of(account)) >= MOST:
            raise PasskeyRefused(f"the account has {MOST} passkeys.", remedy="Revoke one of them first.")
        try:
            verified = webauthn.verify_registration_response(
                credential=asked.credential,
                expected_challenge=asked.nonce.encode(),
                expected_rp_id=self.rp_id,
                expected_origin=self._parts.settings.site_origin,
                require_user_verification=True,
                supported_pub_key_algs=[COSEAlgorithmIdentifier.ECDSA_SHA_256],
            )
        except (WebAuthnException, ValueError, KeyError, TypeError) as error:
            raise _refused(error) from error
        x, y = _point(verified.credential_public_key)
        row = {
            "credential_id": _text(verified.credential_id),
            "account": account,
            "x": to_hex(x),
            "y": to_hex(y),
            "sign_count": verified.sign_count,
        }
        with self._parts.engine.begin() as rows:
            nonces.take(self._parts, rows, asked.nonce)
            if rows.execute(upsert(passkeys).values(row).on_conflict_do_nothing()).rowcount != 1:
                raise PasskeyRefused("this credential is registered already.", remedy="Make a new passkey.")
        return self._shown(row)

    def binding(self, account: Address, credential_id: str, credential: dict[str, Any]) -> Transaction:
        """The transaction that binds the passkey to the account, for the account's wallet to send."""
        row = self._own(account, credential_id)
        challenge = self._binding_challenge(row)
        try:
            _verify(self._parts, credential, challenge, self.rp_id, _cose(from_hex(row["x"]), from_hex(row["y"])), 0)
        except (WebAuthnException, ValueError, KeyError, TypeError) as error:
            raise _refused(error) from error
        return _transaction(self._registration(row, credential["response"]), account, self._parts)

    def of(self, account: Address) -> list[PasskeyAnswer]:
        """The account's passkeys, whether the chain has them, and the transactions that would revoke them."""
        return [self._shown(row) for row in self._of(account)]

    def check(self, credential: dict[str, Any], challenge: bytes) -> Passkey:
        """Whose passkey made this assertion over the challenge; SignInRefused where it is no good or stands no more."""
        row = self._row(str(credential.get("id", "")))
        if row is None:
            raise SignInRefused("This passkey is not known here.")
        point = self._on_chain(row)
        if point is None:
            raise SignInRefused("The chain does not have this passkey for the account: not bound yet, or revoked.")
        try:
            verified = _verify(self._parts, credential, challenge, self.rp_id, _cose(*point), row["sign_count"])
        except (WebAuthnException, ValueError, KeyError, TypeError) as error:
            raise SignInRefused(f"The passkey's assertion does not hold: {error}.") from error
        return Passkey(row["credential_id"], Address(row["account"]), verified.new_sign_count)

    def count(self, rows: Connection, found: Passkey) -> None:
        """Notes the authenticator's count: a copy that counts behind it is refused from now on."""
        theirs = passkeys.c.credential_id == found.credential_id
        rows.execute(update(passkeys).where(theirs).values(sign_count=found.sign_count))

    def stands(self, credential_id: str, account: str) -> bool:
        """Whether the chain has it for the account, at the latest block."""
        row = self._row(credential_id)
        return row is not None and row["account"] == account and self._on_chain(row) is not None

    def is_given_up(self, credential_id: str, account: str) -> bool:
        """Whether a block up to the newest that the gate has seen revoked it. Asks nobody: the gate does so first."""
        view = self._parts.enrolment.newest
        return view is not None and (account, _name(credential_id)) in view.given_up

    def _shown(self, row: Any) -> PasskeyAnswer:
        call = self._parts.contracts.identity.revoke_passkey(_name(row["credential_id"]))
        bound = self._on_chain(row) is not None
        return {
            "credentialId": row["credential_id"],
            "onChain": bound,
            "bindingChallenge": None if bound else _text(self._binding_challenge(row)),
            "revocation": _transaction(call, Address(row["account"]), self._parts) if bound else None,
        }

    def _binding_challenge(self, row: Any) -> bytes:
        """As the registry computes it: this chain, this registry, this account, this key."""
        deployment = self._parts.deployment
        point = from_hex(row["x"]), from_hex(row["y"])
        return passkey_challenge(deployment.chain_id, deployment.identity, Address(row["account"]), *point)

    def _registration(self, row: RowMapping, response: dict[str, Any]) -> Call:
        client_data = _bytes(response["clientDataJSON"]).decode()
        r, s = decode_dss_signature(_bytes(response["signature"]))
        return self._parts.contracts.identity.register_passkey(
            _name(row["credential_id"]),
            from_hex(row["x"]),
            from_hex(row["y"]),
            _bytes(response["authenticatorData"]),
            client_data,
            client_data.index('"challenge"'),
            client_data.index('"type"'),
            r.to_bytes(32),
            min(s, P256_ORDER - s).to_bytes(32),
        )

    def _on_chain(self, row: Any) -> tuple[bytes, bytes] | None:
        x, y = self._parts.contracts.identity.passkey(row["account"], _name(row["credential_id"]))
        return (x, y) if any(x + y) else None

    def _of(self, account: str) -> list[RowMapping]:
        with self._parts.engine.connect() as rows:
            theirs = select(passkeys).where(passkeys.c.account == account).order_by(passkeys.c.credential_id)
            return list(rows.execute(theirs).mappings())

    def _row(self, credential_id: str) -> RowMapping | None:
        with self._parts.engine.connect() as rows:
            theirs = select(passkeys).where(passkeys.c.credential_id == credential_id)
            return rows.execute(theirs).mappings().first()

    def _own(self, account: str, credential_id: str) -> RowMapping:
        row = self._row(credential_id)
        if row is None or row["account"] != account:
            raise UnknownPasskey(
                f"the account has no passkey {credential_id[:40]}.", remedy="GET /api/v1/me lists them."
            )
        return row


def _verify(parts: Parts, credential: dict[str, Any], challenge: bytes, rp_id: str, key: bytes, count: int) -> Any:
    return webauthn.verify_authentication_response(
        credential=credential,
        expected_challenge=challenge,
        expected_rp_id=rp_id,
        expected_origin=parts.settings.site_origin,
        credential_public_key=key,
        credential_current_sign_count=count,
        require_user_verification=True,
    )


def _transaction(call: Call, account: Address, parts: Parts) -> Transaction:
    """As `eth_sendTransaction` takes it."""
    return {"from": account, "to": str(call.to), "data": to_hex(call.data), "chainId": hex(parts.deployment.chain_id)}


def _name(credential_id: str) -> bytes:
    """The registry's name for a credential: the hash of its id."""
    return sha256(_bytes(credential_id)).digest()


def _point(cose: bytes) -> tuple[bytes, bytes]:
    key = decode_credential_public_key(cose)
    if not isinstance(key, DecodedEC2PublicKey) or len(key.x) != 32 or len(key.y) != 32:
        raise PasskeyRefused("its key is not of P-256.", remedy="Use an authenticator that offers ES256.")
    return key.x, key.y


def _cose(x: bytes, y: bytes) -> bytes:
    """RFC 9053: key type EC2, ES256, P-256, the point."""
    return encode_cbor({1: 2, 3: -7, -1: 1, -2: x, -3: y})


def _refused(error: Exception) -> PasskeyRefused:
    return PasskeyRefused(
        f"what the authenticator gave does not hold: {error}.", remedy="Begin again from the options."
    )


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
