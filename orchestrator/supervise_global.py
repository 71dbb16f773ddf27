"""Runs the global controller on the live house: what the clusters demanded, read from the rows; its designs, to MMF.

Called by app's loop, where S4M_DESIGN_EPOCH_S is set. Decided with values (`orchestrator.controllers`), acted at the
edge, through MMF's routes: one reservation a cluster, models started ahead, rendering servers scaled to what local
controllers report. Forecasts are trained in a thread of their own. It changes no grant.
"""

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Any

import sqlalchemy as sa
import structlog

from orchestrator.controllers.environment import Demand, Design, GlobalController
from orchestrator.controllers.forecast import Forecaster, History, Version, fit
from orchestrator.controllers.growth import Need, Server, scales
from orchestrator.controllers.values import AskMore, Report
from orchestrator.demands import observe, recall
from orchestrator.errors import OrchestratorError
from orchestrator.instances.models import instances_named
from orchestrator.models.manifests import Manifest
from orchestrator.requirements import FunctionCall
from orchestrator.resources import ResourceVector
from orchestrator.resources.pool import capacity_of
from orchestrator.store import Store

EPOCHS_KEPT = 2
"""what a design reserves and starts outlives its epoch by one, so that a late look leaves no gap"""
EPOCHS_RECALLED = 288
"""after a start, from the purchases of which there are rows"""

log = structlog.get_logger("supervise")


class GlobalSupervisor:
    """Observes and hears, asks the global controller, has its designs carried out."""

    def __init__(
        self,
        store: Store,
        mmf: FunctionCall,
        models: Mapping[str, Manifest],
        epoch_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._mmf = mmf
        self._models = models
        self._epoch_s = epoch_s
        self._clock = clock
        self._controller = GlobalController(self._seats, epoch_s)
        self._training: threading.Thread | None = None
        self._trained: queue.SimpleQueue[tuple[Forecaster, Version]] = queue.SimpleQueue()
        self._told: queue.SimpleQueue[tuple[str, int]] = queue.SimpleQueue()
        self._needs: dict[str, Need] = {}
        """rendering server → what its local controller reported"""
        self._designed_at = -inf
        self.designs: tuple[Design, ...] = ()
        """the newest"""

    def hear(self, server: str, told: Report | AskMore) -> None:
        """What a local controller reports or asks for; answered at the next look. From any thread."""
        self._told.put((server, told.needed_k))

    def look(self) -> None:
        """Answer what was heard; once an epoch design."""
        now = self._clock()
        heard = self._listen()
        due = now - self._designed_at >= self._epoch_s
        if heard or due:
            with self._store.reader.connect() as rows:
                servers = rendering_servers(rows, list(self._needs))
            self._needs = {one.server: self._needs[one.server] for one in servers}
            self._grow(servers, now)
        if due:
            self._design(now)
            self._needs = {server: need.designed() for server, need in self._needs.items()}

    def _listen(self) -> bool:
        """Whether anything was told since the last look."""
        heard = False
        while not self._told.empty():
            server, needed_k = self._told.get()
            self._needs[server] = self._needs.get(server, Need(needed_k, needed_k)).heard(needed_k)
            heard = True
        return heard

    def _grow(self, servers: Sequence[Server], now: float) -> None:
        for server, scale in scales(servers, self._needs).items():
            wanted = {"scale": scale}
            told = {"server": server, "needed_k": self._needs[server].most_k, **wanted}
            answer = self._asked(self._mmf.put, f"/models/{server}/scale", wanted, f"grow:{server}:{now:.3f}")
            if answer is not None:
                log.info("design.scaled", **{**told, **answer})

    def _design(self, now: float) -> None:
        """One epoch: observe, design, reserve, start ahead, train what is due."""
        while not self._trained.empty():
            forecaster, version = self._trained.get()
            forecaster.adopt(version)
        since = max(self._designed_at, now - self._epoch_s)
        with self._store.reader.connect() as rows:
            if self._designed_at < 0:
                for at, wanted in recall(rows, self._models, now, self._epoch_s, EPOCHS_RECALLED):
                    self._controller.observe(wanted, at)
            demands = observe(rows, self._models, since)
        self._designed_at = now
        sites = self._mmf.get("/pool")["sites"]
        held = {one["reservation"]: one for one in self._mmf.get("/reservations")["reservations"]}
        room = sum((ResourceVector.of(site["capacity"]) for site in sites), ResourceVector())
        self.designs = self._controller.design(demands, room, now)
        until = int(now + EPOCHS_KEPT * self._epoch_s) + 1
        for design in self.designs:
            self._reserve(reservation(design, demands[design.cluster], sites, held, until), now)
            self._start_ahead(design, until, now)
        self._train(self._controller.due())

    def _reserve(self, wanted: dict[str, Any] | None, now: float) -> None:
        if wanted is not None:
            key = f"{wanted['reservation']}:{now:.3f}"
            if self._asked(self._mmf.post, "/reservations", wanted, key) is not None:
                log.info("design.reserved", **wanted)

    def _start_ahead(self, design: Design, until: int, now: float) -> None:
        body = {"models": dict(design.models), "until": until}
        answer = self._asked(self._mmf.put, f"/warm/{design.cluster}", body, f"warm:{design.cluster}:{now:.3f}")
        if answer is not None and (answer["started"] or answer["ended"] or answer["short"]):
            log.info("design.warmed", cluster=design.cluster, version=design.version, **answer)

    def _asked(self, call: Callable[..., Any], path: str, body: dict[str, Any], key: str) -> Any:
        """MMF's answer; None where it refuses or is away: the next epoch asks anew."""
        try:
            return call(path, body, idempotency_key=key)
        except OrchestratorError as cause:
            log.warning("design.refused", path=path, code=cause.code, error=str(cause), **body)
            return None

    def _seats(self, model: str) -> int:
        return self._models[model].max_shares if model in self._models else 1

    def _train(self, due: Sequence[Forecaster]) -> None:
        """On copies of what was observed; adopted at the next design."""
        if not due or (self._training is not None and self._training.is_alive()):
            return
        histories = [(one, one.history()) for one in due]
        self._training = threading.Thread(target=self._fit, args=(histories,), name="forecasts", daemon=True)
        self._training.start()

    def _fit(self, histories: Sequence[tuple[Forecaster, History]]) -> None:
        for forecaster, history in histories:
            self._trained.put((forecaster, fit(history, forecaster.horizons, forecaster.seed)))


def rendering_servers(rows: sa.Connection, names: Sequence[str]) -> list[Server]:
    """Those of these instances that render for somebody."""
    return [
        Server(
            one.instance_id,
            one.model,
            one.cluster,
            one.scale,
            one.least_scale,
            capacity_of(rows, one.instance_id).rendering_k,
        )
        for one in instances_named(rows, names)
        if one.shares
    ]


def reservation(
    design: Design,
    demand: Demand,
    sites: Sequence[Mapping[str, Any]],
    held: Mapping[str, Mapping[str, Any]],
    until: int,
) -> dict[str, Any] | None:
    """The reservation that makes of what the cluster holds what the design wants it to hold; None for nothing.

    It stands at one site: where it stood, else where most computing is free. What is allocated beside it counts, what
    is drawn of it stays; more than the site has free it never asks for. One that ended while nobody looked is drawn
    from for as long as its shares run: the next one gets a name of its own.
    """
    name = f"design:{design.cluster}"
    mine = [one for one in held.values() if one["reservation"].split(":")[:2] == name.split(":")]
    before = next((one for one in mine if not one["ended"]), None)
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
        "reservation": before["reservation"] if before else f"{name}:{until}" if mine else name,
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
