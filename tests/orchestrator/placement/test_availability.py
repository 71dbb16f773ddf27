"""Reliability in placement: the product of all availabilities against what is asked, and what a refusal tells."""

from dataclasses import replace
from itertools import product
from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_greedy import CACHE, RENDER, RENDERING, SERVER, SITE, STORE

from orchestrator.placement import Candidates, RunningInstance, decide
from orchestrator.qoe.reliability import PRIOR_S, availability, told
from orchestrator.requirements import WHOLE, Decision, OfferRequest

ROOMY = replace(SITE, free=SITE.free * 100)
CACHING = replace(
    SERVER, instance_id="edge-cache-1", model="edge-cache", shares=0, room=SITE.free - SITE.free, availability=0.999
)


def asked(reliability: float) -> OfferRequest:
    return OfferRequest(
        subscription_id="1", msi="msi-1", cluster="ar_vr", isolation=0, roles=(RENDER, STORE), reliability=reliability
    )


def seen(renders: list[float], caches: list[float], fresh: tuple[float, float] = (0.99, 0.99)) -> Candidates:
    """Running instances with these availabilities, and what a new one of either model has."""
    servers = tuple(replace(SERVER, instance_id=f"r{n}", availability=one) for n, one in enumerate(renders))
    stores = tuple(replace(CACHING, instance_id=f"c{n}", availability=one) for n, one in enumerate(caches))
    models = {
        RENDERING.name: replace(RENDERING, availability=fresh[0]),
        CACHE.name: replace(CACHE, availability=fresh[1]),
    }
    return Candidates(models=models, instances={RENDERING.name: servers, CACHE.name: stores}, nodes=(ROOMY,))


def chosen(decision: Decision) -> list[str]:
    return [one.instance for one in decision.placements]


def test_a_service_is_as_reliable_as_its_roles_together() -> None:
    decision = decide(asked(0.99), seen([0.999], [0.998]))
    assert chosen(decision) == ["r0", "c0"]
    assert decision.reliability == told(0.999 * 0.998)
    assert [one.availability for one in decision.reasons["rendering"]] == [0.999]


def test_an_instance_that_failed_too_often_is_passed_over_for_one_that_did_not() -> None:
    view = seen([0.95, 0.9999], [0.9999])
    assert chosen(decide(asked(0.9), view)) == ["r0", "c0"]
    strict = decide(asked(0.999), view)
    assert chosen(strict) == ["r1", "c0"]
    lacks = {one.candidate: one.lacks for one in strict.reasons["rendering"]}
    assert [(lack.kind, lack.needed, lack.available) for lack in lacks["r0"]] == [("reliability", 0.999, 0.949905)]


def test_a_new_instance_is_opened_where_no_running_one_is_reliable_enough() -> None:
    strict = decide(asked(0.998), seen([0.95], [0.9999], fresh=(0.9995, 0.9)))
    assert [one.verdict for one in strict.placements] == ["create", "reuse"]
    assert strict.gap == 0.0


def test_what_no_candidates_attain_is_refused_with_what_they_do() -> None:
    refused = decide(asked(0.9999), seen([0.999, 0.95], [0.998]))
    assert not refused.feasible
    assert refused.placements == ()
    lack = refused.needed[WHOLE][0]
    assert (lack.kind, lack.needed, lack.available) == ("reliability", 0.9999, told(0.999 * 0.998))
    assert chosen(decide(asked(float(lack.available)), seen([0.999, 0.95], [0.998]))) == ["r0", "c0"]


availabilities = st.lists(st.floats(0.9, 0.9999), max_size=3)


@given(renders=availabilities, caches=availabilities, fresh=st.tuples(st.floats(0.9, 0.9999), st.floats(0.9, 0.9999)),
       wish=st.floats(0.8, 0.9999), full=st.booleans())  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_it_is_refused_only_where_no_choice_attains_it_and_what_is_told_is_had(
    renders: list[float], caches: list[float], fresh: tuple[float, float], wish: float, full: bool
) -> None:
    view = seen(renders, caches, fresh)
    if full and renders:  # the first renderer takes nobody in
        most = replace(view.instances[RENDERING.name][0], shares=RENDERING.max_shares * RENDERING.max_scale, scale=2)
        view = replace(view, instances={**view.instances, RENDERING.name: (most, *view.instances[RENDERING.name][1:])})
        renders = renders[1:]
    decision = decide(asked(wish), view)
    attainable = max(prod(pair) for pair in product([*renders, fresh[0]], [*caches, fresh[1]]))
    if attainable > wish + 1e-6:
        assert decision.feasible
        assert decision.reliability is not None
        assert attained(decision, view) >= wish - 1e-9
        assert abs(decision.reliability - attained(decision, view)) < 2e-6
    elif attainable < wish - 1e-6:
        assert not decision.feasible
        most_told = decision.needed[WHOLE][0].available
        assert most_told == told(attainable)
        assert decide(asked(float(most_told)), view).feasible


def attained(decision: Decision, view: Candidates) -> float:
    """Recomputed from the placements alone."""
    running: dict[str, RunningInstance] = {one.instance_id: one for some in view.instances.values() for one in some}
    return prod(
        running[one.instance].availability if one.instance in running else view.models[one.model].availability
        for one in decision.placements
    )


def test_a_declaration_counts_as_a_day_of_watching() -> None:
    assert availability(0.999, 0, 0) == pytest.approx(0.999)
    assert availability(0.999, PRIOR_S, 0) == pytest.approx((0.999 + 1) / 2)
    assert availability(0.5, 3 * PRIOR_S, PRIOR_S) == pytest.approx((0.5 + 3) / 5)
    assert availability(0.999, 0, 10) < availability(0.999, 10, 0)
