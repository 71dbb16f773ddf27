"""The price of a degree of isolation: one rule from the resource vector, and what manifests may say instead."""

from dataclasses import replace
from fractions import Fraction
from math import ceil
from typing import Any

import pytest

from ledger.metering import Terms, TermsInvalid
from orchestrator.models.manifests import manifest_named, manifests, parse_manifest, parse_service, services
from orchestrator.models.pricing import degree_plans, degrees, factor_bps
from orchestrator.models.validation import findings

EVERYTHING = [*manifests().values(), *services().values()]
SUPPLY = {"infrastructure", "platform"}


def with_prices(prices: dict[str, Any], name: str = "monitoring") -> dict[str, Any]:
    return {**manifest_named(name).document, "isolation_prices": prices}


@pytest.mark.parametrize("spec", EVERYTHING, ids=lambda spec: spec.name)
def test_the_more_a_degree_keeps_from_others_the_more_it_costs(spec: Any) -> None:
    plans = degree_plans(spec)
    assert [plan.degree for plan in plans] == ([0] if spec.name in SUPPLY else [0, 1, 2])
    prices = [plan.plan.unit_price for plan in plans]
    assert prices == sorted(set(prices))
    assert (plans[0].plan, plans[0].terms, plans[0].factor_bps) == (spec.plan, spec.terms, 10_000)
    assert len({plan.terms_hash for plan in plans}) == len(plans)
    assert [Terms.parse(plan.terms).isolation for plan in plans] == [plan.degree for plan in plans]


def test_a_dedicated_renderer_costs_its_whole_own_part_and_a_shared_one_a_sixteenth() -> None:
    """60 mcores a share; of its own 200 and 4,000 K, a 40th of the site each, so as much again as 200 mcores: 16 shares
    bear 25 each, those of one of two clusters 50."""
    renderer = manifest_named("rendering-server")
    assert (renderer.per_share["computing_mcores"], renderer.consumes, renderer.max_shares) == (
        60,
        {"computing_mcores": 200, "rendering_k": 4000},
        16,
    )
    assert factor_bps(renderer, 1, manifests()) == ceil(Fraction(110_0000, 85))
    assert factor_bps(renderer, 2, manifests()) == ceil(Fraction(460_0000, 85))
    assert [plan.plan.unit_price for plan in degree_plans(renderer)] == [50, 65, 271]


@pytest.mark.parametrize("service", services().values(), ids=lambda service: service.name)
@pytest.mark.parametrize("degree", [1, 2])
def test_a_services_factor_is_its_components_by_their_shares_so_that_each_gets_its_part(
    service: Any, degree: int
) -> None:
    known = manifests()
    parts = sum(bps * factor_bps(known[name], degree, known) for name, bps in service.shares.items())
    mean = (parts + (10_000 - sum(service.shares.values())) * 10_000) / 10_000
    assert factor_bps(service, degree, known) == pytest.approx(mean, abs=1)


def test_fewer_sharers_make_company_dearer_and_one_alone_pays_for_itself_already() -> None:
    renderer = manifest_named("rendering-server")
    few, alone = replace(renderer, max_shares=4), replace(renderer, max_shares=1)
    assert factor_bps(few, 2, manifests()) < factor_bps(renderer, 2, manifests())
    assert factor_bps(alone, 1, manifests()) == factor_bps(alone, 2, manifests()) == 10_000


def test_what_a_manifest_names_stands_instead_of_the_rule() -> None:
    document = with_prices({"2": {"unitPrice": "77", "periodPrice": "0"}})
    assert findings(document) == []
    rule, named = degree_plans(manifest_named("monitoring")), degree_plans(parse_manifest(document))
    assert named[2].plan.unit_price == 77
    assert named[1].plan == rule[1].plan


def test_degrees_that_a_program_does_not_support_are_not_sold_alone_nor_in_a_service() -> None:
    known = {**manifests(), "device": replace(manifest_named("device"), isolation=(0, 2))}
    assert degrees(known["device"], known) == (0, 2)
    assert degrees(services()["ar-beach-guide"], known) == (0, 2)


def test_a_program_that_cannot_keep_tenants_apart_is_sold_dedicated_only_at_that_price() -> None:
    alone = replace(manifest_named("monitoring"), isolation=(2,))
    (plan,) = degree_plans(alone)
    assert (plan.degree, plan.plan.unit_price) == (2, degree_plans(manifest_named("monitoring"))[2].plan.unit_price)


@pytest.mark.parametrize(
    ("document", "place"),
    [
        (with_prices({"3": {"unitPrice": "1", "periodPrice": "0"}}), "$.isolation_prices"),
        (with_prices({"1": {"unitPrice": "1.5", "periodPrice": "0"}}), "$.isolation_prices['1'].unitPrice"),
        (with_prices({"1": {"unitPrice": "1", "periodPrice": "9"}}), "$.isolation_prices.1.periodPrice"),
        (with_prices({"1": {"unitPrice": "1", "periodPrice": "0"}}, "platform"), "$.isolation_prices.1"),
        (
            {
                **manifest_named("monitoring").document,
                "terms": {**manifest_named("monitoring").document["terms"], "isolation": 2},
            },
            "$.terms.isolation",
        ),
    ],
)
def test_prices_that_cannot_be_are_named_before_publishing(document: dict[str, Any], place: str) -> None:
    assert [one.at for one in findings(document)] == [place]


def test_terms_name_a_degree_or_none_and_nothing_else() -> None:
    terms = dict(services()["ar-beach-guide"].terms)
    assert Terms.parse(terms).isolation == 0
    for wrong in (3, -1, "two", 1.0, True, None):
        with pytest.raises(TermsInvalid, match="isolation"):
            Terms.parse({**terms, "isolation": wrong})


def test_a_services_own_prices_are_read_too() -> None:
    beach = services()["virtual-beach-travel"]
    named = parse_service({**beach.document, "isolation_prices": {"1": {"unitPrice": "60", "periodPrice": "5"}}})
    assert (degree_plans(named)[1].plan.unit_price, degree_plans(named)[1].plan.period_price) == (60, 5)
