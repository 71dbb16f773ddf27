"""The same passkeys where the chain has the P-256 precompile (osaka, EIP-7951) and where Solidity computes (prague)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from node_yard import House
from passkeys import Assertion, Passkey, bad_assertions

from ledger.devnet import Devnet
from ledger.keys import WalletKey
from ledger.values import Address, Call

PRECOMPILE = Address("0x0000000000000000000000000000000000000100")
YES = (1).to_bytes(32)


@pytest.fixture(scope="module")
def prague_house(one_deployer: WalletKey) -> Iterator[House]:
    with Devnet.start(hardfork="prague") as devnet:
        house = House(devnet.rpc_url, one_deployer)
        yield house
        house.close()


def precompiled(house: House, assertion: Assertion) -> bytes:
    """The precompile's answer about the assertion's signature; empty where there is no precompile."""
    words = assertion.r.to_bytes(32), assertion.s.to_bytes(32), assertion.x, assertion.y
    return house.chain.call(Call(PRECOMPILE, assertion.digest + b"".join(words)))


def test_precompile_makes_registration_cheap_and_its_absence_changes_no_answer(
    anvil_house: House, prague_house: House, record_property: Callable[[str, object], None]
) -> None:
    gas = {}
    for name, house, answer in (("osaka", anvil_house, YES), ("prague", prague_house, b"")):
        account, passkey = house.person(), Passkey()
        assertion = passkey.assertion(house.contracts, account.address)
        assert precompiled(house, assertion) == answer
        for what, bad in bad_assertions(house.contracts, account.address, house.stranger.address).items():
            assert house.refusal(account, bad.registration(house.contracts)).name == "BadAssertion", what
        gas[name] = house.send(account, assertion.registration(house.contracts)).gas_used
        assert house.contracts.identity.passkey(account.address, passkey.credential) == (passkey.x, passkey.y)
        record_property(name, gas[name])
    assert 3 * gas["osaka"] < gas["prague"], gas
