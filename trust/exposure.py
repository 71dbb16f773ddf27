"""Walks an app's routes and says which of them no gate decides about. Used by the tests that prove there is none."""

from collections.abc import Iterator
from dataclasses import dataclass

from starlette.applications import Starlette

from trust.gate import Gate
from trust.middleware import GateMiddleware
from trust.policy import Row
from trust.routes import Entry, RouteTable

ANY_METHOD = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Exposure:
    """One (method, route) of an app; without a row it always answers 403."""

    app: str
    method: str
    path: str
    row: Row | None


def exposures(app: Starlette, gate: Gate) -> Iterator[Exposure]:
    """Every method of every route of the app itself, and of the apps mounted in it that have their own gate."""
    for entry in RouteTable(app).entries:
        if entry.mounted is None:
            for method in sorted(entry.methods or ANY_METHOD):
                row = gate.policy.find(gate.app_name, method, entry.template)
                yield Exposure(gate.app_name, method, entry.template, row)
        elif (inner := _gate_of(entry)) is not None:
            yield from exposures(entry.mounted, inner)


def unguarded_routes(app: Starlette, gate: Gate) -> list[str]:
    """Routes that answer without a gate's decision; must be empty.

    All of an app whose outermost layer is not this gate, and every mount whose app has no outermost gate of its own.
    """
    if not _is_outermost(app, gate):
        return [f"{gate.app_name} {entry.template}" for entry in RouteTable(app).entries]
    found: list[str] = []
    for entry in RouteTable(app).entries:
        if entry.mounted is not None:
            found += _unguarded_mount(entry, gate)
    return found


def unlisted_routes(app: Starlette, gate: Gate) -> list[str]:
    """Routes that exist but always answer 403, because no policy row names them: dead, or a row is missing."""
    return [f"{each.app} {each.method} {each.path}" for each in exposures(app, gate) if each.row is None]


def _unguarded_mount(entry: Entry, gate: Gate) -> list[str]:
    row = gate.policy.find(gate.app_name, "MOUNT", entry.template)
    if row is None or "public" in row.access:
        return []  # denied altogether, or static files opened on purpose
    inner = _gate_of(entry)
    return [f"{gate.app_name} {entry.template}"] if inner is None else unguarded_routes(entry.mounted, inner)


def _gate_of(entry: Entry) -> Gate | None:
    gate = getattr(getattr(entry.mounted, "state", None), "gate", None)
    return gate if isinstance(gate, Gate) else None


def _is_outermost(app: Starlette, gate: Gate) -> bool:
    if not app.user_middleware:
        return False
    kind: object = app.user_middleware[0].cls
    return kind is GateMiddleware and app.user_middleware[0].kwargs.get("gate") is gate
