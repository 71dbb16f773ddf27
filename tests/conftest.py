"""The local chain that tests share: one anvil a session, the contracts on it, and funded keys.

Nothing starts before a test asks for it. Tests that reorganise, stop or hold a chain start a `Devnet` of their own.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.chain import Chain
from ledger.contracts import Contracts
from ledger.deployment import Deployment, deploy
from ledger.devnet import Devnet
from ledger.keys import WalletKey
from ledger.sender import Sender
from ledger.values import CREDIT
from scripts.private_postgresql import NoPostgresql, PrivatePostgresql, private_postgresql
from tests.sharing_out import SharingOut, longest_first

FAUCET_LIMIT = 1_000_000  # credits a call
OWN_NODEJS = Path(__file__).parent.parent / ".venv" / "node" / "bin"

SenderOf = Callable[[WalletKey], Sender]
FundedWallet = Callable[..., WalletKey]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = longest_first(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> SharingOut:
    return SharingOut(config, log)


@pytest.fixture(scope="session")
def nodejs() -> str:
    """Node.js as the Makefile chooses it: the one brought into .venv where the machine's was none or too old."""
    found = shutil.which("node", path=f"{OWN_NODEJS}{os.pathsep}{os.environ['PATH']}")
    assert found, "there is no Node.js: run `make setup`"
    return found


@pytest.fixture(scope="session")
def devnet() -> Iterator[Devnet]:
    """A real anvil on a free port; its final block is two behind the newest."""
    with Devnet.start(slots_in_an_epoch=1) as running:
        yield running


@pytest.fixture(scope="session")
def chain(devnet: Devnet) -> Iterator[Chain]:
    connected = Chain.connect(devnet.rpc_url)
    yield connected
    connected.close()


@pytest.fixture(scope="session")
def deployer(devnet: Devnet) -> WalletKey:
    key = WalletKey.create()
    devnet.fund(key.address)
    return key


@pytest.fixture(scope="session")
def deployment(chain: Chain, deployer: WalletKey) -> Deployment:
    return deploy(chain, deployer)


@pytest.fixture(scope="session")
def contracts(chain: Chain, deployment: Deployment) -> Contracts:
    return Contracts(chain, deployment)


@pytest.fixture(scope="session")
def sender_of(devnet: Devnet, chain: Chain) -> Iterator[SenderOf]:
    """The one sender of a key, its account funded with gas: `sender_of(key).send(call)`."""
    senders: dict[str, Sender] = {}

    def of(key: WalletKey) -> Sender:
        if key.address not in senders:
            if not chain.balance(key.address):
                devnet.fund(key.address)
            senders[key.address] = Sender(chain, key)
        return senders[key.address]

    yield of
    for sender in senders.values():
        sender.close()


@pytest.fixture(scope="session")
def funded_wallet(deployer: WalletKey, contracts: Contracts, sender_of: SenderOf, devnet: Devnet) -> FundedWallet:
    """`funded_wallet(credits=1000)`: a fresh key with gas money and that many credits."""

    def fresh(credits: int = 1_000) -> WalletKey:
        key = WalletKey.create()
        devnet.fund(key.address)
        for start in range(0, credits, FAUCET_LIMIT):
            amount = min(FAUCET_LIMIT, credits - start) * CREDIT
            sender_of(deployer).send(contracts.credit.faucet(key.address, amount))
        return key

    return fresh


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PrivatePostgresql]:
    """A PostgreSQL of this session's own; `.create()` makes a database in it."""
    try:
        with private_postgresql(durable=False) as running:
            yield running
    except NoPostgresql as cause:
        pytest.skip(str(cause))


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The setting of an empty database: the test runs once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'db' / 'store.db'}"
    running: PrivatePostgresql = request.getfixturevalue("postgresql")
    return running.create()
