"""A market on the session's chain and a fresh store for each test."""

from collections.abc import Iterator

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
def store(database: str) -> Iterator[Store]:
    """A fresh store: every test on it runs once on SQLite and once on PostgreSQL."""
    opened = open_store(database)
    yield opened
    opened.close()
