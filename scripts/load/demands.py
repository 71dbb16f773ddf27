"""What is asked for in `admission_full_p99_ms`: 200 models, the composites made of them, mixed requests for both.

Every third request is for a composite of six or seven roles, the others for a single model; isolation 0/1/2 goes 70 to
20 to 10; users enter at any site of germany50. Most take a way through half the country, one in twenty asks for less
latency than any model has and must be refused. While the running services are made, dedicated ones are single models:
a hundred composites of their own would be six hundred sandboxes more. Pure, the same for a seed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count as numbers
from itertools import cycle, islice
from random import Random
from typing import Any

from orchestrator.models.manifests import (
    Document,
    Manifest,
    ServiceSpec,
    manifests,
    parse_manifest,
    parse_service,
    services,
)
from orchestrator.resources.topology import load_topology

TOPOLOGY = "germany50"
DEGREES, WEIGHTS = (0, 1, 2), (70, 20, 10)
WIDE_MS, IMPOSSIBLE_MS = 40.0, 0.01
EVERY_COMPOSITE, EVERY_IMPOSSIBLE = 3, 20


@dataclass(frozen=True)
class Demand:
    """One purchase to be: the spec that is bought, what its request document adds to that, where its user enters."""

    spec: Document
    request: Mapping[str, Any]
    access: str = ""


def variants(count: int) -> dict[str, Manifest]:
    """`count` models: the installed ones that are no part of the pool, over and over under further names."""
    every = manifests().values()
    parts = {one.name: one for one in every if one.kind == "CaaS" and one.supplies and not one.consumes}
    rest = [one for one in every if one.name not in parts]
    named = (
        {**one.document, "name": f"{one.name}-{number // len(rest)}"}
        for number, one in enumerate(islice(cycle(rest), count - len(parts)))
    )
    return {**parts, **{document["name"]: parse_manifest(document) for document in named}}


def composites(models: Mapping[str, Manifest]) -> dict[str, ServiceSpec]:
    """The installed services, over and over, made of the variants of one generation each."""
    made: dict[str, ServiceSpec] = {}
    for generation in numbers():
        of_these = {
            f"{service.name}-{generation}": {role: f"{model}-{generation}" for role, model in service.roles.items()}
            for service in services().values()
        }
        whole = {name: roles for name, roles in of_these.items() if set(roles.values()) <= set(models)}
        if not whole:
            return made
        for name, roles in whole.items():
            document = services()[name.rpartition("-")[0]].document
            made[name] = parse_service({**document, "name": name, "roles": roles})
    raise AssertionError


def demands(models: Mapping[str, Manifest], seed: int, *, running: bool) -> Iterator[Demand]:
    """Without end: such as make the `running` services, or such as come to them."""
    draw = Random(f"demands/{seed}/{running}")
    sites = [site.name for site in load_topology(TOPOLOGY).sites]
    single = [one.document for one in models.values() if one.consumes or one.per_share]
    composed = [one.document for one in composites(models).values()]
    for number in numbers():
        degree = draw.choices(DEGREES, WEIGHTS)[0]
        is_composite = number % EVERY_COMPOSITE == 0 and not (running and degree == 2)
        latency = IMPOSSIBLE_MS if number % EVERY_IMPOSSIBLE == 1 and not running else WIDE_MS
        spec = draw.choice(composed if is_composite else single)
        yield Demand(spec, {"isolation": degree, "qoe": {"latency_ms": latency}}, draw.choice(sites))
