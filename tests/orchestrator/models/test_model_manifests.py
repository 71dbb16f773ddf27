"""The shipped manifests: whole, consistent with the programs, and within what the catalogue accepts."""

import importlib
import json
from dataclasses import FrozenInstanceError
from hashlib import sha256

import pytest
import rfc8785

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

MODELS = sorted(path.stem for path in (HERE / "manifests").glob("*.json"))
SERVICES = ["ar-beach-guide", "virtual-beach-travel"]
RESOURCES = {
    "computing_mcores",
    "bandwidth_mbps",
    "protocol_stack_sessions",
    "rendering_k",
    "storage_mib",
    "spectrum_mhz",
}


def test_ten_models_and_the_two_services_of_the_case_are_installed() -> None:
    assert len(manifests()) == 10
    assert sorted(services()) == SERVICES


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
