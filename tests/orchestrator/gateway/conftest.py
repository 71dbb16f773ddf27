"""A house around the gateway: real chain, real sandboxed models, the real gateway process; one per test session."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from gateway_house import GatewayHouse

from ledger.contracts import Contracts
from ledger.devnet import Devnet
from ledger.keys import WalletKey


@pytest.fixture(scope="session")
def house(
    tmp_path_factory: pytest.TempPathFactory,
    devnet: Devnet,
    contracts: Contracts,
    sender_of: object,
    funded_wallet: object,
    deployer: WalletKey,
) -> Iterator[GatewayHouse]:
    made = GatewayHouse(
        tmp_path_factory.mktemp("h"),
        devnet,
        contracts,
        sender_of,
        funded_wallet,
        deployer,  # type: ignore[arg-type]
    )
    made.start()
    yield made
    made.stop()


@pytest.fixture
async def operators(house: GatewayHouse) -> AsyncIterator[httpx.AsyncClient]:
    """The orchestrator's hand at the gateway."""
    client = house.component("orchestrator")
    yield client
    await client.aclose()


@pytest.fixture
def record_file(tmp_path: Path) -> Path:
    return tmp_path / "use.jsonl"


@pytest.fixture(autouse=True)
async def hung_up(house: GatewayHouse) -> AsyncIterator[None]:
    """Closes the sessions that a failing test left open."""
    yield
    while house.sessions:
        await house.sessions.pop().close(sign=False)
    await asyncio.sleep(0)
