"""Holds what is wanted against what really is: routes at the gateway, model instances in the runtime.

`Routes` is used by the pipeline at handover and at the end; MMF's keeper, `Grants.sync` and `Routes.sync` by app's
reconciling loop, once a second. All compare levels, never remember intentions: whatever died, restarted or was
forgotten is put right by the next look. Neither decides what is wanted: the rows say it.
"""

import threading
from collections.abc import Mapping, Sequence
from hashlib import sha256
from json import dumps
from typing import Any, Protocol

import sqlalchemy as sa
import structlog

from orchestrator import store as tables
from orchestrator.errors import OrchestratorError, PeerRefused, TryLater
from orchestrator.store import SERVED, SERVICES, Store

AT_ONCE = 50
"""Routes put in one call."""

log = structlog.get_logger("reconcile")


class Reads(Protocol):
    """Reads of a neighbour from a worker thread."""

    def get(self, path: str, params: Mapping[str, str] | None = None) -> Any: ...


class GatewayCalls(Reads, Protocol):
    """Calls of the gateway from a worker thread."""

    def put(self, path: str, json: Any, idempotency_key: str = "") -> Any: ...

    def delete(self, path: str, idempotency_key: str = "") -> Any: ...


class Routes:
    """The routes that the gateway must know: one for each subscription whose service runs."""

    def __init__(self, store: Store, gateway: GatewayCalls) -> None:
        self._store = store
        self._gateway = gateway
        self._pushed: dict[str, str] = {}
        self._boot = ""
        self._lock = threading.Lock()

    def put(self, route: Mapping[str, Any]) -> None:
        """Let the gateway know the route of a service in the making; its row tells of it only afterwards."""
        with self._lock:
            self._put(route, route["signer"], route["cap"])

    def push(self, subscription_id: str) -> None:
        """Put one route as its row wants it now; a row without a route (any more) wants none."""
        with self._lock:
            with self._store.reader.connect() as reader:
                row = tables.service(reader, subscription_id)
            if row is not None and row["route"] is not None:
                self._put(row["route"], row["signer"], row["cap"])

    def withdraw(self, subscription_id: str) -> int:
        """Delete one route whose row has let go of it; one that is not there is no error. How many calls under way
        still keep it: the gateway takes no new ones, and wants to be asked again."""
        with self._lock:
            answer = self._gateway.delete(f"/routes/{subscription_id}")
            self._pushed.pop(subscription_id, None)
        return int(answer["underWay"]) if answer else 0

    def sync(self) -> int:
        """Put every route that the gateway lacks or has in an older form; returns how many."""
        self._notice_restart()
        with self._store.reader.connect() as reader:
            wanted = [
                (row.subscription_id, _mark(row.route, row.signer, row.cap)) for row in reader.execute(_ROUTE_TEXTS)
            ]
        stale = [name for name, mark in wanted if self._pushed.get(name) != mark]
        for first in range(0, len(stale), AT_ONCE):
            self._push_all(stale[first : first + AT_ONCE])
        return len(stale)

    def _push_all(self, subscription_ids: Sequence[str]) -> None:
        """Where one is refused none is taken: then one by one, so that it keeps back no other."""
        with self._lock:
            with self._store.reader.connect() as reader:
                rows = reader.execute(_ROUTES.where(SERVICES.c.subscription_id.in_(subscription_ids))).all()
            try:
                self._gateway.put("/routes", {"routes": [_now(row.route, row.signer, row.cap) for row in rows]})
                self._pushed.update({row.subscription_id: _mark(dumps(row.route), row.signer, row.cap) for row in rows})
                return
            except PeerRefused:
                log.warning("routes.refused", subscriptions=list(subscription_ids))
        refusals = [refusal for name in subscription_ids if (refusal := self._refusal_of(name))]
        if refusals:
            raise refusals[0]

    def _refusal_of(self, subscription_id: str) -> PeerRefused | None:
        try:
            self.push(subscription_id)
        except PeerRefused as refusal:
            return refusal
        return None

    def _notice_restart(self) -> None:
        """A gateway that was away, or says that it started anew, may have lost its routes: all are due again."""
        try:
            health = self._gateway.get("/health")
        except TryLater:
            self._forget("")
            raise
        boot = str(health.get("boot", "")) if isinstance(health, dict) else ""
        if boot != self._boot:
            self._forget(boot)

    def _forget(self, boot: str) -> None:
        with self._lock:
            self._pushed.clear()
            self._boot = boot

    def _put(self, route: Mapping[str, Any], signer: str, cap: str) -> None:
        subscription_id = str(route["subscriptionId"])
        self._gateway.put(f"/routes/{subscription_id}", _now(route, signer, cap))
        self._pushed[subscription_id] = _mark(dumps(route), signer, cap)


