"""Table I against what is installed: every name, resource and scenario of the paper can be bought here."""

from pathlib import Path

import pytest

from orchestrator.models.manifests import manifests, services
from orchestrator.models.table1 import entries, rows, scenarios
from orchestrator.resources.vector import RESOURCES


def test_the_table_has_its_five_rows() -> None:
    assert [row.id for row in rows()] == [
        "digital_twin/synchronization_fidelity",
        "digital_twin/service_quality",
        "ar_vr/rendering_experience",
        "ar_vr/ultra_low_latency",
        "ar_vr/high_data_rates",
    ]


@pytest.mark.parametrize("entry", sorted(entries()))
def test_every_model_of_the_table_is_served_by_an_installed_one(entry: str) -> None:
    assert any(entry in manifest.table1 for manifest in manifests().values())


@pytest.mark.parametrize("name", sorted(manifests()))
def test_a_manifest_names_entries_that_the_table_has(name: str) -> None:
    manifest = manifests()[name]
    assert manifest.table1
    assert set(manifest.table1) <= entries()


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.id)
def test_a_rows_resources_are_known_supplied_and_consumed(row: object) -> None:
    wanted = set(next(each for each in rows() if each is row).resources)
    assert wanted <= set(RESOURCES)
    assert wanted <= {resource for manifest in manifests().values() for resource in manifest.supplies}
    assert wanted <= {name for manifest in manifests().values() for name in (*manifest.consumes, *manifest.per_share)}


@pytest.mark.parametrize(("scenario", "service_type"), sorted(scenarios().items()))
def test_every_scenario_has_a_service_of_its_type(scenario: str, service_type: str) -> None:
    found = [service for service in services().values() if service.scenario == scenario]
    assert found
    assert {service.service_type for service in found} == {service_type}


def test_there_are_eight_scenarios_and_no_service_of_another() -> None:
    assert len(scenarios()) == 8
    assert {service.scenario for service in services().values()} == set(scenarios())


def test_every_installed_model_is_part_of_a_service() -> None:
    used = {model for service in services().values() for model in (*service.roles.values(), *service.supply)}
    assert used == set(manifests())


def test_the_page_of_the_catalogue_names_every_model_and_service() -> None:
    page = (Path(__file__).parents[3] / "docs" / "catalogue.md").read_text()
    assert all(f"`{name}`" in page for name in (*manifests(), *services()))


def test_caas_of_the_table_are_caas_here_and_taas_are_taas() -> None:
    for row in rows():
        for names, kind in ((row.caas, "CaaS"), (row.taas, "TaaS")):
            for name in names:
                kinds = {one.kind for one in manifests().values() if f"{row.id}/{name}" in one.table1}
                assert kind in kinds
