"""Step I: which requests become which requirements, and how the others are refused."""

from typing import Any

import pytest

from orchestrator.errors import MalformedDocument
from orchestrator.models.manifests import manifests, services
from orchestrator.models.table1 import scenarios
from orchestrator.msmf import translate
from orchestrator.requirements import TranslationRequest
from orchestrator.resources import Isolation
from orchestrator.vmof.sub_instances import UnknownModel, sub_instances

BEACH = services()["virtual-beach-travel"]
WHOLE: dict[str, Any] = {
    "schema": "s4m/request/1",
    "scenario": "virtual_travelling",
    "service": "virtual-beach-travel",
    "users": 1,
    "isolation": 1,
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
    assert wanted.qoe.rate_mbps == 500
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
        ({"schema": "s4m/request/2"}, "$.schema"),
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
        "protocol_stack_sessions": 2,
        "computing_mcores": 10,
    }
    assert roles["rendering"].resources.rendering_k == 500


def test_a_role_whose_model_is_not_installed_is_refused_by_name() -> None:
    wanted = translate(asked(WHOLE))
    with pytest.raises(UnknownModel, match="edge-cache"):
        sub_instances(wanted, "msi-1", {name: one for name, one in manifests().items() if name != "edge-cache"})
