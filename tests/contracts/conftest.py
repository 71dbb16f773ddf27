"""The deployed set on ape's own chain: py-evm, a second EVM beside the anvil that everything else runs on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

UNIT_PRICE = 25_000
PERIOD_PRICE = 1_000_000
PERIOD = 7 * 86_400
RELEASE_WINDOW = 3_600
ACTIVATION_WINDOW = 86_400
ZERO_PERMIT = (0, 0, 0, bytes(32), bytes(32))


@dataclass(frozen=True)
class House:
    """The contracts, the people and one plan."""

    catalog: Any
    market: Any
    assets: Any
    credit: Any
    provider: Any
    buyer: Any
    session: Any
    meter: Any
    plan_id: int


def compact(signature: Any) -> tuple[bytes, bytes]:
    """ERC-2098 form (r, vs) of an ape signature."""
    vs = int.from_bytes(signature.s, "big") | ((signature.v - 27) << 255)
    return bytes(signature.r), vs.to_bytes(32, "big")


@pytest.fixture
def house(project: Any, accounts: Any) -> House:
    provider, buyer, session, meter = (accounts[i] for i in range(4))
    catalog = provider.deploy(project.ModelCatalog)
    credit = provider.deploy(project.MaaSCredit)
    market = provider.deploy(project.MaaSMarket, catalog, credit)
    assets = provider.deploy(project.DigitalAssets, market)
    catalog.register(2, b"spec".ljust(32), "s4m:documents/beach", meter, 500, sender=provider)
    terms = (UNIT_PRICE, PERIOD_PRICE, PERIOD, RELEASE_WINDOW, ACTIVATION_WINDOW, 500, b"terms".ljust(32))
    catalog.publishPlan(1, terms, [], sender=provider)
    credit.faucet(buyer, 10**12, sender=buyer)
    credit.approve(market, 10**12, sender=buyer)
    return House(catalog, market, assets, credit, provider, buyer, session, meter, plan_id=1 << 32 | 1)
