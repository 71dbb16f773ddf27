"""The city's pool: the rows of `orchestrator.resources` in a database in memory, filled by `orchestrator.placement`.

What the house does through MMF's workflows happens here by the same functions, one after the other: place a share
(`greedy`), allocate, reserve, free. One MSI cluster (`ar_vr`) of two models; their instances need time to start.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from orchestrator.placement import Candidates, ModelOption, NodeRoom, RunningInstance, greedy
from orchestrator.requirements import OfferRequest, RoleRequirement, ServiceType
from orchestrator.resources import Isolation, ResourceVector
from orchestrator.resources.physical import establish
from orchestrator.resources.pool import METADATA, Allocation, Node, allocate, free_allocations, nodes, supply
from orchestrator.resources.reservations import reservations, reserve
from orchestrator.resources.topology import load_topology

CLUSTER: ServiceType = "ar_vr"
LATENCY_MS = 1.5
"""Table I's bound, for the way and the model together"""
REUSED_S = 0.1
"""until a share of models that run already is served (measured of the sandbox)"""
SHARE = ResourceVector(computing_mcores=20)
MODELS = {
    name: ModelOption(name, consumes, ResourceVector(), shares, frozenset(Isolation), 0.3, max_scale=1)
    for name, consumes, shares in (
        ("rendering_server", ResourceVector(computing_mcores=200), 8),
        ("edge_cache", ResourceVector(computing_mcores=100), 16),
    )
}
COMPUTING_PER_K = 2
"""mcores of a site for each K of rendering"""


@dataclass(slots=True)
class Instance:
    """A model instance of the city."""

    model: str
    node: str
    ready_s: float
    shares: int = 0


@dataclass(frozen=True, slots=True)
class Admitted:
    """A share that was placed: its instances, and the second from which it is served."""

    instances: tuple[str, ...]
    served_s: float


