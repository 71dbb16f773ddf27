"""The same digests here, in eth-account's own EIP-712, and in the contracts."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from eth_account.messages import _hash_eip191_message, encode_typed_data

from ledger.contracts import Contracts
from ledger.keys import WalletKey
from ledger.sender import Sender
from ledger.structs import NO_PERMIT
from ledger.typed_data import (
    Activation,
    AuditGrant,
    Domain,
    Message,
    Order,
    Permit,
    Provenance,
    SessionBinding,
    Voucher,
    digest,
    market_domain,
    recover,
    sign,
    signed_permit,
    typed_data,
)
from ledger.values import CREDIT, Money, PlanId, SubscriptionId, Units, address

BUYER = address("0x" + "ab" * 20)
SIGNER = address("0x" + "0c" * 20)
HASH = bytes(range(32))
ID = SubscriptionId(7 << 64 | 2 << 32 | 5)
ORDER = Order(BUYER, PlanId(7 << 32 | 2), SIGNER, Units(2**40 - 1), 3, HASH, Money(10**30), 4, 1_800_000_000)
MESSAGES: list[Message] = [
    ORDER,
    Voucher(ID, Units(123_456), HASH),
    Activation(ID, HASH),
    Provenance(HASH, BUYER, ID, "s4m:shell"),
    SessionBinding(ID, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", 1_800_000_000),
    AuditGrant(ID, BUYER, 1_800_000_000),
    Permit(BUYER, SIGNER, Money(5), 0, 1_800_000_000),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.PRIMARY)
def test_digest_equals_that_of_the_wallets_document(message: Message) -> None:
    domain = market_domain(31_337, SIGNER)
    theirs = _hash_eip191_message(encode_typed_data(full_message=typed_data(domain, message)))
    assert digest(domain, message) == theirs


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.PRIMARY)
def test_signer_is_recovered_and_another_domain_recovers_another(message: Message) -> None:
    key, domain = WalletKey.create(), market_domain(31_337, SIGNER)
    signature = sign(key, domain, message)
    assert recover(domain, message, signature) == key.address
    for other in (market_domain(1, SIGNER), market_domain(31_337, BUYER), Domain("Other", 31_337, SIGNER)):
        assert recover(other, message, signature) != key.address


def test_market_hashes_the_same(contracts: Contracts) -> None:
    market, domain = contracts.market, contracts.market_domain
    assert market.hash_order(ORDER) == digest(domain, ORDER)
    assert market.hash_voucher(ID, 123_456, HASH) == digest(domain, Voucher(ID, Units(123_456), HASH))
    assert market.hash_activation(ID, HASH) == digest(domain, Activation(ID, HASH))


def test_assets_hash_the_same(contracts: Contracts) -> None:
    ours = digest(contracts.assets_domain, Provenance(HASH, BUYER, ID, "s4m:shell"))
    assert contracts.assets.hash_provenance(HASH, BUYER, ID, "s4m:shell") == ours


def test_credit_accepts_a_permit_signed_here(
    contracts: Contracts, funded_wallet: Callable[..., WalletKey], sender_of: Callable[[WalletKey], Sender]
) -> None:
    owner = funded_wallet(credits=2)
    nonce = contracts.credit.permit_nonce(owner.address)
    permit = Permit(owner.address, contracts.market.address, Money(CREDIT), nonce, int(time.time()) + 3_600)
    signed = signed_permit(owner, contracts.credit_domain, permit)
    relayer = funded_wallet(credits=0)
    sender_of(relayer).send(contracts.credit.permit(owner.address, contracts.market.address, signed))
    assert contracts.credit.allowance(owner.address, contracts.market.address) == CREDIT
    assert contracts.credit.permit_nonce(owner.address) == nonce + 1
    assert NO_PERMIT.value == 0
