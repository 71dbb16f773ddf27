"""A browser in miniature: a proof key, a wallet's or passkey's signature, the calls of a signed-in person."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from ledger.account_signature import text_digest
from ledger.keys import WalletKey
from ledger.values import Address, to_hex
from marketplace.identity.sign_ins import KEY
from trust import siwe
from trust.auth import SessionAuth
from trust.keys import ProofKey


@dataclass
class Browser:
    """One key, one site. `auth` carries the token that `signed_in` was given last."""

    url: str
    key: ProofKey = field(default_factory=ProofKey.generate)
    token: str | None = None

    def post(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        return self.call("POST", path, body, **options)

    def call(self, method: str, path: str, body: Any = None, *, key: ProofKey | None = None) -> httpx.Response:
        auth = SessionAuth(lambda: self.token, key or self.key)
        content = b"" if body is None else json.dumps(body).encode()
        headers = {} if body is None else {"Content-Type": "application/json"}
        url = f"{self.url}/api/v1{path}"
        return httpx.request(method, url, content=content, headers=headers, auth=auth, trust_env=False, timeout=20)

    def nonce(self) -> dict[str, Any]:
        answer = self.post("/sign-ins/nonces")
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def message(self, account: Address, at: float, **changes: Any) -> str:
        """A good message for this site, but for `changes`."""
        told = self.nonce()
        fields = {
            "domain": told["domain"],
            "address": account,
            "uri": told["uri"],
            "chain_id": told["chainId"],
            "nonce": told["nonce"],
            "issued_at": rfc3339(at),
            "statement": told["statement"],
            "resources": (KEY + self.key.jkt,),
        }
        return siwe.text(siwe.Message(**(fields | changes)))

    def sign_in(self, text: str, signature: bytes, **options: Any) -> httpx.Response:
        return self.post("/sign-ins", {"message": text, "signature": to_hex(signature)}, **options)

    def signed_in(self, wallet: WalletKey, at: float) -> dict[str, Any]:
        text = self.message(wallet.address, at)
        answer = self.sign_in(text, wallet.sign_digest(text_digest(text)))
        assert answer.status_code == 201, answer.text
        self.token = answer.json()["token"]
        return dict(answer.json())


class Authenticator:
    """A passkey in software, as WebAuthn level 2 has it: counts its assertions, attests nothing."""

    def __init__(self, origin: str, rp_id: str = "localhost") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._origin, self._rp_id = origin, rp_id
        self._id = sha256(to_bytes(self._key)).digest()
        self.count = 0

    def create(self, challenge: str, /, **changes: Any) -> dict[str, Any]:
        """What `navigator.credentials.create` would give for the options' challenge."""
        x, y = to_bytes(self._key)[:32], to_bytes(self._key)[32:]
        cose = bytes.fromhex("a5010203262001215820") + x + bytes.fromhex("225820") + y
        data = self._data(0x45) + bytes(16) + len(self._id).to_bytes(2) + self._id + cose
        head = bytes.fromhex("a363666d74646e6f6e656761747453746d74a068617574684461746158") + bytes([len(data)])
        client = self._client("webauthn.create", challenge, **changes)
        response = {"attestationObject": b64(head + data), "clientDataJSON": b64(client)}
        return {"id": b64(self._id), "rawId": b64(self._id), "type": "public-key", "response": response}

    def get(self, challenge: bytes, /, flags: int = 0x05, **changes: Any) -> dict[str, Any]:
        """What `navigator.credentials.get` would give."""
        self.count += 1
        data, client = self._data(flags), self._client("webauthn.get", b64(challenge), **changes)
        signature = self._key.sign(data + sha256(client).digest(), ec.ECDSA(SHA256()))
        response = {"authenticatorData": b64(data), "clientDataJSON": b64(client), "signature": b64(signature)}
        return {"id": b64(self._id), "rawId": b64(self._id), "type": "public-key", "response": response}

    def _data(self, flags: int) -> bytes:
        return sha256(self._rp_id.encode()).digest() + bytes([flags]) + self.count.to_bytes(4)

    def _client(self, kind: str, challenge: str, /, **changes: Any) -> bytes:
        told = {"type": kind, "challenge": challenge, "origin": self._origin, "crossOrigin": False} | changes
        return json.dumps(told, separators=(",", ":")).encode()


def to_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    point = key.public_key().public_numbers()
    return point.x.to_bytes(32) + point.y.to_bytes(32)


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def rfc3339(at: float) -> str:
    return datetime.fromtimestamp(int(at), UTC).isoformat().replace("+00:00", "Z")


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, str(answer.json()["code"])