class CityPool:
    """Sites with rendering capacity, the instances on them, and what is reserved."""

    def __init__(self, topology: str, rendering_k: int, starting_s: int) -> None:
        self._rows = sa.create_engine("sqlite://").connect()
        self._starting_s = starting_s
        self._topology = load_topology(topology)
        self._ways = self._topology.paths()
        METADATA.create_all(self._rows)
        establish(self._rows, self._topology)
        near = [site.name for site in self._topology.sites if self._ways[site.name].latency_ms < LATENCY_MS]
        self._sites = sorted(near, key=lambda name: (self._ways[name].latency_ms, name))
        for place, site in enumerate(self._sites):
            part = rendering_k // len(self._sites) + (place < rendering_k % len(self._sites))
            amounts = ResourceVector(rendering_k=part, computing_mcores=COMPUTING_PER_K * part)
            supply(self._rows, f"city/{site}", site, amounts)
        self.instances: dict[str, Instance] = {}

    def close(self) -> None:
        """Forget it all."""
        engine = self._rows.engine
        self._rows.close()
        engine.dispose()

    def admit(self, share: str, now_s: float) -> Admitted | None:
        """Place a share; None where the pool has no room for it."""
        roles = tuple(RoleRequirement(role=name, model=name, resources=SHARE, latency_ms=LATENCY_MS) for name in MODELS)
        request = OfferRequest(
            subscription_id=share, msi=CLUSTER, cluster=CLUSTER, isolation=Isolation.SHARED, roles=roles
        )
        decision = greedy(request, self._candidates(), seed=share)
        if not decision.feasible:
            return None
        for one in decision.placements:
            if one.verdict == "create":
                self._start(one.instance, one.model, one.node, now_s)
            self.instances[one.instance].shares += 1
        wanted = [
            Allocation(f"{share}/{one.role}", one.node, one.instance, SHARE, share) for one in decision.placements
        ]
        allocate(self._rows, wanted, CLUSTER, int(now_s))
        placed = tuple(one.instance for one in decision.placements)
        ready_s = max(self.instances[name].ready_s for name in placed)
        return Admitted(placed, max(ready_s, now_s + REUSED_S))

    def leave(self, share: str, admitted: Admitted) -> None:
        """The share's resources are free again; instances go when `keep` next looks."""
        free_allocations(self._rows, [f"{share}/{name}" for name in MODELS])
        for name in admitted.instances:
            self.instances[name].shares -= 1

    def keep(self, models: dict[str, int], now_s: float) -> None:
        """Have so many instances of each model running as far as there is room; end idle ones above that."""
        for model, count in models.items():
            mine = {name: one for name, one in self.instances.items() if one.model == model}
            idle = [name for name, one in mine.items() if one.shares == 0]
            for name in idle[: max(len(mine) - count, 0)]:
                free_allocations(self._rows, [f"{name}/self"])
                del self.instances[name]
            for number in range(count - len(mine)):
                site = self._roomiest(MODELS[model].consumes + SHARE)
                if site is not None:
                    self._start(f"{model}-ahead-{now_s:.0f}-{number}", model, site, now_s)

    def render(self, wanted_k: int, now_s: float) -> int:
        """Have so many K for the cluster, as far as there is room, nearest sites first; answers how many it has."""
        left, rooms = wanted_k, self._room(now_s)
        free_allocations(self._rows, [part for site in rooms for part in self._parts_of(f"rendering@{site}")])
        for site, room in rooms.items():
            part = ResourceVector(rendering_k=min(left, room))
            allocate(self._rows, [Allocation(f"rendering@{site}", site, CLUSTER, part)], CLUSTER, int(now_s))
            left -= part.rendering_k
        return wanted_k - left

    def reserve(self, rendering_k: int, until_s: float, now_s: float) -> None:
        """Reserve rendering for the cluster, nearest sites first; what is drawn of a reservation stays in it."""
        known = {one.node_id: one for one in reservations(self._rows)}
        left = rendering_k
        for node in self._nodes():
            before = known.get(node.node_id)
            drawn = before.drawn.rendering_k if before else 0
            most = drawn + node.free.rendering_k + (before.left.rendering_k if before else 0)
            part = max(min(left, most), drawn)
            left = max(left - part, 0)
            reserve(
                self._rows, f"{CLUSTER}@{node.node_id}", node.node_id, CLUSTER, ResourceVector(rendering_k=part),
                int(until_s) + 1, int(now_s),
            )  # fmt: skip

    @property
    def reserved_k(self) -> int:
        """K reserved for the cluster, drawn or not."""
        return sum(one.amounts.rendering_k for one in reservations(self._rows))

    @property
    def capacity(self) -> ResourceVector:
        """Of all sites together."""
        return sum((node.capacity for node in self._nodes()), ResourceVector())

    def _nodes(self) -> list[Node]:
        """The sites near enough, nearest first."""
        known = {node.node_id: node for node in nodes(self._rows, "site")}
        return [known[name] for name in self._sites]

    def _room(self, now_s: float) -> dict[str, int]:
        """Site → K that the cluster's rendering may have there, with what it has."""
        kept = {one.node_id: one.left.rendering_k for one in reservations(self._rows) if one.until > now_s}
        return {
            node.node_id: node.free.rendering_k + node.used.rendering_k + kept.get(node.node_id, 0)
            for node in self._nodes()
        }

    def _parts_of(self, name: str) -> list[str]:
        """An allocation's rows: its own, and the one drawn from its site's reservation."""
        return [name, f"{name}@{CLUSTER}@{name.removeprefix('rendering@')}"]

    def _roomiest(self, needed: ResourceVector) -> str | None:
        fitting = [node for node in self._nodes() if needed.fits(node.free)]
        return max(fitting, key=lambda node: node.free.computing_mcores).node_id if fitting else None

    def _start(self, name: str, model: str, site: str, now_s: float) -> None:
        allocate(self._rows, [Allocation(f"{name}/self", site, name, MODELS[model].consumes)], CLUSTER, int(now_s))
        self.instances[name] = Instance(model, site, now_s + self._starting_s)

    def _candidates(self) -> Candidates:
        rooms = tuple(NodeRoom(node.node_id, node.free, self._ways[node.node_id].latency_ms) for node in self._nodes())
        running: dict[str, list[RunningInstance]] = {name: [] for name in MODELS}
        for name, one in sorted(self.instances.items(), key=lambda item: item[1].ready_s):
            running[one.model].append(
                RunningInstance(
                    name, one.model, one.node, True, Isolation.SHARED, CLUSTER, "", 1, one.shares, ResourceVector()
                )
            )
        return Candidates(MODELS, {name: tuple(some) for name, some in running.items()}, rooms)
