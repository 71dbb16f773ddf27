"""A market on the session's chain and a fresh store for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from core_market import Market

from ledger.deployment import Deployment
from ledger.devnet import Devnet
from ledger.values import PlanId
from orchestrator.store import Store, open_store


@pytest.fixture(scope="session")
def market(devnet: Devnet, deployment: Deployment) -> Iterator[Market]:
    made = Market.on(devnet, deployment)
    yield made
    made.close()


@pytest.fixture(scope="session")
def plan(market: Market) -> PlanId:
    return market.register()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 'db' / 'engine.db'}")
    yield opened
    opened.close()
