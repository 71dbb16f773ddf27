"""The shipped manifests: whole, consistent with the programs, and within what the catalogue accepts."""

import importlib
import json
from dataclasses import FrozenInstanceError
from hashlib import sha256

import pytest
import rfc8785

from ledger.metering import Terms, gross_units
from orchestrator.mmf.catalogue import is_supply
from orchestrator.models.errors import BadManifest, UnknownModel
from orchestrator.models.manifests import (
    HERE,
    installed,
    manifest_named,
    manifests,
    parse_manifest,
    parse_service,
    service_named,
    services,
)
from orchestrator.models.validation import Finding, findings

MODELS = sorted(path.stem for path in (HERE / "manifests").glob("*.json"))
SERVICES = sorted(path.stem for path in (HERE / "services").glob("*.json"))
RESOURCES = {
    "computing_mcores",
    "bandwidth_mbps",
    "protocol_stack_sessions",
    "rendering_k",
    "storage_mib",
    "spectrum_mhz",
}


def test_what_lies_in_the_folders_is_installed_under_its_own_name() -> None:
    assert sorted(manifests()) == MODELS
    assert sorted(services()) == SERVICES
    assert len(MODELS) == 27
    assert len(SERVICES) == 9


@pytest.mark.parametrize("name", [*MODELS, *SERVICES])
def test_everything_installed_is_faultless(name: str) -> None:
    spec = manifests().get(name) or services()[name]
    assert findings(dict(spec.document)) == []


def test_only_two_models_are_always_running_because_they_are_the_pool_itself() -> None:
    assert [name for name, manifest in manifests().items() if is_supply(manifest)] == ["infrastructure", "platform"]


@pytest.mark.parametrize("name", MODELS)
def test_manifest_names_the_calls_that_its_program_answers(name: str) -> None:
    manifest = manifest_named(name)
    program = importlib.import_module(manifest.program).build()
    assert program.name == name
    assert set(program.calls) == set(manifest.calls)
    assert {meter["name"] for meter in manifest.terms["meters"]} == set(manifest.calls)


@pytest.mark.parametrize("name", MODELS)
def test_manifest_speaks_of_known_resources_and_fits_its_shares(name: str) -> None:
    manifest = manifest_named(name)
    assert {*manifest.supplies, *manifest.consumes, *manifest.per_share} <= RESOURCES
    for resource, supplied in manifest.supplies.items():
        assert manifest.max_shares * manifest.per_share.get(resource, 0) <= supplied


@pytest.mark.parametrize("name", [*MODELS, *SERVICES])
def test_plan_is_within_the_catalogues_bounds(name: str) -> None:
    spec = manifests().get(name) or services()[name]
    plan = spec.plan
    assert (plan.period == 0) == (plan.period_price == 0)
    assert 3600 <= plan.release_window <= 30 * 86400
    assert 1 <= plan.activation_window <= 30 * 86400
    assert plan.qoe_floor == 0 or plan.unit_price > 0
    assert plan.qoe_floor == spec.terms["qoe"]["floor_milli"]


@pytest.mark.parametrize("name", SERVICES)
def test_shares_meet_every_ask_and_name_models_that_the_service_uses(name: str) -> None:
    service = service_named(name)
    assert len(service.shares) <= 8
    assert sum(service.shares.values()) <= 10_000
    for model, bps in service.shares.items():
        assert bps >= manifest_named(model).ask_bps
        assert model in {*service.roles.values(), *service.supply}


@pytest.mark.parametrize("name", SERVICES)
def test_operations_call_what_their_models_have_in_the_meters_unit(name: str) -> None:
    service = service_named(name)
    for operation in service.operations.values():
        manifest = manifest_named(service.roles[operation.model])
        assert service.terms["meters"][operation.meter]["unit"] == manifest.calls[operation.call]


@pytest.mark.parametrize("name", SERVICES)
def test_planned_network_path_keeps_the_papers_latency(name: str) -> None:
    roles = service_named(name).roles.values()
    assert sum(manifest_named(model).latency_ms for model in roles) < 1.5


@pytest.mark.parametrize("name", [*MODELS, *sorted({*SERVICES} - {"ar-beach-guide", "virtual-beach-travel"})])
def test_no_use_is_so_small_that_it_costs_nothing(name: str) -> None:
    spec = manifests().get(name) or services()[name]
    terms = Terms.parse(spec.terms)
    assert all(gross_units(terms, meter, 1, 0) >= 1 for meter in range(len(terms.meters)))


def test_services_share_what_they_can() -> None:
    travel, guide = (set(service_named(name).roles.values()) for name in ("virtual-beach-travel", "ar-beach-guide"))
    assert {"rendering-server", "terahertz-link", "monitoring", "data-management", "device"} <= travel & guide


def test_spec_hash_is_sha256_of_canonical_bytes_and_finds_the_model() -> None:
    manifest = manifest_named("edge-cache")
    document = json.loads((HERE / "manifests" / "edge-cache.json").read_text())
    assert manifest.spec_hash == sha256(rfc8785.dumps(document)).digest()
    assert installed(manifest.spec_hash) is manifest
    assert installed(service_named("ar-beach-guide").spec_hash) is service_named("ar-beach-guide")


