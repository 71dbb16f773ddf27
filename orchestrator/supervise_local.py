"""Runs the local controllers on the live house: what the gateway measured, to grants at VMOF, to routes.

Called by app's loop every S4M_LOCAL_INTERVAL_S, in the leader. One controller for each rendering server for whose users
the gateway measured something lately (`orchestrator.controllers.live`); where nobody looks, nothing is read but that.
VMOF decides whether a proposal can be; what it refuses is looked at anew at the next look.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa
import structlog

from orchestrator.controllers.live import Look, Supply, Watch, look
from orchestrator.controllers.local import VERSION, Policy
from orchestrator.controllers.values import AskMore, Report
from orchestrator.errors import OrchestratorError
from orchestrator.instances.msis import rendering_servers
from orchestrator.instances.states import ShareState
from orchestrator.instances.tables import SHARES
from orchestrator.measures import Measure, Measures
from orchestrator.reconcile import Reads
from orchestrator.requirements import FunctionCall, GrantProposal
from orchestrator.resources.pool import capacity_of
from orchestrator.store import Store

log = structlog.get_logger("supervise")


class LocalSupervisor:
    """Observes, asks the local controllers, has VMOF set what they propose, has the routes follow."""

    def __init__(
        self,
        store: Store,
        gateway: Reads,
        vmof: FunctionCall,
        follow: Callable[[], None],
        tell: Callable[[str, Report | AskMore], None] = lambda _server, _told: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._gateway = gateway
        self._vmof = vmof
        self._follow = follow
        """has the reconciler look now: the routes are to have the new grants"""
        self._tell = tell
        """has the global controller hear what a server needs"""
        self._clock = clock
        self._policy = Policy()
        self._watched: dict[str, Watch] = {}
        """server → what is remembered of it"""

    def look(self) -> None:
        """One look of each controller."""
        measures = Measures.model_validate(self._gateway.get("/measures")).measures
        if not measures:
            return
        with self._store.reader.connect() as rows:
            found = supplies(rows, [one.subscription_id for one in measures])
            standing = set(rendering_servers(rows))
        self._watched = {server: watch for server, watch in self._watched.items() if server in standing}
        proposed = [self._look_at(supply, measures) for supply in found]
        if any(proposed):
            self._follow()

    def _look_at(self, supply: Supply, measures: Sequence[Measure]) -> bool:
        """Whether the grants of this server's shares are others now."""
        now = self._clock()
        came_to = look(self._policy, self._watched.get(supply.server, Watch()), supply, measures, now)
        self._watched[supply.server] = came_to.watch
        for change in came_to.told:
            log.info("local.told", server=supply.server, kind=type(change).__name__, **asdict(change))
            self._tell(supply.server, change)
        return bool(came_to.grants_k) and self._propose(supply.server, came_to, now)

    def _propose(self, server: str, came_to: Look, now: float) -> bool:
        why = {"server": server, "version": VERSION, "grants": came_to.grants_k, **asdict(came_to.reason)}
        proposal = GrantProposal(server=server, grants=dict(came_to.grants_k))
        try:
            self._vmof.put("/grants", proposal.to_json(), idempotency_key=f"local:{server}:{now:.6f}")
        except OrchestratorError as cause:
            log.warning("local.refused", code=cause.code, error=str(cause), **why)
            return False
        log.info("local.decided", measured_at=came_to.watch.until, **why)
        return True


def supplies(rows: sa.Connection, subscriptions: Sequence[str]) -> list[Supply]:
    """The rendering servers of these subscriptions' running shares, each with all shares that it renders for."""
    running = (SHARES.c.state == ShareState.RUNNING.value) & (SHARES.c.rendering_instance != "")
    servers = sa.select(SHARES.c.rendering_instance).where(running & SHARES.c.subscription_id.in_(subscriptions))
    query = (
        sa.select(SHARES.c.rendering_instance, SHARES.c.subscription_id, SHARES.c.grant)
        .where(running & SHARES.c.rendering_instance.in_(servers))
        .order_by(SHARES.c.created_at, SHARES.c.subscription_id)
    )
    grants: dict[str, dict[str, int]] = {}
    for server, name, grant in rows.execute(query):
        grants.setdefault(server, {})[name] = _rendering_k(grant)
    return [Supply(server, capacity_of(rows, server).rendering_k, held) for server, held in grants.items()]


def _rendering_k(grant: dict[str, Any]) -> int:
    return int(grant.get("rendering_k", 0))
