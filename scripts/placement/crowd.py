"""1,000 running services of 200 models as greedy admission sees them: the load of `admission_p99_ms`.

Services have three to five roles and isolation 0/1/2 in 70/20/10; models are popular by Zipf's law, so the most used
ones have dozens of instances. Shares are put where they fit, as admission itself would.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from random import Random

from orchestrator.placement import Candidates, ModelOption, NodeRoom, RunningInstance
from orchestrator.requirements import OfferRequest, RoleRequirement, ServiceType
from orchestrator.resources import Isolation, ResourceVector

CLUSTERS: tuple[ServiceType, ...] = ("ar_vr", "digital_twin")
NODES = 17  # as many sites as nobel-germany has
DEGREES = (Isolation.SHARED, Isolation.CLUSTER, Isolation.DEDICATED)
PLENTY = ResourceVector(10**7, 10**7, 10**7, 10**7, 10**7, 10**7)


class Crowd:
    """A view of the pool full of running services, and more requests of the same kind."""

    def __init__(self, services: int, models: int, seed: int) -> None:
        self._draw = Random(f"crowd/{services}/{models}/{seed}")
        self._models = [self._model(number) for number in range(models)]
        self._popular = [1 / (rank + 3) for rank in range(models)]
        self._running: dict[str, list[RunningInstance]] = defaultdict(list)
        for number in range(services):
            request = self._request(number)
            for role in request.roles:
                self._join(request, role)

    def view(self) -> Candidates:
        """The whole pool as one consistent view."""
        nodes = tuple(NodeRoom(f"site-{n}", PLENTY, 0.02 * n) for n in range(NODES))
        return Candidates(
            models={model.name: model for model in self._models},
            instances={name: tuple(some) for name, some in self._running.items()},
            nodes=nodes,
        )

    def requests(self, count: int) -> Iterator[OfferRequest]:
        """Requests that come next."""
        for number in range(count):
            yield self._request(10**6 + number)

    def _model(self, number: int) -> ModelOption:
        draw = self._draw
        supplies = ResourceVector(rendering_k=4000) if number % 4 == 0 else ResourceVector()
        return ModelOption(
            name=f"model-{number}",
            consumes=ResourceVector(computing_mcores=draw.randint(50, 300), storage_mib=draw.randint(16, 64)),
            supplies=supplies,
            max_shares=draw.choice((8, 16, 32)),
            isolation=frozenset(Isolation),
            latency_ms=round(draw.uniform(0.1, 0.4), 2),
        )

    def _request(self, number: int) -> OfferRequest:
        draw = self._draw
        chosen: list[ModelOption] = []
        while len(chosen) < draw.randint(3, 5):
            model = draw.choices(self._models, self._popular)[0]
            if model not in chosen:
                chosen.append(model)
        roles = tuple(
            RoleRequirement(
                role=f"role-{position}",
                model=model.name,
                resources=ResourceVector(
                    computing_mcores=draw.randint(5, 60), rendering_k=100 if model.supplies else 0
                ),
                latency_ms=1.0,
            )
            for position, model in enumerate(chosen)
        )
        isolation = draw.choices(DEGREES, (70, 20, 10))[0]
        cluster = draw.choice(CLUSTERS)
        return OfferRequest(
            subscription_id=str(number), msi=f"msi-{number}", cluster=cluster, isolation=isolation, roles=roles
        )

    def _join(self, request: OfferRequest, role: RoleRequirement) -> None:
        model = next(one for one in self._models if one.name == role.model)
        some, dedicated = self._running[role.model], request.isolation is Isolation.DEDICATED
        for place, one in enumerate(some):
            alike = one.isolation is request.isolation and one.cluster == request.cluster
            if alike and not dedicated and one.shares < model.max_shares:
                room = one.room - role.resources.only(model.supplies)
                some[place] = replace(one, shares=one.shares + 1, room=room)
                return
        some.append(
            RunningInstance(
                instance_id=f"{role.model}-{len(some):04}",
                model=role.model,
                node=f"site-{self._draw.randrange(NODES)}",
                running=True,
                isolation=request.isolation,
                cluster=request.cluster,
                msi=request.msi if dedicated else "",
                scale=1,
                shares=1,
                room=model.supplies - role.resources.only(model.supplies),
            )
        )
