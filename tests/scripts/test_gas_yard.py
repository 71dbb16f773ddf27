"""The gas bench on its node: what it counts did what it was sent for, and a failure is kept as one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ledger.values import Kind
from scripts.gas.beside import measure_passkey
from scripts.gas.load import Load
from scripts.gas.singularitynet import Escrow
from scripts.gas.yard import NotMeasured, Yard


@pytest.fixture(scope="module")
def yard() -> Iterator[Yard]:
    """A node without the P-256 precompile."""
    with Yard.open(7, Load(), "prague") as opened:
        yield opened


def gas(yard: Yard, name: str) -> int:
    (found,) = (each for each in yard.transactions if each["name"] == name)
    used: int = found["gasUsed"]
    return used


def test_passkey_is_checked_in_solidity_where_there_is_no_precompile(yard: Yard) -> None:
    assert yard.node()["hardfork"] == "prague"
    measure_passkey(yard, "passkey")
    assert gas(yard, "passkey") > 250_000


def test_voucher_that_is_skipped_is_not_measured(yard: Yard) -> None:
    credit, market = yard.contracts.credit, yard.contracts.market
    yard.send(yard.buyer, credit.faucet(yard.buyer.address, 2 * yard.load.reserved))
    yard.send(yard.buyer, credit.approve(market.address, 2 * yard.load.reserved))
    bought = yard.activate(yard.buy(yard.publish(yard.register(Kind.TAAS))[0]))
    voucher = yard.voucher(bought)
    yard.settle([voucher], "settled")
    with pytest.raises(NotMeasured, match="0 of 1"):
        yard.settle([voucher], "settled again")


def test_claims_of_singularitynet_earn_and_one_bad_claim_fails_them_all(yard: Yard) -> None:
    escrow = Escrow(yard)
    escrow.stock(escrow.payer, 3 * yard.load.reserved)
    yard.send(escrow.payer, escrow.contract.call("deposit", 2 * yard.load.reserved))
    channels = [escrow.open(), escrow.open()]
    yard.send(escrow.recipient, escrow.claims(channels), "claims")
    assert escrow.balance(escrow.recipient) == 2 * escrow.amount
    escrow.forget(channels[1])
    with pytest.raises(NotMeasured, match="was to fail"):
        yard.send_doomed(escrow.recipient, escrow.claim(channels[0]), 200_000, "good")
    yard.send_doomed(escrow.recipient, escrow.claims(channels), 500_000, "spoilt")
    assert escrow.balance(escrow.recipient) == 3 * escrow.amount
    assert [each["succeeded"] for each in yard.transactions if each["name"] == "spoilt"] == [False]


def test_one_name_is_measured_once(yard: Yard) -> None:
    call = yard.contracts.credit.faucet(yard.buyer.address, 1)
    yard.send(yard.buyer, call, "once")
    with pytest.raises(NotMeasured, match="measured twice"):
        yard.send(yard.buyer, call, "once")
