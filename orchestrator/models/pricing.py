"""What isolation costs: for each degree that a model or service supports, a plan of its own at a price by one rule.

An instance takes its own part of the pool (`consumes`) and a part for each share (`per_share`). Whoever keeps others
out bears what they would have borne. Per share, as a part of the reference site:

    degree 0    per_share + consumes / max_shares                     all of an instance's shares bear its own part
    degree 1    per_share + consumes / (max_shares / clusters)        only those of one cluster do
    degree 2    per_share + consumes                                  one share bears all of it

A degree's factor is its cost over degree 0's, in basis points, rounded up; prices are multiplied by it and rounded up.
A composite's factor is the mean of its components' by their shares of the revenue, its own part at factor 1. What a
manifest names in `isolation_prices` stands instead. Pure; the catalogue is published from it (s4m/reference.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil

from orchestrator.models.manifests import Document, Manifest, Plan, ServiceSpec, manifests, spec_hash_of
from orchestrator.models.table1 import scenarios

BASIS_POINTS = 10_000
DEGREES = (0, 1, 2)


@dataclass(frozen=True)
class DegreePlan:
    """One degree's version of a plan. Degree 0 is the document's own, so that its hash stays what it was."""

    degree: int
    factor_bps: int
    plan: Plan
    terms: Document

    @property
    def terms_hash(self) -> bytes:
        return spec_hash_of(self.terms)


def degree_plans(spec: Manifest | ServiceSpec, models: Mapping[str, Manifest] | None = None) -> tuple[DegreePlan, ...]:
    """The plans to publish, degree 0 first. A part of the pool has one: it is everybody's."""
    known = manifests() if models is None else models
    return tuple(_plan(spec, degree, known) for degree in degrees(spec, known))


def degrees(spec: Manifest | ServiceSpec, models: Mapping[str, Manifest]) -> tuple[int, ...]:
    """What is sold: of a model, the degrees it supports; of a service, those that all its roles' models support."""
    if isinstance(spec, ServiceSpec):
        parts = [models[name] for name in spec.roles.values()]
        return tuple(degree for degree in DEGREES if all(degree in part.isolation for part in parts))
    return tuple(degree for degree in DEGREES if degree in spec.isolation and (degree == 0 or _own_part(spec)))


def factor_bps(spec: Manifest | ServiceSpec, degree: int, models: Mapping[str, Manifest]) -> int:
    """How many times degree 0's price, in basis points."""
    return ceil(BASIS_POINTS * _factor(spec, degree, models))


def _factor(spec: Manifest | ServiceSpec, degree: int, models: Mapping[str, Manifest]) -> Fraction:
    if isinstance(spec, ServiceSpec):
        parts = sum((bps * _factor(models[name], degree, models) for name, bps in spec.shares.items()), Fraction(0))
        return (parts + BASIS_POINTS - sum(spec.shares.values())) / BASIS_POINTS
    shared = _cost(spec, 0, models)
    return _cost(spec, degree, models) / shared if shared else Fraction(1)


def _cost(model: Manifest, degree: int, models: Mapping[str, Manifest]) -> Fraction:
    """Of the reference site, per share. Each service type has its cluster: among as many are the shares divided."""
    clusters = len(set(scenarios().values()))
    bearers = {0: Fraction(model.max_shares), 1: max(Fraction(model.max_shares, clusters), Fraction(1)), 2: Fraction(1)}
    part = {name: amount for name, amount in model.per_share.items() if name not in model.supplies}
    return _of_site(part, models) + _of_site(model.consumes, models) / bearers[degree]


def _of_site(amounts: Mapping[str, int], models: Mapping[str, Manifest]) -> Fraction:
    """Each resource as a part of what one site has of it, summed. A share's part of its instance's own supply is none:
    it is made of what the instance consumes."""
    site: dict[str, int] = {}
    for model in models.values():
        if not _own_part(model):
            site |= {name: site.get(name, 0) + amount for name, amount in model.supplies.items()}
    return sum((Fraction(amount, site[name]) for name, amount in amounts.items() if name in site), Fraction(0))


def _own_part(model: Manifest) -> bool:
    """Whether an instance takes anything of the pool; one that takes nothing is a part of the pool."""
    return bool(model.consumes or model.per_share)


def _plan(spec: Manifest | ServiceSpec, degree: int, models: Mapping[str, Manifest]) -> DegreePlan:
    factor = factor_bps(spec, degree, models)
    if degree == 0:
        return DegreePlan(0, factor, spec.plan, spec.terms)
    named = spec.document.get("isolation_prices", {}).get(str(degree))
    unit, period = (
        (int(named["unitPrice"]), int(named["periodPrice"]))
        if named
        else (_times(spec.plan.unit_price, factor), _times(spec.plan.period_price, factor))
    )
    plan = replace(spec.plan, unit_price=unit, period_price=period)
    return DegreePlan(degree, factor, plan, {**spec.terms, "isolation": degree})


def _times(price: int, factor: int) -> int:
    return ceil(Fraction(price * factor, BASIS_POINTS))
