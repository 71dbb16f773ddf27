"""Every CaaS model, by what it supplies: offered at a site that has none of it, drawn on, paid for, withdrawn."""

import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from function_house import House, build, running_loop, tear_down
from memory_runtime import MemoryRuntime

from orchestrator.mmf.catalogue import supplies
from orchestrator.models.manifests import Manifest, manifests
from orchestrator.resources import RESOURCES, ResourceVector
from orchestrator.resources.topology import Link, Site, Topology

SITES = {resource: f"without-{resource.replace('_', '-')}" for resource in RESOURCES}
PLENTY = ResourceVector(*(1_000_000 for _ in RESOURCES))
SUPPLYING = [
    (model.name, resource) for model in manifests().values() if model.kind == "CaaS" for resource in model.supplies
]
NUMBERS = count(1)
NEAR = {"latency_ms": 0.45}
"""Of every model that is bought here, no site but the one at which its user enters is near enough."""


def lacking(resource: str) -> ResourceVector:
    return ResourceVector(**{**PLENTY.all_amounts(), resource: 0})


@pytest.fixture(scope="module")
def coast(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A site for each resource, with plenty of everything but that, far from each other."""
    sites = (Site("harbour"), *(Site(name, lacking(resource)) for resource, name in SITES.items()))
    links = tuple(Link("harbour", name, 500) for name in SITES.values())
    home = tmp_path_factory.mktemp("coast")
    topology = Topology("coast", "harbour", sites, links)
    with running_loop() as loop:
        house = build(home, loop.loop, manifests(), topology=topology, runtime=MemoryRuntime(home))
        yield house
        tear_down(house, loop)


def draws(model: Manifest, resource: str) -> bool:
    """Whether a model's instances or shares take it of their site, and not of what the instance itself supplies."""
    return resource in model.consumes or (resource in model.per_share and resource not in supplies(model).amounts())


def site_of(house: House, resource: str) -> dict[str, Any]:
    return next(one for one in house.mmf.get("/pool")["sites"] if one["node"] == SITES[resource])


def test_every_model_that_supplies_is_a_caas_and_every_caas_supplies() -> None:
    assert {name for name, _ in SUPPLYING} == {model.name for model in manifests().values() if model.kind == "CaaS"}
    assert {resource for _, resource in SUPPLYING} == set(RESOURCES)
    assert not [model.name for model in manifests().values() if model.kind == "TaaS" and model.supplies]


@pytest.mark.parametrize(("name", "resource"), SUPPLYING)
def test_what_a_model_supplies_is_drawn_on_paid_for_and_withdrawn(coast: House, name: str, resource: str) -> None:
    model, number = manifests()[name], next(NUMBERS)
    offer = {
        "offer": f"{number:064x}",
        "modelId": f"{number}",
        "specHash": model.spec_hash.hex(),
        "owner": "0x00000000000000000000000000000000000000A1",
        "site": SITES[resource],
        "amounts": {resource: model.supplies[resource]},
        "prices": {resource: "1000000000000"},
        "payCap": str(10**20),
        "until": int(time.time()) + 3600,
        "nonce": f"{number}",
    }
    coast.mmf.post("/supplies", offer, f"offer:{number}")
    assert site_of(coast, resource)["capacity"][resource] == model.supplies[resource]

    bought = next(each.name for each in manifests().values() if draws(each, resource))
    share = coast.instantiate(number, bought, access=SITES[resource], qoe=NEAR)
    assert [one["node"] for one in share["models"]] == [SITES[resource]]
    assert 0 < site_of(coast, resource)["used"][resource] <= model.supplies[resource]
    time.sleep(0.01)  # what is used is paid by the millisecond
    coast.release(number)
    stated = next(one for one in coast.mmf.get("/supplies")["supplies"] if one["offer"] == offer["offer"])
    assert int(stated["earned"]) > 0

    withdrawal = {"modelId": f"{number}", "owner": offer["owner"], "nonce": f"{1000 + number}"}
    answer = coast.mmf.post(f"/supplies/{offer['offer']}/withdrawal", withdrawal, f"withdraw:{number}")
    assert answer["offer"]["state"] == "ended"
    assert resource not in site_of(coast, resource)["capacity"]
