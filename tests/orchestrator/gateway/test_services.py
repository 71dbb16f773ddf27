"""Every operation of every composite service, once through the gateway: sandboxed models, metered, billed, checked."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from gateway_house import NEVER, OBJECTS, GatewayHouse

from marketplace.wallet.use import Agreement, UsageSession
from orchestrator.models.manifests import ServiceSpec, manifests, services
from orchestrator.resources import RESOURCES
from orchestrator.runtime.port import InstanceSpec
from tests.model_examples import EXAMPLES

GRANT = {**dict.fromkeys(RESOURCES, 4000), "rendering_k": 100, "storage_mib": 16, "protocol_stack_sessions": 16}
ROLES = {model for service in services().values() for model in service.roles.values()}


@pytest.fixture(scope="module")
def sockets(house: GatewayHouse) -> Iterator[dict[str, str]]:
    """Model → the socket of an instance of it, which all services share."""

    def started(name: str) -> tuple[str, str]:
        model = manifests()[name]
        spec = InstanceSpec(f"of-services-{name}", model.program, GRANT, model.memory_mib)
        return name, str(house.runtime.ensure(spec).socket)

    with ThreadPoolExecutor(4) as threads:
        yield dict(threads.map(started, sorted(ROLES)))
    for name in ROLES:
        house.runtime.delete(f"of-services-{name}")


async def opened(house: GatewayHouse, service: ServiceSpec, sockets: dict[str, str]) -> UsageSession:
    """Bought by the service's own plan and terms, served by its own operations."""
    bought = house.buy(periods=1 if service.plan.period else 0, plan_id=house.publish(service.plan, service.terms))
    operations = service.operations_document()
    await house.put_route(
        bought,
        service=service.name,
        terms=dict(service.terms),
        operations=operations,
        sockets={role: sockets[model] for role, model in service.roles.items()},
        grant=GRANT,
    )
    agreement = Agreement.read(house.contracts, bought.id, service.terms, operations=operations, objects=OBJECTS)
    session = await UsageSession.open(house.url, agreement, bought.session, habit=NEVER)
    house.sessions.append(session)
    return session


def asked(model: str, call: str, *, immersion: bool) -> dict[str, Any]:
    if immersion:
        return {"objects": [4, 9], "budget_k": 20}
    return next(params for name, params in EXAMPLES[model] if name == call)


@pytest.mark.parametrize("name", sorted(services()))
async def test_each_operation_of_a_service_is_answered_metered_and_billed(
    house: GatewayHouse, sockets: dict[str, str], name: str
) -> None:
    service = services()[name]
    session = await opened(house, service, sockets)
    for operation, what in service.operations.items():
        params = asked(service.roles[what.model], what.call, immersion=what.immersion)
        use = await session.use(operation, params)
        meter = service.terms["meters"][what.meter]
        assert use.body, operation
        assert (use.record.meter, use.record.quantity > 0) == (what.meter, True), operation
        assert use.record.units == use.record.quantity * meter["units_per_1000"] // 1000, operation
        assert (use.provenance is not None) == what.provenance, operation
        assert (use.record.immersion > 0) == what.immersion, operation
        assert ("rate_bps" in use.info) == (what.link is not None), operation
    await session.close()
    assert session.receipts.signed_size == len(service.operations)
