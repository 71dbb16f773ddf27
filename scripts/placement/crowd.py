"""1,000 running services of 200 models over germany50, as `decide` sees them: the load of `admission_p99_ms`.

Users enter at any of the fifty sites; services have three to five roles and isolation 0/1/2 in 70/20/10; models are
popular by Zipf's law. Sites and links have what a published topology's have (orchestrator/resources/topology.py), so
that most of the computing is taken once all services run. Each is put where `decide` puts it, and takes what MMF would
allocate: so the crowd is one that admission itself could have made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random

from orchestrator.placement import Candidates, LinkRoom, ModelOption, NodeRoom, RunningInstance, decide
from orchestrator.placement.greedy import flow
from orchestrator.requirements import Decision, OfferRequest, Placement, RoleRequirement, ServiceType
from orchestrator.resources import Isolation, ResourceVector
from orchestrator.resources.topology import load_topology

TOPOLOGY = "germany50"
CLUSTERS: tuple[ServiceType, ...] = ("ar_vr", "digital_twin")
DEGREES = (Isolation.SHARED, Isolation.CLUSTER, Isolation.DEDICATED)
ROLE_LATENCY_MS = (0.5, 6.0)
"""What a role may take, model and way together: from the nearest sites to half of the country."""
MOST_TRIES = 3
"""Requests for each service that is to run; a pool that refuses more than two of three is too small for the load."""


class Crowd:
    """The pool full of running services, and more requests of the same kind."""

    def __init__(self, services: int, models: int, seed: int) -> None:
        self._draw = Random(f"crowd/{services}/{models}/{seed}")
        self._topology = load_topology(TOPOLOGY)
        self._sites = [site.name for site in self._topology.sites]
        self._free = {site.name: site.capacity for site in self._topology.sites}
        self._free |= {link.link_id: link.capacity for link in self._topology.links}
        self._models = {model.name: model for model in map(self._model, range(models))}
        self._popular = [1 / (rank + 3) for rank in range(models)]
        self._running: dict[str, dict[str, RunningInstance]] = {name: {} for name in self._models}
        self._fill(services)

    @property
    def instances(self) -> int:
        """How many run."""
        return sum(map(len, self._running.values()))

    def view(self, request: OfferRequest) -> Candidates:
        """What MMF would show `decide` for this request: its models, their instances, the sites from its access."""
        wanted = {role.model for role in request.roles}
        return Candidates(
            models={name: self._models[name] for name in wanted},
            instances={name: tuple(self._running[name].values()) for name in wanted},
            nodes=tuple(
                NodeRoom(site, self._free[site], way.latency_ms, tuple(self._link(link) for link in way.links))
                for site, way in self._topology.paths(request.access).items()
            ),
        )

    def requests(self, count: int) -> Iterator[OfferRequest]:
        """Requests that come next."""
        for number in range(count):
            yield self._request(10**6 + number)

    def _fill(self, services: int) -> None:
        served = 0
        for number in range(MOST_TRIES * services):
            request = self._request(number)
            decision = decide(request, self.view(request), seed=request.subscription_id)
            if decision.feasible:
                self._take(request, decision)
                served += 1
            if served == services:
                return
        raise ValueError(f"only {served} of {services} services fit into {TOPOLOGY}; ask for fewer")

    def _link(self, name: str) -> LinkRoom:
        return LinkRoom(name, self._free[name])

    def _model(self, number: int) -> ModelOption:
        draw = self._draw
        return ModelOption(
            name=f"model-{number}",
            consumes=ResourceVector(computing_mcores=draw.randint(50, 250), storage_mib=draw.randint(16, 64)),
            supplies=ResourceVector(rendering_k=4000) if number % 4 == 0 else ResourceVector(),
            max_shares=draw.choice((8, 16, 32)),
            isolation=frozenset(Isolation),
            latency_ms=round(draw.uniform(0.1, 0.4), 2),
        )

    def _request(self, number: int) -> OfferRequest:
        draw = self._draw
        chosen: list[ModelOption] = []
        names, roles = list(self._models), draw.randint(3, 5)
        while len(chosen) < roles:
            model = self._models[draw.choices(names, self._popular)[0]]
            if model not in chosen:
                chosen.append(model)
        return OfferRequest(
            subscription_id=str(number),
            msi=f"msi-{number}",
            cluster=draw.choice(CLUSTERS),
            isolation=draw.choices(DEGREES, (70, 20, 10))[0],
            roles=tuple(self._role(place, model) for place, model in enumerate(chosen)),
            access=draw.choice(self._sites),
        )

    def _role(self, place: int, model: ModelOption) -> RoleRequirement:
        draw = self._draw
        resources = ResourceVector(
            computing_mcores=draw.randint(5, 60),
            bandwidth_mbps=draw.choice((0, 100, 250)),
            rendering_k=100 if model.supplies else 0,
        )
        latency = round(draw.uniform(*ROLE_LATENCY_MS), 2)
        return RoleRequirement(role=f"role-{place}", model=model.name, resources=resources, latency_ms=latency)

    def _take(self, request: OfferRequest, decision: Decision) -> None:
        """What MMF allocates for it: of instances, their sites and the links of the way."""
        ways = self._topology.paths(request.access)
        for role, placement in zip(request.roles, decision.placements, strict=True):
            model = self._models[role.model]
            own = role.resources.only(model.supplies)
            self._running[model.name][placement.instance] = self._joined(request, placement, own)
            taken = role.resources - own
            if placement.verdict != "reuse":
                taken += model.consumes
            self._free[placement.node] -= taken
            for link in ways[placement.node].links:
                self._free[link] -= flow(role.resources)

    def _joined(self, request: OfferRequest, placement: Placement, own: ResourceVector) -> RunningInstance:
        """The instance with one share more, at the scale that this takes."""
        model = self._models[placement.model]
        if placement.verdict != "create":
            one = self._running[model.name][placement.instance]
            grown = placement.verdict == "modify"
            room = one.room - own + (model.supplies if grown else ResourceVector())
            return replace(one, shares=one.shares + 1, scale=one.scale + grown, room=room)
        return RunningInstance(
            instance_id=placement.instance,
            model=model.name,
            node=placement.node,
            running=True,
            isolation=request.isolation,
            cluster=request.cluster,
            msi=request.msi if request.isolation is Isolation.DEDICATED else "",
            scale=1,
            shares=1,
            room=model.supplies - own,
        )
