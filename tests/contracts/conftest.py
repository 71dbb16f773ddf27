"""The deployed set on ape's own chain: py-evm, a second EVM beside the anvil that everything else runs on.

Deployed once a session; ape takes the chain back to it after each test.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from house import COMPOSITE, FUNDS, SHARE_BPS, SPEC, TAAS, House, terms


@pytest.fixture(scope="session")
def compiled(project: Any) -> Any:
    """The project, compiled whole after any edit: ape 0.8 leaves those contracts alone that inherit an edited one."""
    sources = [*sorted((project.path / "contracts").rglob("*.sol")), project.path / "ape-config.yaml"]
    digest = sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    mark = project.path / ".build" / "ape-sources.sha256"
    if not mark.exists() or mark.read_text() != digest:
        project.load_contracts(use_cache=False)
        mark.write_text(digest)
    return project


@pytest.fixture(scope="session")
def house(compiled: Any, accounts: Any, chain: Any) -> House:
    provider, buyer, session, meter, component_owner, stranger = accounts
    catalog = provider.deploy(compiled.ModelCatalog)
    credit = provider.deploy(compiled.MaaSCredit)
    market = provider.deploy(compiled.MaaSMarket, catalog, credit)
    assets = provider.deploy(compiled.DigitalAssets, market)
    identity = provider.deploy(compiled.IdentityRegistry, "localhost")
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