def test_unknown_hash_and_name_are_named_errors() -> None:
    with pytest.raises(UnknownModel, match="00000000"):
        installed(bytes(32))
    with pytest.raises(UnknownModel, match="known are"):
        manifest_named("teleporter")


def test_manifest_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        manifest_named("edge-cache").max_shares = 1  # type: ignore[misc]


@pytest.mark.parametrize("field", ["calls", "per_share", "plan", "terms"])
def test_incomplete_manifest_is_refused_by_name(field: str) -> None:
    document = {key: value for key, value in manifest_named("device").document.items() if key != field}
    with pytest.raises(BadManifest, match="device"):
        parse_manifest(document)


def test_service_whose_operation_has_no_role_is_refused() -> None:
    document = json.loads(json.dumps(service_named("ar-beach-guide").document))
    document["operations"]["navigate"]["link"] = "teleport"
    with pytest.raises(BadManifest, match="teleport"):
        parse_service(document)


def test_other_schema_is_refused() -> None:
    with pytest.raises(BadManifest, match="s4m/model/1"):
        parse_manifest(service_named("ar-beach-guide").document)


def broken(name: str, *changes: tuple[str, object]) -> dict[str, Finding]:
    """What is found, by place, in an installed document with these places changed; None takes a field out."""
    document = json.loads(json.dumps((manifests().get(name) or services()[name]).document))
    for place, changed in changes:
        *way, last = place.split(".")
        inner = document
        for step in way:
            inner = inner[int(step)] if isinstance(inner, list) else inner[step]
        if changed is None:
            del inner[last]
        else:
            inner[last] = changed
    return {finding.at: finding for finding in findings(document)}


def test_all_faults_of_shape_are_told_at_once_with_cause_and_remedy() -> None:
    found = broken(
        "device",
        ("kind", "SaaS"), ("memory_mib", 1), ("isolation", [3]), ("consumes", {"magic": 1}), ("calls", None),
        ("plan.releaseWindow", 60),
    )  # fmt: skip
    assert set(found) == {"$", "$.kind", "$.memory_mib", "$.isolation[0]", "$.consumes", "$.plan.releaseWindow"}
    assert "'calls'" in found["$"].cause
    assert "add calls" in found["$"].remedy
    assert "storage_mib" in found["$.consumes"].remedy
    assert "1 hour" in found["$.plan.releaseWindow"].remedy
    assert all(finding.cause and finding.remedy for finding in found.values())


@pytest.mark.parametrize(
    ("name", "changes", "at", "says"),
    [
        ("device", [("terms.meters.0.units_per_1000", -1)], "$.terms.meters[0].units_per_1000", "whole number"),
        ("device", [("terms.meters.0.name", "catch")], "$.terms.meters", "catch"),
        ("device", [("terms.meters.0.unit", "frame")], "$.calls.capture.unit", "frame"),
        ("device", [("plan.period", 60)], "$.plan.period", "period"),
        ("device", [("plan.qoeFloor", 5)], "$.plan.qoeFloor", "floor_milli"),
        ("device", [("table1", ["ar_vr/smell"])], "$.table1", "ar_vr/smell"),
        ("device", [("module", "nowhere")], "$.module", "nowhere"),
        ("device", [("module", "serving")], "$.module", "build"),
        ("device", [("name", "camera")], "$.name", "device"),
        ("rendering-server", [("max_shares", 17)], "$.supplies.rendering_k", "17 shares"),
        ("monitoring", [("supplies", {"storage_mib": 1})], "$.supplies", "TaaS"),
        ("device", [("supplies", {})], "$.supplies", "CaaS"),
        ("beach-game", [("roles.server", "teleporter")], "$.roles.server", "teleporter"),
        ("beach-game", [("scenario", "healthcare")], "$.scenario", "ar_vr"),
        ("beach-game", [("shares.edge-server", 1)], "$.shares.edge-server", "less"),
        ("beach-game", [("shares", {"sensors": 500})], "$.shares.sensors", "does not use"),
        ("beach-game", [("operations.act.call", "jump")], "$.operations.act.call", "jump"),
        ("beach-game", [("operations.act.meter", 0)], "$.operations.act.meter", "meter 0"),
        ("beach-game", [("operations.act.link", "server")], "$.operations.act.link", "no link"),
        ("beach-game", [("operations.act.cache", "fog")], "$.operations.act.cache", "no cache"),
        ("beach-game", [("roles.cloud", "cloud-server")], "$.roles", "1.5"),
        ("beach-game", [("shares.platform", 9000)], "$.shares", "10000"),
    ],
)
def test_faults_that_no_schema_can_say_are_told_where_they_are(
    name: str, changes: list[tuple[str, object]], at: str, says: str
) -> None:
    found = broken(name, *changes)
    told = [finding for place, finding in found.items() if place == at]
    assert told, found
    assert says in told[0].cause + told[0].remedy


@pytest.mark.parametrize("document", [5, [], {}, {"schema": "s4m/model/2"}])
def test_what_is_no_document_at_all_is_one_finding(document: object) -> None:
    (only,) = findings(document)
    assert only.at == "$.schema"
