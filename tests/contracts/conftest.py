"""The deployed set on ape's own chain: py-evm, a second EVM beside the anvil that everything else runs on.

Deployed once a session; ape takes the chain back to it after each test.
"""

from __future__ import annotations

from typing import Any

import pytest
from house import COMPOSITE, FUNDS, SHARE_BPS, SPEC, TAAS, House, terms


@pytest.fixture(scope="session")
def house(project: Any, accounts: Any, chain: Any) -> House:
    provider, buyer, session, meter, component_owner, stranger = accounts
    catalog = provider.deploy(project.ModelCatalog)
    credit = provider.deploy(project.MaaSCredit)
    market = provider.deploy(project.MaaSMarket, catalog, credit)
    assets = provider.deploy(project.DigitalAssets, market)
    identity = provider.deploy(project.IdentityRegistry, "localhost")
    catalog.register(TAAS, SPEC, "s4m:documents/sea", meter, 0, sender=component_owner)
    catalog.setAsk(1, SHARE_BPS, sender=component_owner)
    catalog.register(COMPOSITE, SPEC, "s4m:documents/beach", meter, 500, sender=provider)
    catalog.publishPlan(2, terms(), [], sender=provider)
    catalog.publishPlan(2, terms(period_price=0, period=0), [], sender=provider)
    catalog.publishPlan(2, terms(period_price=0, period=0), [(1, SHARE_BPS)], sender=provider)
    credit.faucet(buyer, FUNDS, sender=buyer)
    credit.approve(market, FUNDS, sender=buyer)
    return House(
        chain=chain,
        catalog=catalog,
        market=market,
        assets=assets,
        identity=identity,
        credit=credit,
        provider=provider,
        buyer=buyer,
        session=session,
        meter=meter,
        component_owner=component_owner,
        stranger=stranger,
        component=1,
        composite=2,
        plan=2 << 32 | 1,
        unit_plan=2 << 32 | 2,
        shared_plan=2 << 32 | 3,
    )
