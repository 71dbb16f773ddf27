"""What wallets sign: sign-in messages, passes, and the typed words that the gateway believes by their signature."""

import json
from collections.abc import Callable
from random import Random
from typing import Any

from pydantic import BaseModel, ValidationError

from ledger.account_signature import signer_of, text_digest
from ledger.errors import LedgerError
from ledger.keys import WalletKey
from ledger.typed_data import AuditGrant, Domain, ErasureDemand, PassRevocation, SessionBinding, Voucher, recover, sign
from ledger.values import SubscriptionId, Units, address, from_hex, to_hex
from marketplace.identity.schemas import SignInRequest
from orchestrator.gateway import shapes
from scripts.fuzz.mutate import anyhow, as_json, either
from scripts.fuzz.of_tokens import HOLDERS, NOW, resigned
from scripts.fuzz.parsers import Parser
from trust import passes, siwe
from trust.errors import PassRefused, SignInRefused

WALLET = WalletKey(b"\x05" * 32)
DOMAIN = Domain("Slicing4Meta MaaSMarket", 31_337, address("0x" + "5a" * 20))
SUBSCRIPTION = SubscriptionId((3 << 64) + (1 << 32) + 7)
RESOURCE = "urn:ietf:params:oauth:jwk-thumbprint:sha-256:" + HOLDERS[0].jkt
EXPECTED = siwe.Expected("localhost:8701", "http://localhost:8701", 31_337, (RESOURCE,), NOW)
MESSAGE = siwe.Message(
    domain="localhost:8701", address=WALLET.address, uri="http://localhost:8701", chain_id="31337",
    nonce="0f1e2d3c4b5a6978", issued_at="2027-01-15T08:00:00Z", statement="Sign in. This moves no money.",
    expiration_time="2027-01-15T09:00:00.000+00:00", request_id="a-1", resources=(RESOURCE,),
)  # fmt: skip
SIGNED = {"subscriptionId": str(SUBSCRIPTION), "expires": int(NOW) + 60}


class Unsigned(Exception):
    """Signed by another key than the one that counts here: whoever reads such a word refuses it."""


def parsers() -> tuple[Parser, ...]:
    return (*_sign_ins(), *_passes(), *_words())


def _sign_ins() -> tuple[Parser, ...]:
    text = siwe.text(MESSAGE)
    signature = to_hex(WALLET.sign_digest(text_digest(text)))
    asked = json.dumps({"message": text, "signature": signature}).encode()
    refusals = (SignInRefused, ValidationError, Unsigned, ValueError)
    return (
        Parser("sign-in", 100_000, (asked,), _read_sign_in, refusals, lambda _, meaning: meaning == MESSAGE,
            either(anyhow, as_json)),
        Parser("sign-in message", 99_000, (text.encode(),), _read_message, (ValueError,),
            lambda given, message: siwe.text(message).encode() == given),
    )  # fmt: skip


def _read_sign_in(given: bytes) -> siwe.Message:
    asked = SignInRequest.model_validate_json(given)
    message = siwe.parse(asked.message)
    siwe.check(message, EXPECTED)
    if signer_of(text_digest(asked.message), from_hex(asked.signature)) != message.account:
        raise SignInRefused("Another signed it.")
    if message.account != WALLET.address:
        raise Unsigned
    return message


def _read_message(given: bytes) -> siwe.Message:
    return siwe.parse(given.decode())


def _passes() -> tuple[Parser, ...]:
    limits = passes.Limits(frozenset({"frame", "souvenir"}), 500, int(NOW) + 3_600)
    root = passes.grant(WALLET, DOMAIN, SUBSCRIPTION, HOLDERS[0].jkt, limits)
    narrow = passes.Limits(frozenset({"frame"}), 100, int(NOW) + 60)
    chain = passes.narrow(root, DOMAIN, HOLDERS[0], HOLDERS[1].jkt, narrow)
    rightful = tuple(json.dumps(each).encode() for each in (root, chain))
    known = [_read_pass(each) for each in rightful]
    refusals = (PassRefused, Unsigned, ValueError)
    return (
        Parser(
            "pass", 60_000, rightful, _read_pass, refusals, lambda _, found: found in known, either(anyhow, as_json)
        ),
        Parser("pass, narrowed anew", 40_000, rightful[1:], _read_pass, refusals, _is_narrower, _relinked),
    )


def _read_pass(given: bytes) -> passes.PassChain:
    chain = passes.read(json.loads(given), DOMAIN)
    if chain.signer != WALLET.address:
        raise Unsigned
    return chain


def _relinked(random: Random, given: bytes) -> bytes:
    document = json.loads(given)
    link = resigned(HOLDERS[0])(random, document["links"][0].encode())
    return json.dumps({**document, "links": [link.decode()]}).encode()


def _is_narrower(_given: bytes, chain: passes.PassChain) -> bool:
    root, last = chain.passes[0], chain.last
    inside = last.operations <= root.operations and last.units <= root.units and last.expires <= root.expires
    return inside and last.subscription == root.subscription == SUBSCRIPTION and len(chain.passes) == 2


def _words() -> tuple[Parser, ...]:
    """The gateway's signed words: only the very fields that were signed may come out."""
    grantee, root, pass_id = address("0x" + "6b" * 20), to_hex(b"\x07" * 32), to_hex(b"\x08" * 32)
    return (
        _word("voucher", shapes.VoucherPost, _voucher, {"units": "70", "usageRoot": root, "size": 9}),
        _word("session binding", shapes.SessionRequest, _binding, {**SIGNED, "jkt": HOLDERS[0].jkt}),
        _word("audit grant", shapes.AuditGrantHeader, _grant, {**SIGNED, "grantee": grantee}),
        _word("demand to erase", shapes.ErasurePost, _demand, SIGNED),
        _word("revocation of a pass", shapes.RevocationPost, _revocation, {"passId": pass_id}),
    )


def _word(name: str, shape: type[BaseModel], message_of: Callable[[Any], Any], fields: dict[str, Any]) -> Parser:
    unsigned = shape.model_validate({**fields, "signature": "0x" + "00" * 65})
    due = message_of(unsigned)
    signature = to_hex(sign(WALLET, DOMAIN, due))

    def read(given: bytes) -> Any:
        posted: Any = shape.model_validate_json(given)
        message = message_of(posted)
        if recover(DOMAIN, message, from_hex(posted.signature)) != WALLET.address:
            raise Unsigned
        return message

    rightful = (json.dumps({**fields, "signature": signature}).encode(),)
    refusals = (ValidationError, LedgerError, Unsigned)
    return Parser(name, 10_000, rightful, read, refusals, lambda _, found: found == due, either(anyhow, as_json))


def _voucher(posted: shapes.VoucherPost) -> Voucher:
    return Voucher(SUBSCRIPTION, Units(int(posted.units)), from_hex(posted.usageRoot))


def _binding(posted: shapes.SessionRequest) -> SessionBinding:
    return SessionBinding(SubscriptionId(int(posted.subscriptionId)), posted.jkt, posted.expires)


def _grant(posted: shapes.AuditGrantHeader) -> AuditGrant:
    return AuditGrant(SubscriptionId(int(posted.subscriptionId)), address(posted.grantee), posted.expires)


def _demand(posted: shapes.ErasurePost) -> ErasureDemand:
    return ErasureDemand(SubscriptionId(int(posted.subscriptionId)), posted.expires)


def _revocation(posted: shapes.RevocationPost) -> PassRevocation:
    return PassRevocation(SUBSCRIPTION, from_hex(posted.passId))
