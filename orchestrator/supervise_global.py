"""Runs the global controller on the live house: what the clusters hold, read from the rows; its designs, to MMF.

Called by app's loop once an epoch, where S4M_DESIGN_EPOCH_S is set. Decided with values (`orchestrator.controllers`),
acted at the edge: one reservation a cluster, made and renewed through MMF's routes. Forecasts are trained in a thread
of their own. It starts no model ahead and changes no grant.
"""

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

import sqlalchemy as sa
import structlog

from orchestrator.controllers.environment import Blueprint, Demand, Design, GlobalController
from orchestrator.controllers.forecast import Forecaster, History, Version, fit
from orchestrator.errors import OrchestratorError
from orchestrator.instances.msis import shares
from orchestrator.instances.states import ShareState
from orchestrator.instances.tables import INSTANCES
from orchestrator.requirements import FunctionCall, ServiceType
from orchestrator.resources import RESOURCES, ResourceVector
from orchestrator.resources.pool import ALLOCATIONS, NODES
from orchestrator.store import Store

CLUSTERS: tuple[str, ...] = get_args(ServiceType)
EPOCHS_KEPT = 2
"""a reservation outlives its epoch by one, so that a late look leaves no gap"""

log = structlog.get_logger("supervise")


class GlobalSupervisor:
    """Observes, asks the global controller, has its designs reserved."""

    def __init__(self, store: Store, mmf: FunctionCall, epoch_s: float, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._mmf = mmf
        self._epoch_s = epoch_s
        self._clock = clock
        self._controller = GlobalController({cluster: Blueprint({}) for cluster in CLUSTERS}, epoch_s)
        self._training: threading.Thread | None = None
        self._trained: queue.SimpleQueue[tuple[Forecaster, Version]] = queue.SimpleQueue()
        self.designs: tuple[Design, ...] = ()
        """the newest"""

    def look(self) -> None:
        """One epoch: observe, design, reserve, train what is due."""
        now = self._clock()
        while not self._trained.empty():
            forecaster, version = self._trained.get()
            forecaster.adopt(version)
        with self._store.reader.connect() as rows:
            demands = observe(rows)
        sites = self._mmf.get("/pool")["sites"]
        held = {one["reservation"]: one for one in self._mmf.get("/reservations")["reservations"]}
        room = sum((ResourceVector.of(site["capacity"]) for site in sites), ResourceVector())
        self.designs = self._controller.design(demands, room, now)
        for design in self.designs:
            wanted = reservation(design, demands[design.cluster], sites, held, int(now + EPOCHS_KEPT * self._epoch_s))
            if wanted is not None:
                self._reserve(wanted, now)
        self._train(self._controller.due())

    def _reserve(self, wanted: dict[str, Any], now: float) -> None:
        """What was taken by somebody else meanwhile is tried again in the next epoch."""
        try:
            self._mmf.post("/reservations", wanted, idempotency_key=f"{wanted['reservation']}:{now:.3f}")
            log.info("design.reserved", **wanted)
        except OrchestratorError as cause:
            log.warning("design.not_reserved", code=cause.code, error=str(cause), **wanted)

    def _train(self, due: Sequence[Forecaster]) -> None:
        """On copies of what was observed; adopted at the next look."""
        if not due or (self._training is not None and self._training.is_alive()):
            return
        histories = [(one, one.history()) for one in due]
        self._training = threading.Thread(target=self._fit, args=(histories,), name="forecasts", daemon=True)
        self._training.start()

    def _fit(self, histories: Sequence[tuple[Forecaster, History]]) -> None:
        for forecaster, history in histories:
            self._trained.put((forecaster, fit(history, forecaster.horizons, forecaster.seed)))


def observe(rows: sa.Connection) -> dict[str, Demand]:
    """What each cluster's shares and instances hold of the sites, and how many shares run."""
    running = [share for share in shares(rows) if share.state is ShareState.RUNNING]
    counts = {name: sum(share.requirements.service_type == name for share in running) for name in CLUSTERS}
    sums = [sa.func.sum(ALLOCATIONS.c[name]) for name in RESOURCES]
    query = (
        sa.select(INSTANCES.c.cluster, *sums)
        .join(ALLOCATIONS, ALLOCATIONS.c.instance_id == INSTANCES.c.instance_id)
        .join(NODES, (NODES.c.node_id == ALLOCATIONS.c.node_id) & (NODES.c.kind == "site"))
        .group_by(INSTANCES.c.cluster)
    )
    on_sites = {row[0]: ResourceVector(*(int(amount) for amount in row[1:])) for row in rows.execute(query)}
    nothing = ResourceVector()
    return {name: Demand(counts[name], on_sites.get(name, nothing), on_sites.get(name, nothing)) for name in CLUSTERS}


def reservation(
    design: Design,
    demand: Demand,
    sites: Sequence[Mapping[str, Any]],
    held: Mapping[str, Mapping[str, Any]],
    until: int,
) -> dict[str, Any] | None:
    """The reservation that makes of what the cluster holds what the design wants it to hold; None for nothing.

    It stands at one site: where it stood, else where most computing is free. What is allocated beside it counts, what
    is drawn of it stays; more than the site has free it never asks for.
    """
    name = f"design:{design.cluster}"
    before = held.get(name)
    drawn = ResourceVector.of(before["drawn"]) if before else ResourceVector()
    kept = ResourceVector.of(before["amounts"]) if before else ResourceVector()
    site = next((one for one in sites if before and one["node"] == before["node"]), None) or max(
        sites, key=_free_mcores
    )
    beside = demand.granted.most(drawn) - drawn
    wanted = (design.reserve.most(beside) - beside).least(_free(site) + kept).most(drawn)
    if not wanted:
        return None
    return {
        "reservation": name,
        "node": site["node"],
        "cluster": design.cluster,
        "amounts": wanted.amounts(),
        "until": until,
    }


def _free(site: Mapping[str, Any]) -> ResourceVector:
    capacity, used, reserved = (ResourceVector.of(site[name]) for name in ("capacity", "used", "reserved"))
    return capacity - used - reserved


def _free_mcores(site: Mapping[str, Any]) -> int:
    return _free(site).computing_mcores
