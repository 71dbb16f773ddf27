"""Keys that prove possession: Ed25519 of components (kept in 0600 files), Ed25519 or P-256 of buyers' clients.

Called by every program at start and by `trust.auth`. Wallet keys (secp256k1) live in `ledger.keys`, not here.
"""

import json
import os
import re
import stat
import time
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Literal, Self

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from trust.encoding import b64url, canonical_json, unb64url
from trust.errors import KeyFileBroken, KeyFileUnsafe

COMPONENTS = ("marketplace", "orchestrator", "msmf", "vmof", "mmf", "gateway", "operator")
DEFAULT_DOMAIN = "slicing4meta.devnet"

Alg = Literal["EdDSA", "ES256"]
PrivateKey = Ed25519PrivateKey | ec.EllipticCurvePrivateKey
PublicKey = Ed25519PublicKey | ec.EllipticCurvePublicKey
Jwk = dict[str, str]

_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?")


def spiffe_id(domain: str, component: str) -> str:
    """`spiffe://<domain>/<component>`."""
    return f"spiffe://{domain}/{component}"


def thumbprint(jwk: Jwk) -> str:
    """RFC 7638: base64url SHA-256 of the required members in lexicographic order."""
    members = ("crv", "kty", "x", "y") if jwk["kty"] == "EC" else ("crv", "kty", "x")
    return b64url(sha256(canonical_json({name: jwk[name] for name in members})).digest())


def ed25519_jkt(public_bytes: bytes) -> str:
    """Thumbprint of a raw 32-byte Ed25519 key, as IdentityRegistry holds it."""
    return thumbprint({"kty": "OKP", "crv": "Ed25519", "x": b64url(public_bytes)})


def public_jwk(key: PublicKey) -> Jwk:
    """The canonical public JWK: fixed-length coordinates, nothing but the required members."""
    if isinstance(key, Ed25519PublicKey):
        return {"kty": "OKP", "crv": "Ed25519", "x": b64url(key.public_bytes(Encoding.Raw, PublicFormat.Raw))}
    numbers = key.public_numbers()
    return {
        "kty": "EC",
        "crv": "P-256",
        "x": b64url(numbers.x.to_bytes(32, "big")),
        "y": b64url(numbers.y.to_bytes(32, "big")),
    }


_P = 2**255 - 19
_SMALL_ORDER_Y = {
    0, 1, _P - 1,
    0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
    0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
}  # fmt: skip
"""y of the points of order 1, 2, 4 and 8 (RFC 8032, 5.1): for such a key anybody can sign, so it proves nothing."""


@lru_cache(maxsize=4096)
def ed25519_of(raw: bytes) -> Ed25519PublicKey:
    """The key of 32 raw bytes, as IdentityRegistry holds it."""
    return Ed25519PublicKey.from_public_bytes(raw)


@lru_cache(maxsize=4096)
def _ed25519(x: str) -> Ed25519PublicKey:
    raw = _exactly_32(x)
    y = int.from_bytes(raw, "little") & ((1 << 255) - 1)
    if y >= _P or y in _SMALL_ORDER_Y:
        raise ValueError("the key is not in canonical form, or of small order")
    return Ed25519PublicKey.from_public_bytes(raw)


@lru_cache(maxsize=4096)
def _p256(x: str, y: str) -> ec.EllipticCurvePublicKey:
    numbers = (int.from_bytes(_exactly_32(x), "big"), int.from_bytes(_exactly_32(y), "big"))
    return ec.EllipticCurvePublicNumbers(*numbers, ec.SECP256R1()).public_key()


def _exactly_32(text: str) -> bytes:
    raw = unb64url(text)
    if len(raw) != 32:
        raise ValueError("a key coordinate has 32 bytes")
    return raw


