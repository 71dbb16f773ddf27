"""The routes of an ASGI app as one flat table, so that the gate knows which template a request will reach.

Works for Starlette and FastAPI apps of every supported version (newer FastAPI nests included routers). The table keeps
the app's own order, because the first full match wins. Used by `trust.gate` only.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import fastapi.routing
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount, WebSocketRoute, compile_path


@dataclass(frozen=True, slots=True)
class RouteMatch:
    """`values` are the path parameters in their order; `mounted` is the sub-app of a mount."""

    template: str
    values: tuple[str, ...] = ()
    mounted: Any = None


UNKNOWN = RouteMatch("")


class Entry:
    """One route with its compiled template; `methods` None means every method."""

    def __init__(self, path: str, methods: Iterable[str] | None, mounted: Any = None) -> None:
        self.template = path or "/"
        self.methods = None if methods is None else frozenset(methods)
        self.mounted = mounted
        self._regex = compile_path(path if mounted is None else path + "/{path:path}")[0]

    def match(self, method: str, path: str) -> RouteMatch | None:
        if self.methods is not None and method not in self.methods:
            return None
        found = self._regex.match(path)
        if found is None:
            return None
        values = found.groups()
        return RouteMatch(self.template, values if self.mounted is None else values[:-1], self.mounted)


class RouteTable:
    """Every route of one app; mounts are entries, their inside is their own gate's business."""

    def __init__(self, app: Starlette) -> None:
        self.entries = [entry for route in _flat(app.routes) if (entry := _entry(route)) is not None]

    def match(self, method: str, path: str) -> RouteMatch:
        """The route that the app's router will choose; UNKNOWN when there is none."""
        for entry in self.entries:
            found = entry.match(method, path)
            if found is not None:
                return found
        return UNKNOWN


def route_path(scope: Mapping[str, Any]) -> str:
    """The path as this app's router sees it: without the mount's prefix."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if root and (path == root or path.startswith(root + "/")):
        return path[len(root) :]
    return path


def _flat(routes: Iterable[BaseRoute]) -> Iterable[Any]:
    contexts = getattr(fastapi.routing, "iter_route_contexts", None)
    return routes if contexts is None else contexts(routes)


def _entry(route: Any) -> Entry | None:
    original = getattr(route, "original_route", route)
    path = getattr(route, "path", None)
    if isinstance(original, WebSocketRoute):
        return None  # the gate closes every WebSocket
    if isinstance(original, Mount):
        return Entry(original.path if path is None else path, None, original.app)
    if not path:
        raise TypeError(f"the gate cannot guard a {type(original).__name__}: it has no path of its own")
    return Entry(path, route.methods)
