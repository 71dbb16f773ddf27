"""Two independent nodes, each with the set on it for the whole session; after every test the money must add up."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from node_yard import HARDHAT, House, hardhat_node

from ledger.devnet import Devnet
from ledger.keys import WalletKey


@pytest.fixture(scope="session")
def one_deployer() -> WalletKey:
    """The same on both chains, so that a contract's address tells nobody which chain it is on."""
    return WalletKey.create()


@pytest.fixture(scope="session")
def anvil_house(one_deployer: WalletKey) -> Iterator[House]:
    with Devnet.start() as devnet:
        house = House(devnet.rpc_url, one_deployer)
        yield house
        house.close()


@pytest.fixture(scope="session")
def hardhat_house(
    one_deployer: WalletKey, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    if not HARDHAT.is_dir():
        pytest.skip("node_modules/hardhat is absent (`make setup` brings it): anvil alone is tested")
    with hardhat_node(request.getfixturevalue("nodejs"), tmp_path_factory.mktemp("hardhat")) as rpc_url:
        house = House(rpc_url, one_deployer)
        yield house
        house.close()


@pytest.fixture(params=["anvil", "hardhat"])
def house(request: pytest.FixtureRequest) -> Iterator[House]:
    """The set on one node, then on the other."""
    found: House = request.getfixturevalue(f"{request.param}_house")
    yield found
    owed, held = found.books()
    assert owed == held