def load_jwk(jwk: object) -> tuple[Alg, PublicKey, str]:
    """(algorithm, key, thumbprint) of an untrusted public JWK.

    ValueError for private or symmetric material, other curves, points off the curve or of small order.
    """
    if not isinstance(jwk, dict) or any(not isinstance(value, str) for value in jwk.values()):
        raise ValueError("jwk is not an object of strings")
    if "d" in jwk or "k" in jwk:
        raise ValueError("jwk holds private or symmetric material")
    match jwk.get("kty"), jwk.get("crv"):
        case "OKP", "Ed25519":
            return "EdDSA", _ed25519(jwk.get("x", "")), thumbprint(jwk)
        case "EC", "P-256":
            return "ES256", _p256(jwk.get("x", ""), jwk.get("y", "")), thumbprint(jwk)
    raise ValueError("only Ed25519 and P-256 keys can prove possession")


@dataclass(frozen=True)
class ProofKey:
    """A private key that signs proofs; never printed, never serialised by repr."""

    private: PrivateKey = field(repr=False)
    alg: Alg = field(init=False)
    jwk: Jwk = field(init=False)
    jkt: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "alg", "EdDSA" if isinstance(self.private, Ed25519PrivateKey) else "ES256")
        object.__setattr__(self, "jwk", public_jwk(self.private.public_key()))
        object.__setattr__(self, "jkt", thumbprint(self.jwk))

    @classmethod
    def generate(cls, alg: Alg = "EdDSA") -> Self:
        return cls(Ed25519PrivateKey.generate() if alg == "EdDSA" else ec.generate_private_key(ec.SECP256R1()))


@dataclass(frozen=True)
class ComponentIdentity:
    """One component of one trust domain and its Ed25519 key."""

    component: str
    domain: str
    key: ProofKey = field(repr=False)

    @classmethod
    def generate(cls, component: str, domain: str = DEFAULT_DOMAIN) -> Self:
        """A fresh identity that is not stored anywhere."""
        for name in (component, domain):
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no name: lower-case letters, digits, dots, dashes")
        return cls(component, domain, ProofKey.generate())

    @classmethod
    def load_or_create(cls, path: Path, component: str, domain: str = DEFAULT_DOMAIN) -> Self:
        """Reads the key file, or makes it with mode 0600. Safe when several processes start at once.

        KeyFileUnsafe when others may read it or own it; KeyFileBroken when it is another component's or damaged.
        """
        if not path.exists():
            cls.generate(component, domain)._create(path)
        return cls._load(path, component, domain)

    @property
    def spiffe_id(self) -> str:
        return spiffe_id(self.domain, self.component)

    @property
    def jwk(self) -> Jwk:
        return self.key.jwk

    @property
    def jkt(self) -> str:
        return self.key.jkt

    @property
    def public_bytes(self) -> bytes:
        """Raw 32 bytes, the form that IdentityRegistry holds."""
        return unb64url(self.jwk["x"])

    def _create(self, path: Path) -> None:
        private = self.key.private
        if not isinstance(private, Ed25519PrivateKey):
            raise TypeError("a component's key is Ed25519")
        secret = private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        document = {
            "component": self.component,
            "created": int(time.time()),
            "domain": self.domain,
            "d": b64url(secret),
            **self.jwk,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(canonical_json(document))
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(draft, path)  # atomic, and fails when another process was first
            except FileExistsError:
                return
        finally:
            draft.unlink()

    @classmethod
    def _load(cls, path: Path, component: str, domain: str) -> Self:
        with path.open("rb") as file:
            _refuse_loose(path, os.fstat(file.fileno()))
            content = file.read(65_536)
        try:
            document = json.loads(content)
            found = (document["component"], document["domain"])
            key = ProofKey(Ed25519PrivateKey.from_private_bytes(_exactly_32(document["d"])))
        except (ValueError, KeyError, TypeError) as error:
            raise KeyFileBroken(f"{path} is not a component key file") from error
        if found != (component, domain) or key.jwk["x"] != document.get("x"):
            raise KeyFileBroken(f"{path} holds the key of {found[0]} in {found[1]}, not of {component} in {domain}")
        return cls(component, domain, key)


def _refuse_loose(path: Path, status: os.stat_result) -> None:
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise KeyFileUnsafe(f"{path} has mode {stat.S_IMODE(status.st_mode):04o}; a key file is 0600")
    if status.st_uid != os.geteuid():
        raise KeyFileUnsafe(f"{path} belongs to uid {status.st_uid}, not to this process ({os.geteuid()})")
