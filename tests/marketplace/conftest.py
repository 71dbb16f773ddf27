"""A real marketplace over a real anvil, served by uvicorn on a free port, and wallets that can pay."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from market_yard import DOMAIN, Market, Serving, furnish

from ledger.chain import Chain
from ledger.contracts import Contracts
from ledger.deployment import Deployment, deploy
from ledger.devnet import Devnet
from ledger.keys import WalletKey
from ledger.sender import Sender
from ledger.values import CREDIT
from s4m import reference
from s4m.supervisor import put_documents
from trust.enrol import enrol_components


@pytest.fixture(scope="session")
def market_home(
    tmp_path_factory: pytest.TempPathFactory, devnet: Devnet, contracts: Contracts, deployment: Deployment
) -> Path:
    """A home with keys, the deployment file and the reference catalogue on-chain."""
    home = tmp_path_factory.mktemp("market")
    return furnish(home, devnet, contracts, deployment)


@pytest.fixture(scope="session")
def market(devnet: Devnet, chain: Chain, contracts: Contracts, market_home: Path) -> Iterator[Market]:
    with Serving(devnet.rpc_url, market_home) as running:
        put_documents(running.url, reference.documents())
        yield running


@pytest.fixture(scope="session")
def enrolled(market: Market, devnet: Devnet, sender_for: Callable[[WalletKey], Sender]) -> Market:
    """The marketplace with its key enrolled: its word about who signed in counts."""
    operator = sender_for(market.keys.account("operator"))
    enrol_components(market.parts.contracts, operator, [market.keys.component("marketplace")], domain=DOMAIN)
    devnet.mine(3)
    return market


@pytest.fixture
def wallet(funded_wallet: Callable[..., WalletKey]) -> WalletKey:
    return funded_wallet(credits=100)


@pytest.fixture(scope="session")
def sender_for(devnet: Devnet, chain: Chain) -> Iterator[Callable[[WalletKey], Sender]]:
    senders: list[Sender] = []

    def make(key: WalletKey) -> Sender:
        devnet.fund(key.address)
        senders.append(Sender(chain, key))
        return senders[-1]

    yield make
    for sender in senders:
        sender.close()


@pytest.fixture
def own_devnet(tmp_path: Path, database: str) -> Iterator[tuple[Devnet, Market, WalletKey]]:
    """A chain of its own, which this test may break; once with the marketplace on SQLite and once on PostgreSQL."""
    with Devnet.start(slots_in_an_epoch=3) as devnet:
        chain = Chain.connect(devnet.rpc_url)
        deployer, buyer = WalletKey.create(), WalletKey.create()
        devnet.fund(deployer.address)
        deployment = deploy(chain, deployer)
        contracts = Contracts(chain, deployment)
        with Sender(chain, deployer) as sender:
            sender.send(contracts.credit.faucet(buyer.address, 100 * CREDIT))
        furnish(tmp_path, devnet, contracts, deployment)
        with Serving(devnet.rpc_url, tmp_path, database) as running:
            yield devnet, running, buyer
        chain.close()
