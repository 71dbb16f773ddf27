"""Step I: which requests become which requirements, and how the others are refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import MalformedDocument
from orchestrator.explanation import feasible_if
from orchestrator.models.manifests import manifests, services
from orchestrator.models.table1 import scenarios
from orchestrator.msmf import BadRequest, translate
from orchestrator.msmf.translation import SCHEMAS, migrated
from orchestrator.qoe import allocate_attention, bpsk_bit_error, meta_immersion
from orchestrator.requirements import TranslationRequest
from orchestrator.resources import Isolation
from orchestrator.vmof.immersion import FloorOutOfReach
from orchestrator.vmof.sub_instances import UnknownModel, sub_instances

BEACH = services()["virtual-beach-travel"]
WHOLE: dict[str, Any] = {
    "schema": "s4m/request/1",
    "scenario": "virtual_travelling",
    "service": "virtual-beach-travel",
    "users": 1,
    "isolation": 1,
    "access": "site-1",
    "qoe": {"immersion_floor": 0.5, "rate_mbps": 500, "latency_ms": 1.5, "reliability": 0.999},
    "objects": [{"object": 12, "attention": 5}],
}


def asked(
    document: dict[str, Any], spec: dict[str, Any] | None = None, sold: Isolation | None = None
) -> TranslationRequest:
    """A request to a plan that sells the very degree that is asked for, or another."""
    wanted = document.get("isolation", 0)
    sold = Isolation(wanted if wanted in (0, 1, 2) else 0) if sold is None else sold
    return TranslationRequest(
        subscription_id="1",
        plan_id="1",
        document=document,
        spec=dict(BEACH.document) if spec is None else spec,
        isolation_sold=sold,
        isolation_plans={"0": "7", "1": "8"},
    )


def test_a_request_becomes_requirements_with_the_roles_of_the_service() -> None:
    wanted = translate(asked(WHOLE))
    assert (wanted.service, wanted.service_type, wanted.isolation) == (BEACH.name, "ar_vr", Isolation.CLUSTER)
    assert (wanted.qoe.rate_mbps, wanted.access) == (500, "site-1")
    assert wanted.objects[0].attention == 5
    assert wanted.roles == BEACH.roles


@pytest.mark.parametrize(("scenario", "service_type"), sorted(scenarios().items()))
def test_every_scenario_of_table_1_can_be_asked_for(scenario: str, service_type: str) -> None:
    sold = [service for service in services().values() if service.scenario == scenario]
    assert sold
    for service in sold:
        document = {"schema": "s4m/request/1", "service": service.name, "scenario": scenario, "qoe": {"rate_mbps": 250}}
        wanted = translate(asked(document, dict(service.document)))
        assert (wanted.service_type, wanted.scenario) == (service_type, scenario)
        request = sub_instances(wanted, "msi-1", manifests())
        assert all(role.latency_ms >= manifests()[role.model].latency_ms for role in request.roles)
        with pytest.raises(MalformedDocument, match="plan"):
            translate(asked({**document, "scenario": "moon"}, dict(service.document)))


def test_a_short_request_gets_the_defaults() -> None:
    wanted = translate(asked({"schema": "s4m/request/1", "service": "virtual-beach-travel"}))
    assert (wanted.users, wanted.isolation, wanted.qoe.latency_ms) == (1, Isolation.SHARED, 1.5)


def test_a_single_model_fills_one_role() -> None:
    spec = dict(manifests()["monitoring"].document)
    wanted = translate(asked({"schema": "s4m/request/1", "service": "monitoring"}, spec))
    assert wanted.roles == {"model": "monitoring"}


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"schema": "s4m/request/3"}, "$.schema"),
        ({"users": 0}, "$.users"),
        ({"isolation": 3}, "$.isolation"),
        ({"qoe": {"latency_ms": 0}}, "$.qoe.latency_ms"),
        ({"objects": [{"object": 56, "attention": 1}]}, "$.objects[0].object"),
        ({"extra": 1}, "$"),
    ],
)
def test_a_malformed_request_is_refused_naming_the_place(change: dict[str, Any], place: str) -> None:
    with pytest.raises(MalformedDocument) as refused:
        translate(asked({**WHOLE, **change}))
    assert refused.value.code == "malformed_request"
    assert refused.value.details["at"] == place
    assert refused.value.status == 422


def test_a_request_for_another_service_than_was_bought_is_refused() -> None:
    with pytest.raises(MalformedDocument) as refused:
        translate(asked({**WHOLE, "service": "ar-beach-guide"}))
    assert refused.value.code == "service_mismatch"


@pytest.mark.parametrize(
    ("degree", "remedy"), [(1, "Buy plan 8, which sells degree 1"), (2, "No plan of it sells degree 2")]
)
def test_a_request_for_another_isolation_than_was_bought_is_refused_naming_the_right_plan(
    degree: int, remedy: str
) -> None:
    with pytest.raises(MalformedDocument, match=remedy) as refused:
        translate(asked({**WHOLE, "isolation": degree}, sold=Isolation.SHARED))
    assert refused.value.code == "isolation_mismatch"
    assert (refused.value.details["asked"], refused.value.details["sold"]) == (degree, 0)


def test_a_request_below_the_isolation_that_was_bought_is_refused_too() -> None:
    with pytest.raises(MalformedDocument, match="plan 1 sells degree 2"):
        translate(asked({**WHOLE, "isolation": 0}, sold=Isolation.DEDICATED))


def test_a_spec_that_is_none_is_refused() -> None:
    with pytest.raises(MalformedDocument) as refused:
        translate(asked(WHOLE, {"schema": "s4m/service/1", "name": "virtual-beach-travel"}))
    assert refused.value.code == "malformed_spec"


def test_sub_instances_share_out_latency_and_scale_the_link_by_the_rate() -> None:
    wanted = translate(asked({**WHOLE, "users": 2}))
    request = sub_instances(wanted, "msi-1", manifests())
    roles = {role.role: role for role in request.roles}
    assert sum(role.latency_ms for role in roles.values()) == pytest.approx(1.5)
    assert roles["link"].resources.amounts() == {
        "bandwidth_mbps": 1000,
        "spectrum_mhz": 400,
        "computing_mcores": 10,
    }
    assert roles["rendering"].resources.rendering_k == 500


def test_a_role_whose_model_is_not_installed_is_refused_by_name() -> None:
    wanted = translate(asked(WHOLE))
    with pytest.raises(UnknownModel, match="edge-cache"):
        sub_instances(wanted, "msi-1", {name: one for name, one in manifests().items() if name != "edge-cache"})


EXAMPLES = sorted((Path(__file__).parents[3] / "orchestrator" / "msmf" / "examples").glob("*.json"))
SECOND = {"schema": "s4m/request/2"}
TWIN: dict[str, Any] = {"schema": "s4m/request/2", "service": "predictive-maintenance", "scenario": "industry_4_0"}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_example_of_each_scenario_is_understood_whole(path: Path) -> None:
    document = json.loads(path.read_text())
    wanted = translate(asked(document, dict(services()[document["service"]].document)))
    assert wanted.scenario == document["scenario"] == path.stem.replace("-", "_")
    heard = wanted.to_json()
    assert {name: heard["qoe"][name] for name in document["qoe"]} == document["qoe"]
    assert heard["things"] == document.get("things", [])
    assert heard["objects"] == document.get("objects", [])
    request = sub_instances(wanted, "msi-1", manifests())
    assert all(role.latency_ms >= manifests()[role.model].latency_ms for role in request.roles)


def test_there_is_an_example_for_every_scenario_of_table_1() -> None:
    assert {path.stem.replace("-", "_") for path in EXAMPLES} == set(scenarios())


def twin(**changes: Any) -> dict[str, int]:
    """Role → computing of one share of the twin, asked for like this."""
    spec = dict(services()["predictive-maintenance"].document)
    request = sub_instances(translate(asked({**TWIN, **changes}, spec)), "msi-1", manifests())
    return {role.role: role.resources.computing_mcores for role in request.roles}


def test_what_a_twin_is_asked_for_costs_computing_where_the_work_is_done() -> None:
    plain = twin()
    assert twin(things=["lathe"], qoe={"update_rate_hz": 10}) == plain
    often = twin(things=["lathe", "mill"], qoe={"update_rate_hz": 25})
    assert {role: often[role] // plain[role] for role in ("sensors", "twin", "protocol")} == {
        "sensors": 6,
        "twin": 6,
        "protocol": 6,
    }
    assert {role: often[role] for role in ("forecast", "knowledge", "slice")} == {
        role: plain[role] for role in ("forecast", "knowledge", "slice")
    }
    assert twin(qoe={"fidelity_floor": 0.99})["twin"] == 12 * 20
    assert twin(qoe={"fidelity_floor": 0.1})["twin"] == plain["twin"]


@pytest.mark.parametrize(
    ("spec", "document", "place"),
    [
        ("predictive-maintenance", {**TWIN, "qoe": {"immersion_floor": 1}}, "$.qoe.immersion_floor"),
        ("predictive-maintenance", {**TWIN, "objects": [{"object": 1, "attention": 1}]}, "$.objects"),
        ("virtual-beach-travel", {**WHOLE, "schema": "s4m/request/2", "things": ["lathe"]}, "$.things"),
        (
            "virtual-beach-travel",
            {**WHOLE, "schema": "s4m/request/2", "qoe": {"fidelity_floor": 0.5}},
            "$.qoe.fidelity_floor",
        ),
        ("predictive-maintenance", {**TWIN, "qoe": {"fidelity_floor": 1}}, "$.qoe.fidelity_floor"),
        ("predictive-maintenance", {**TWIN, "qoe": {"update_rate_hz": 0}}, "$.qoe.update_rate_hz"),
        ("predictive-maintenance", {**TWIN, "things": ["a", "a"]}, "$.things"),
        ("virtual-beach-travel", {**WHOLE, "things": []}, "$"),
    ],
)
def test_what_the_other_service_type_promises_is_refused_by_its_place(
    spec: str, document: dict[str, Any], place: str
) -> None:
    with pytest.raises(BadRequest) as refused:
        translate(asked(document, dict(services()[spec].document)))
    assert refused.value.details["at"] == place


def test_a_request_of_version_1_means_the_same_in_version_2() -> None:
    assert translate(asked(WHOLE)) == translate(asked(migrated(WHOLE)))
    schemas = [json.loads(path.read_text()) for path in SCHEMAS.values()]
    assert WHOLE.keys() == schemas[0]["properties"].keys()
    assert WHOLE["qoe"].keys() == schemas[0]["properties"]["qoe"]["properties"].keys()
    odd = {**TWIN, "schema": "s4m/request/1", "objects": [{"object": 1, "attention": 1}]}
    assert translate(asked(odd, dict(services()["predictive-maintenance"].document))).objects


def rendering(floor: float, rate_mbps: int, objects: list[dict[str, int]]) -> int:
    """K of rendering of one user of the beach, who asks for this."""
    qoe = {"immersion_floor": floor, "rate_mbps": rate_mbps}
    wanted = translate(asked({**WHOLE, "qoe": qoe, "objects": objects}))
    roles = {role.role: role.resources for role in sub_instances(wanted, "msi-1", manifests()).roles}
    return roles["rendering"].rendering_k


def reached(floor_k: int, rate_mbps: int, attention: list[float]) -> float:
    """Meta-Immersion that so many K render at that rate, shared out as the gateway does."""
    shares = allocate_attention(attention, floor_k)
    return float(meta_immersion(rate_mbps * 1e6, bpsk_bit_error(1000.0), attention, shares))


def test_the_immersion_floor_is_rendered_for_at_the_rate_that_is_asked_for() -> None:
    assert rendering(0, 100, []) == rendering(0.3, 100, []) == 250, "what a share has by itself is enough"
    for floor, rate_mbps in ((0.5, 100), (1.5, 100), (1.5, 250), (3.9, 250)):
        least = rendering(floor, rate_mbps, [])
        assert reached(least, rate_mbps, [1.0] * 56) >= floor
        if least > 250:
            assert reached(least - 20, rate_mbps, [1.0] * 56) < floor
    assert rendering(1.5, 100, []) > rendering(1.5, 250, []) > 250
    loved = [{"object": number, "attention": 5} for number in range(20)]
    assert rendering(6.0, 250, loved) < rendering(6.0, 230, loved)


def test_a_floor_that_no_rendering_reaches_is_refused_and_what_is_told_is_enough() -> None:
    objects = [{"object": 12, "attention": 5}]
    with pytest.raises(FloorOutOfReach) as refused:
        rendering(0.4, 100, objects)
    needed = refused.value.details["needed"]
    lack = needed["rendering"][0]
    assert (lack["kind"], lack["needed"]) == ("immersion", 0.4)
    assert rendering(lack["available"], 100, objects) == 250
    lower, faster = feasible_if({"needed": needed}, {"qoe": {"rate_mbps": 100}})
    assert lower == f"ask for an immersion floor of at most {lack['available']:g} instead of 0.4"
    assert rendering(0.4, int(faster.split()[-2]), objects) == 250


def test_a_floor_is_refused_where_nothing_renders() -> None:
    document = {"schema": "s4m/request/1", "service": "monitoring", "qoe": {"immersion_floor": 0.1}}
    wanted = translate(asked(document, dict(manifests()["monitoring"].document)))
    with pytest.raises(FloorOutOfReach, match="renders nothing") as refused:
        sub_instances(wanted, "msi-1", manifests())
    assert feasible_if({"needed": refused.value.details["needed"]}, None) == [
        "leave immersion_floor out: nothing of the service renders"
    ]
