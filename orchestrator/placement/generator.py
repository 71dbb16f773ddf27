"""Seeded batch problems, like those of data/placement in size and distribution. For tests, tuning and the bench.

The bounds were read off those files; the draws are our own, so no file is reproduced. Per batch: eight kinds of model,
five sites to 50 models and eight to 200, isolation 0/1/2 in 52/33/15, three to five roles a request, demand 1..5 of
each resource, so that the sites together hold about what all requests together ask for.
"""

from random import Random

from orchestrator.placement.problem import Model, Problem, Request, Role, Site

RESOURCES = ("computing", "rendering", "bandwidth", "storage")
KINDS = 8
CLUSTERS = 2
MOST_CANDIDATES = 10
DEGREES = ((0, 1, 2), (0.52, 0.33, 0.15))
PRICE = (1.0, 1.3, 1.6)
"""by degree: what isolation adds to the revenue"""
MEAN_DEMAND, MEAN_ROLES = 3, 4


def generate(requests: int, models: int, seed: int, sites: int | None = None) -> Problem:
    """The problem of this size and seed, always the same."""
    draw = Random(f"placement/{requests}/{models}/{seed}")  # noqa: S311 (not a secret)
    count = sites if sites is not None else (5 if models < 125 else 8)
    stands = tuple(_model(draw, index, models, count, requests) for index in range(models))
    by_kind = {kind: [index for index, model in enumerate(stands) if model.kind == kind] for kind in range(KINDS)}
    asked = MEAN_DEMAND * MEAN_ROLES * requests / count
    spare = 1.2 * models / count
    return Problem(
        resources=RESOURCES,
        sites=tuple(Site(tuple(_site(draw, asked, spare) for _ in RESOURCES)) for _ in range(count)),
        models=stands,
        requests=tuple(_request(draw, {kind: some for kind, some in by_kind.items() if some}) for _ in range(requests)),
    )


def _site(draw: Random, asked: float, spare: float) -> int:
    return int(draw.uniform(0.75, 1.1) * asked + draw.uniform(1, 1.8) * spare)


def _model(draw: Random, index: int, models: int, sites: int, requests: int) -> Model:
    size = max(12.0, 38.4 * requests / models)
    return Model(
        kind=index if index < KINDS else draw.randrange(KINDS),
        site=draw.randrange(sites),
        capacity=tuple(int(size * draw.uniform(0.6, 1.4)) for _ in RESOURCES),
        overhead=tuple(draw.randint(2, 5) for _ in RESOURCES),
        opening_cost=draw.randint(20, 60),
        use_cost=draw.choices((1, 2, 3, 4), (1, 2, 2, 1))[0],
        latency_tenth_ms=draw.randint(1, 8),
        running_in_cluster=tuple(draw.random() < 0.18 for _ in range(CLUSTERS)),
    )


def _request(draw: Random, by_kind: dict[int, list[int]]) -> Request:
    count = min(draw.randint(3, 5), len(by_kind))
    kinds = sorted(draw.sample(sorted(by_kind), count))
    isolation = draw.choices(*DEGREES)[0]
    return Request(
        cluster=draw.randrange(CLUSTERS),
        isolation=isolation,
        revenue=int(count * draw.uniform(18, 40) * PRICE[isolation]),
        max_latency_tenth_ms=int(count * draw.uniform(3.34, 5.5)),
        roles=tuple(_role(draw, kind, by_kind[kind]) for kind in kinds),
    )


def _role(draw: Random, kind: int, models: list[int]) -> Role:
    some = draw.sample(models, min(MOST_CANDIDATES, len(models)))
    return Role(kind, tuple(draw.randint(1, 5) for _ in RESOURCES), tuple(sorted(some)))
