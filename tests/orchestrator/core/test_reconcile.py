"""Routes against a gateway that keeps, loses and refuses them."""

from typing import Any

import pytest
import sqlalchemy as sa

from orchestrator import store as tables
from orchestrator.errors import PeerRefused
from orchestrator.reconcile import Grants, Routes
from orchestrator.store import ChainStatus, ServiceState, Store


class Gateway:
    """A gateway outside: it keeps what it is given, refuses what it is told to refuse, and may start anew."""

    def __init__(self) -> None:
        self.boot = "first"
        self.routes: dict[str, dict[str, Any]] = {}
        self.refused: set[str] = set()
        self.calls = 0

    def get(self, _path: str, _params: Any = None) -> Any:
        return {"boot": self.boot}

    def put(self, path: str, json: Any, _key: str = "") -> Any:
        self.calls += 1
        routes = json["routes"] if path == "/routes" else [json]
        if bad := self.refused & {route["subscriptionId"] for route in routes}:
            raise PeerRefused(f"no {bad}", peer="gateway", peer_status=422, problem={})
        self.routes |= {route["subscriptionId"]: route for route in routes}

    def delete(self, path: str, _key: str = "") -> Any:
        self.routes.pop(path.rpartition("/")[2], None)


class Vmof:
    """What VMOF says of its running shares."""

    def __init__(self, grants: dict[str, Any], sockets: dict[str, Any]) -> None:
        self._answer = {"grants": grants, "sockets": sockets}

    def get(self, _path: str, _params: Any = None) -> Any:
        return self._answer


def serve(store: Store, *names: str, state: ServiceState = ServiceState.RUNNING) -> None:
    """Rows of services that run, each with its route."""
    with store.writer.begin() as writer:
        for name in names:
            route = {"subscriptionId": name, "signer": "0x5", "cap": "10", "grant": {"rendering_k": 1}, "sockets": {}}
            values = {
                "subscription_id": name, "plan_id": "1", "buyer": "0xb", "signer": "0x5", "cap": "10",
                "requirements_hash": "0x00", "block_number": 1, "deadline": 1, "chain_status": ChainStatus.ACTIVE.value,
                "state": state.value, "route": route,
            }  # fmt: skip
            writer.execute(sa.insert(tables.SERVICES).values(values))


def test_routes_are_put_once_and_again_when_they_changed(store: Store) -> None:
    serve(store, "1", "2", "3")
    serve(store, "4", state=ServiceState.DECOMMISSIONED)
    gateway = Gateway()
    routes = Routes(store, gateway)
    assert routes.sync() == 3
    assert (sorted(gateway.routes), gateway.calls) == (["1", "2", "3"], 1)
    assert routes.sync() == 0
    with store.writer.begin() as writer:
        tables.amend(writer, "2", cap="20")
    assert routes.sync() == 1
    assert gateway.routes["2"]["cap"] == "20"
    assert routes.sync() == 0


def test_a_gateway_that_started_anew_gets_every_route_again(store: Store) -> None:
    serve(store, "1", "2")
    gateway = Gateway()
    routes = Routes(store, gateway)
    routes.sync()
    gateway.boot, gateway.routes = "second", {}
    assert routes.sync() == 2
    assert sorted(gateway.routes) == ["1", "2"]


def test_a_route_put_in_the_making_is_not_put_again_once_its_row_tells_of_it(store: Store) -> None:
    gateway = Gateway()
    routes = Routes(store, gateway)
    routes.sync()
    route = {"subscriptionId": "7", "signer": "0x5", "cap": "10", "grant": {"rendering_k": 1}, "sockets": {}}
    routes.put(route)
    serve(store, "7")
    assert routes.sync() == 0


def test_a_refused_route_keeps_back_no_other(store: Store) -> None:
    serve(store, "1", "2", "3")
    gateway = Gateway()
    gateway.refused = {"1", "2"}
    with pytest.raises(PeerRefused, match="1"):
        Routes(store, gateway).sync()
    assert sorted(gateway.routes) == ["3"]


def test_a_row_that_let_go_of_its_route_wants_none(store: Store) -> None:
    serve(store, "1")
    with store.writer.begin() as writer:
        tables.amend(writer, "1", route=None)
    gateway = Gateway()
    assert Routes(store, gateway).sync() == 0
    assert gateway.routes == {}


def test_the_shares_grant_and_sockets_win_over_the_routes(store: Store) -> None:
    serve(store, "1", "2")
    given, sockets = {"1": {"rendering_k": 2}, "2": {"rendering_k": 1}}, {"1": {"model": "/s"}, "2": {}}
    grants = Grants(store, Vmof(given, sockets))
    assert grants.sync() == 1
    assert grants.sync() == 0
    with store.reader.connect() as reader:
        row = tables.service(reader, "1")
    assert row is not None
    assert (row["route"]["grant"], row["route"]["sockets"]) == (given["1"], sockets["1"])
