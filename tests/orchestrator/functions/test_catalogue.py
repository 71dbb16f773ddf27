"""Every service of the catalogue, for all scenarios of Table I, side by side on one site and through all functions."""

from typing import Any

from function_house import House

from orchestrator.models.manifests import manifest_named, services
from orchestrator.models.table1 import scenarios
from orchestrator.runtime import unix_http
from orchestrator.runtime.port import RunState

POOL = {"infrastructure", "platform"}


def running(house: House) -> list[str]:
    """Programs that run, by module."""
    return sorted(one.program.rpartition(".")[2] for one in house.runtime.observe() if one.state is RunState.RUNNING)


def health_of(share: dict[str, Any], role: str) -> dict[str, Any]:
    told: dict[str, Any] = unix_http.ask(share["sockets"][role], "GET", "/health").json()
    return told


def test_one_of_each_service_runs_side_by_side_and_nothing_runs_idle(house: House) -> None:
    assert running(house) == sorted(POOL)
    shares = {
        name: house.instantiate(number, name, scenario=service.scenario, qoe={"rate_mbps": 100})
        for number, (name, service) in enumerate(sorted(services().items()), start=1)
    }
    assert {services()[name].scenario for name in shares} == set(scenarios())
    for name, share in shares.items():
        assert {model["role"]: model["model"] for model in share["models"]} == services()[name].roles
        assert share["cluster"] == services()[name].service_type
        for role, model in services()[name].roles.items():
            assert health_of(share, role)["program"] == model
    used = {model["instance"] for share in shares.values() for model in share["models"]}
    assert len(running(house)) == len(used) + len(POOL)
    models = {model["model"] for share in shares.values() for model in share["models"]}
    assert models == {model for service in services().values() for model in service.roles.values()}
    for number in range(1, len(shares) + 1):
        house.release(number)
    assert running(house) == sorted(POOL)


def test_a_server_is_granted_what_it_supplies_and_a_share_its_part(house: House) -> None:
    share = house.instantiate(1, "product-twin", qoe={"rate_mbps": 250})
    server = manifest_named("cloud-server")
    granted = health_of(share, "cloud")["grant"]
    assert granted == {
        "computing_mcores": server.supplies["computing_mcores"],
        "storage_mib": server.supplies["storage_mib"],
    }
    allocated = sum(
        manifest_named(model).per_share.get("computing_mcores", 0)
        for model in services()["product-twin"].roles.values()
    )
    spare = server.supplies["computing_mcores"] - server.per_share["computing_mcores"]
    assert share["grant"]["computing_mcores"] == allocated + spare  # it is alone on the server
    assert health_of(share, "slice")["grant"]["bandwidth_mbps"] == 250
    assert share["grant"]["storage_mib"] == server.per_share["storage_mib"]
    dedicated = house.instantiate(2, "product-twin", isolation=2)
    assert {one["instance"] for one in dedicated["models"]}.isdisjoint({one["instance"] for one in share["models"]})
