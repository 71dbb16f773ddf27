"""Who signed is recovered from what was signed. That the digests are right: test_three_hashers."""

from __future__ import annotations

import pytest

from ledger.keys import WalletKey
from ledger.typed_data import (
    Activation,
    AuditGrant,
    Domain,
    ErasureDemand,
    Message,
    Order,
    Permit,
    Provenance,
    SessionBinding,
    Voucher,
    market_domain,
    recover,
    sign,
)
from ledger.values import Money, PlanId, SubscriptionId, Units, address

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
    ErasureDemand(ID, 1_800_000_000),
    Permit(BUYER, SIGNER, Money(5), 0, 1_800_000_000),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.PRIMARY)
def test_signer_is_recovered_and_another_domain_recovers_another(message: Message) -> None:
    key, domain = WalletKey.create(), market_domain(31_337, SIGNER)
    signature = sign(key, domain, message)
    assert recover(domain, message, signature) == key.address
    for other in (market_domain(1, SIGNER), market_domain(31_337, BUYER), Domain("Other", 31_337, SIGNER)):
        assert recover(other, message, signature) != key.address
