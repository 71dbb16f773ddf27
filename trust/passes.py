"""Passes: a buyer lets a friend or a device use a subscription, offline, within operations, units and time.

The root is an EIP-712 `Pass` of the buyer's wallet or the session key, made out to the key (thumbprint) of whoever is
to use it. Its holder may make a narrower one of it: a link, a JWS signed by the holder's key. A chain has at most
`MOST` passes, every one within the one before. Pure; what was spent and what was revoked is the gateway's to know.

A pass' id is the hash of what was signed, never of the signature: a signature has more than one form, a pass has not.
"""

import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from ledger.errors import SignatureMalformed
from ledger.keys import WalletKey
from ledger.typed_data import Domain, digest, recover, sign
from ledger.typed_data import Pass as SignedPass
from ledger.values import Address, SubscriptionId, Units, from_hex, to_hex
from trust import jws
from trust.errors import PassRefused
from trust.keys import ProofKey, load_jwk

SCHEMA: Final = "s4m/pass/1"
TYP: Final = "s4m-pass+jwt"
MOST: Final = 4
"""Passes in a chain: a buyer's, and three that were made of it."""
MOST_UNITS: Final = 2**40 - 1

_OPERATION = re.compile(r"[a-z][a-z0-9_]{0,63}")
_JKT = re.compile(r"[A-Za-z0-9_-]{43}")
_SALT = re.compile(r"0x[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass of a chain; `parent` is the id of the one before, empty at the root. `expires` in UTC seconds."""

    id: str
    parent: str
    subscription: int
    jkt: str
    operations: frozenset[str]
    units: int
    expires: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What a pass allows."""

    operations: frozenset[str]
    units: int
    expires: int


@dataclass(frozen=True, slots=True)
class PassChain:
    """All passes, the root first; `signer` is whose key signed the root."""

    passes: tuple[Pass, ...]
    signer: Address

    @property
    def last(self) -> Pass:
        """The one that is used."""
        return self.passes[-1]


def grant(key: WalletKey, domain: Domain, subscription: int, jkt: str, limits: Limits) -> dict[str, Any]:
    """A root pass for the key of thumbprint `jkt`, as a document. `key` is the buyer's or the session key."""
    fields = {
        "subscriptionId": str(subscription),
        **_claims(jkt, limits),
        "salt": to_hex(secrets.token_bytes(32)),
    }
    signature = sign(key, domain, _signed(_root_fields(fields)))
    return {"schema": SCHEMA, "root": {**fields, "signature": to_hex(signature)}, "links": []}


def narrow(document: Mapping[str, Any], domain: Domain, key: ProofKey, jkt: str, limits: Limits) -> dict[str, Any]:
    """The document with one more link, made by the holder of the last pass; PassRefused where it would be wider."""
    chain = read(document, domain)
    if key.jkt != chain.last.jkt:
        raise PassRefused("The pass is another key's: only its holder can make one of it.")
    claims = {**_claims(jkt, limits), "parent": chain.last.id, "salt": to_hex(secrets.token_bytes(32))}
    longer = {**document, "links": [*document["links"], jws.sign({"typ": TYP, "jwk": key.jwk}, claims, key)]}
    read(longer, domain)
    return longer


def read(document: object, domain: Domain) -> PassChain:
    """The chain; PassRefused unless every signature holds and every pass is within the one before."""
    try:
        fields, links = _document(document)
        root = _root_fields(fields)
        signed = _signed(root)
        signer = recover(domain, signed, from_hex(_text(fields["signature"])))
        passes = [_pass(digest(domain, signed).hex(), "", root["subscriptionId"], root)]
        for link in links:
            passes.append(_link(passes[-1], link))
    except (ValueError, KeyError, TypeError, OverflowError, SignatureMalformed) as error:
        raise PassRefused(f"It cannot be read: {error}.") from error
    return PassChain(tuple(passes), signer)


def _document(document: object) -> tuple[dict[str, Any], list[Any]]:
    if not isinstance(document, dict) or document.keys() != {"schema", "root", "links"}:
        raise ValueError("it is no pass document")
    links = document["links"]
    if document["schema"] != SCHEMA or not isinstance(document["root"], dict) or not isinstance(links, list):
        raise ValueError(f"it is no document of schema {SCHEMA}")
    if len(links) >= MOST:
        raise ValueError(f"the chain is longer than {MOST} passes")
    return document["root"], links


def _link(parent: Pass, compact: object) -> Pass:
    parsed = jws.parse(_text(compact), TYP)
    alg, key, jkt = load_jwk(parsed.header.get("jwk"))
    if jkt != parent.jkt or not parsed.is_signed_by(alg, key):
        raise ValueError("a link is not signed by the holder of the pass before it")
    if parsed.claims.keys() != {"parent", "jkt", "operations", "units", "expires", "salt"}:
        raise ValueError("a link has other fields than a pass")
    if parsed.claims["parent"] != parent.id:
        raise ValueError("a link was made of another pass")
    made = _pass(sha256(parsed.signing_input).hexdigest(), parent.id, parent.subscription, _checked(parsed.claims))
    if not made.operations <= parent.operations or made.units > parent.units or made.expires > parent.expires:
        raise ValueError("a pass is wider than the one that it was made of")
    return made


def _pass(identifier: str, parent: str, subscription: int, fields: Mapping[str, Any]) -> Pass:
    limits = frozenset(fields["operations"]), fields["units"], fields["expires"]
    return Pass(identifier, parent, subscription, fields["jkt"], *limits)


def _claims(jkt: str, limits: Limits) -> dict[str, Any]:
    return {"jkt": jkt, "operations": sorted(limits.operations), "units": str(limits.units), "expires": limits.expires}


def _root_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    if not fields.keys() - {"signature"} == {"subscriptionId", "jkt", "operations", "units", "expires", "salt"}:
        raise ValueError("the root has other fields than a pass")
    return {**_checked(fields), "subscriptionId": _whole(fields["subscriptionId"], 2**96 - 1)}


def _checked(fields: Mapping[str, Any]) -> dict[str, Any]:
    operations, expires = fields["operations"], fields["expires"]
    if not isinstance(operations, list) or not operations or operations != sorted(set(map(_text, operations))):
        raise ValueError("operations are no sorted list of names")
    _require(operations, _OPERATION, "an operation")
    _require([fields["jkt"]], _JKT, "the key's thumbprint")
    _require([fields["salt"]], _SALT, "the salt")
    if not isinstance(expires, int) or isinstance(expires, bool) or not 0 < expires < 1 << 40:
        raise ValueError("its end is no time in UTC seconds")
    return {**fields, "units": _whole(fields["units"], MOST_UNITS)}


def _signed(fields: Mapping[str, Any]) -> SignedPass:
    return SignedPass(
        subscription_id=SubscriptionId(fields["subscriptionId"]),
        jkt=fields["jkt"],
        operations=",".join(fields["operations"]),
        units=Units(fields["units"]),
        expires=fields["expires"],
        salt=from_hex(fields["salt"]),
    )


def _require(values: Iterable[object], pattern: re.Pattern[str], what: str) -> None:
    if not all(pattern.fullmatch(_text(value)) for value in values):
        raise ValueError(f"{what} is malformed")


def _whole(value: object, most: int) -> int:
    text = _text(value)
    if not re.fullmatch("0|[1-9][0-9]{0,28}", text) or int(text) > most:
        raise ValueError("a number is no decimal text within its bound")
    return int(text)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("a field is not text")
    return value