class Grants:
    """The grants and the models' sockets in the routes, held against VMOF's shares.

    A model that was moved answers on another socket. Answers of two instantiations may be written down in another
    order than VMOF gave them; the later grant wins here.
    """

    def __init__(self, store: Store, vmof: Reads) -> None:
        self._store = store
        self._vmof = vmof

    def sync(self) -> int:
        """Correct every route whose grant is not its share's; returns how many. `Routes.sync` then puts them."""
        answer = self._vmof.get("/instances", {"grants": "true"})
        given = {name: {"grant": grant, "sockets": answer["sockets"][name]} for name, grant in answer["grants"].items()}
        with self._store.reader.connect() as reader:
            held = {row.subscription_id: {"grant": row.grant, "sockets": row.sockets} for row in reader.execute(_HELD)}
        stale = [name for name, route in held.items() if given.get(name, route) != route]
        for subscription_id in stale:
            with self._store.writer.begin() as writer:
                row = tables.locked_service(writer, subscription_id)
                if row is not None and row["route"] is not None:
                    tables.amend(writer, subscription_id, route={**row["route"], **given[subscription_id]})
        return len(stale)


_WRITTEN = sa.cast(SERVICES.c.route, sa.Text)
_SERVED = SERVICES.c.state.in_(sorted(SERVED)) & (_WRITTEN != "null")
_HELD = sa.select(
    SERVICES.c.subscription_id,
    SERVICES.c.route["grant"].label("grant"),
    SERVICES.c.route["sockets"].label("sockets"),
).where(_SERVED)
_ROUTES = sa.select(SERVICES.c.subscription_id, SERVICES.c.route, SERVICES.c.signer, SERVICES.c.cap).where(_SERVED)
_ROUTE_TEXTS = sa.select(SERVICES.c.subscription_id, _WRITTEN.label("route"), SERVICES.c.signer, SERVICES.c.cap).where(
    _SERVED
)
"""The routes as they stand written: hundreds are compared each second, and few of them have changed."""


def _now(route: Mapping[str, Any], signer: str, cap: str) -> dict[str, Any]:
    """The route with what may change after the purchase."""
    return {**route, "signer": signer, "cap": cap}


def _mark(route: str, signer: str, cap: str) -> str:
    """By which a route is told from an older one."""
    return sha256(f"{route} {signer} {cap}".encode()).hexdigest()


class InstanceKeeper(Protocol):
    """MMF's side of reconciliation: holds its rows against the runtime and puts right what differs."""

    def __call__(self) -> Any: ...


class Reconciler:
    """One look after the other; a part that fails is tried again at the next."""

    def __init__(self, routes: Routes, grants: Grants, keep_instances: InstanceKeeper) -> None:
        self._parts: Mapping[str, Any] = {"instances": keep_instances, "grants": grants.sync, "routes": routes.sync}
        self._failing: dict[str, str] = {}
        """part → code of its present failure"""

    def look(self) -> frozenset[str]:
        """Reconcile instances, grants, then routes; answers which of them failed."""
        for name, part in self._parts.items():
            try:
                changed = part()
                if changed:
                    log.info("reconcile.changed", part=name, changed=changed)
                self._failing.pop(name, None)
            except (TryLater, PeerRefused, OrchestratorError) as cause:
                if self._failing.get(name) != cause.code:
                    log.warning("reconcile.failed", part=name, code=cause.code, error=str(cause))
                self._failing[name] = cause.code
        return frozenset(self._failing)
