from __future__ import annotations

import pytest

from ledger.errors import AddressMalformed, SignatureMalformed
from ledger.keys import WalletKey
from ledger.values import (
    CURVE_ORDER,
    address,
    check_signature,
    compact,
    expand,
    model_of,
    plan_id,
    plan_of,
    sequence_of,
    version_of,
)


def test_ids_tell_their_plan_and_model() -> None:
    plan = plan_id(7, 3)
    subscription = plan << 32 | 9
    assert plan == 7 * 2**32 + 3
    assert (model_of(plan), version_of(plan)) == (7, 3)
    assert (plan_of(subscription), sequence_of(subscription)) == (plan, 9)


def test_address_is_checksummed_and_malformed_refused() -> None:
    assert address("0xd8da6bf26964af9d7eed9e03e53415d37aa96045") == "0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045"
    with pytest.raises(AddressMalformed):
        address("0x1234")


def test_compact_signature_expands_to_the_same() -> None:
    key = WalletKey.create()
    both_parities = set()
    for number in range(24):
        signature = key.sign_digest(number.to_bytes(32))
        assert expand(*compact(signature)) == signature
        both_parities.add(signature[64])
    assert both_parities == {27, 28}


def test_signature_that_contracts_would_refuse_is_refused() -> None:
    good = WalletKey.create().sign_digest(bytes(32))
    high_s = (CURVE_ORDER - int.from_bytes(good[32:64])).to_bytes(32)
    for bad in (good[:64], good[:64] + b"\x00", good[:32] + high_s + good[64:], bytes(65)):
        with pytest.raises(SignatureMalformed):
            check_signature(bad)
    with pytest.raises(SignatureMalformed):
        expand(good[:31], good[32:64])
