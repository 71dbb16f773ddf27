"""EIP-712 digests are the same in Solidity, in Python (ours and eth_account's) and in JavaScript (viem)."""

from __future__ import annotations

import json
import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak

from ledger.contracts import Contracts
from ledger.keys import WalletKey
from ledger.sender import Sender
from ledger.supply import SupplyOffer, SupplyWithdrawal, supply_domain
from ledger.typed_data import (
    Activation,
    AuditGrant,
    Domain,
    ErasureDemand,
    Message,
    OperatorPass,
    Order,
    Permit,
    Provenance,
    RequestUpdate,
    SessionBinding,
    Voucher,
    digest,
    market_domain,
    signed_permit,
    typed_data,
)
from ledger.values import CREDIT, Money, address, from_hex

SCRIPT = Path(__file__).with_name("hash_typed_data.mjs")
SEED = 20_260_712
EACH = 40
NONE, ALL = 0, -1  # what the first two messages of each kind are filled with
TEXTS = ["", "s4m:assets/" + "0a" * 32, "plaża ☀️ 海辺", 'quotes " and \\ and \x00', "🐚" * 300, "é", "e\u0301", " \n"]

Case: TypeAlias = tuple[Domain, Message]


def test_solidity_python_and_javascript_hash_alike(contracts: Contracts, nodejs: str) -> None:
    cases = all_cases(contracts, random.Random(SEED))
    ours = [digest(domain, message) for domain, message in cases]
    assert len(cases) == 12 * EACH
    assert len(set(ours)) == len(set(cases)), "each message has a digest of its own"
    documents = [typed_data(domain, message) for domain, message in cases]
    assert list(map(eth_accounts_digest, documents)) == ours
    assert viems_digests(nodejs, documents) == ours
    on_chain = [contracts_digest(contracts, message) for _, message in cases]
    assert sum(found is not None for found in on_chain) == 4 * EACH
    for (_, message), found, expected in zip(cases, on_chain, ours, strict=True):
        assert found in (expected, None), message


def test_credit_accepts_permits_signed_here(
    contracts: Contracts, funded_wallet: Callable[..., WalletKey], sender_of: Callable[[WalletKey], Sender]
) -> None:
    """The credit has no view of its digest: what it accepts, it hashed alike."""
    owner, relayer, credit = funded_wallet(credits=2), funded_wallet(credits=0), contracts.credit
    soon, never = int(time.time()) + 3_600, 2**256 - 1
    for nonce, (value, deadline) in enumerate([(CREDIT, soon), (0, never), (2**256 - 1, soon), (2**255, never)]):
        spender = contracts.market.address if nonce == 0 else WalletKey.create().address
        permit = Permit(owner.address, spender, Money(value), nonce, deadline)
        call = credit.permit(owner.address, spender, signed_permit(owner, contracts.credit_domain, permit))
        sender_of(relayer).send(call)
        assert credit.allowance(owner.address, spender) == value
        assert credit.permit_nonce(owner.address) == nonce + 1


def all_cases(contracts: Contracts, dice: random.Random) -> list[Case]:
    """So many messages of each kind: empty, full, then random with edges."""
    domains = [
        (Order, contracts.market_domain),
        (Voucher, contracts.market_domain),
        (Activation, contracts.market_domain),
        (Provenance, contracts.assets_domain),
        (Permit, contracts.credit_domain),
        (SessionBinding, market_domain(2**53 - 1, contracts.market.address)),
        (RequestUpdate, contracts.market_domain),
        (ErasureDemand, contracts.market_domain),
        (OperatorPass, contracts.market_domain),
        (AuditGrant, market_domain(1, address("0x" + "00" * 20))),
        (SupplyOffer, supply_domain(31_337, contracts.catalog.address)),
        (SupplyWithdrawal, supply_domain(31_337, contracts.catalog.address)),
    ]
    fills = [NONE, ALL, *[None] * (EACH - 2)]
    return [(domain, message(kind, fill, dice)) for kind, domain in domains for fill in fills]


def message(kind: Callable[..., Message], fill: int | None, dice: random.Random) -> Message:
    fields: tuple[tuple[str, str], ...] = getattr(kind, "FIELDS")  # noqa: B009
    return kind(*(value(type_, fill, dice) for _, type_ in fields))


def value(type_: str, fill: int | None, dice: random.Random) -> Any:
    """Of the EIP-712 type."""
    if type_ == "string":
        return TEXTS[fill] if fill is not None else "".join(dice.choices(TEXTS, k=dice.randrange(3)))
    bits = {"address": 160, "bytes32": 256}.get(type_) or int(type_.removeprefix("uint"))
    number = integer(bits, dice) if fill is None else fill % 2**bits
    if type_ == "address":
        return address("0x" + number.to_bytes(20).hex())
    return number.to_bytes(32) if type_ == "bytes32" else number


def integer(bits: int, dice: random.Random) -> int:
    """An edge of the width, or a number of any length below it."""
    edges: list[int] = [0, 1, 2 ** (bits - 1) - 1, 2 ** (bits - 1), 2**bits - 1]
    return edges[dice.randrange(5)] if dice.random() < 1 / 3 else dice.getrandbits(dice.randint(1, bits))


def eth_accounts_digest(document: dict[str, Any]) -> bytes:
    signable = encode_typed_data(full_message=document)
    return keccak(b"\x19" + signable.version + signable.header + signable.body)


def viems_digests(nodejs: str, documents: list[dict[str, Any]]) -> list[bytes]:
    """One process for them all."""
    done = subprocess.run(
        [nodejs, str(SCRIPT)], input=json.dumps(documents), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return [from_hex(text) for text in json.loads(done.stdout)]


def contracts_digest(contracts: Contracts, message: Message) -> bytes | None:
    """By the contracts' own views; None for what no contract has a view of."""
    market, assets = contracts.market, contracts.assets
    match message:
        case Order():
            return market.hash_order(message)
        case Voucher():
            return market.hash_voucher(message.subscription_id, message.units, message.usage_root)
        case Activation():
            return market.hash_activation(message.subscription_id, message.endpoint_hash)
        case Provenance():
            words = message.content_hash, message.creator, message.subscription_id, message.uri
            return assets.hash_provenance(*words)
    return None
