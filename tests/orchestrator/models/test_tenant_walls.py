"""What one tenant leaves in a shared instance cannot be read by another: every model that keeps anything, in sandboxes.

Degree 0 and 1 let several tenants call one process. Each tenant writes its own secret; the other reads by every call
that reads, under the same names, also with the first one's id smuggled into the parameters.
"""

import importlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from orchestrator.models.manifests import manifests
from orchestrator.models.serving import Program, Request
from orchestrator.runtime import unix_http
from orchestrator.runtime.port import InstanceSpec
from orchestrator.runtime.sandbox import SandboxRuntime

GRANT = {"computing_mcores": 4000, "storage_mib": 16, "protocol_stack_sessions": 8, "bandwidth_mbps": 10_000}
SECRET = 271828.0
WORD = "secret-of-seven"
RULE = {"name": WORD, "if": [["?x", "is", "here"]], "then": ["?x", "was", "here"]}
Calls = list[tuple[str, dict[str, Any]]]


@dataclass(frozen=True)
class Kept:
    """How a model is made to keep something, and every call by which it could be read. `shows` is what must not be."""

    writes: Calls
    reads: Calls
    shows: str = WORD


KEPT: dict[str, Kept] = {
    "ai-classifier": Kept(
        [("train", {"name": "n", "samples": [[0, 1], [1, 0]] * 5, "labels": [WORD, "b"] * 5})],
        [("classify", {"name": "n", "samples": [[0, 1]]})],
    ),
    "cloud-server": Kept(
        [("deploy", {"name": WORD, "functions": {"main": {"params": [], "body": WORD}}})],
        [("invoke", {"name": WORD, "args": []}), ("list", {})],
    ),
    "communication-protocol": Kept(
        [
            ("connect", {"client": "hall"}),
            ("subscribe", {"client": "hall", "filter": "#", "qos": 1}),
            ("publish", {"topic": "hall/pump", "payload": WORD, "qos": 1, "retain": True, "id": "1"}),
        ],
        [
            ("connect", {"client": "hall"}),
            ("subscribe", {"client": "hall", "filter": "#", "qos": 1}),
            ("receive", {"client": "hall", "most": 100}),
        ],
    ),
    "data-management": Kept(
        [("ingest", {"source": "s", "kind": "k", "values": {WORD: SECRET}})],
        [("query", {"what": "observations"}), ("query", {"what": "estimates"}), ("query", {"kind": "k", "name": WORD})],
    ),
    "digital-twin": Kept(
        [("observe", {"object": WORD, "t": [1, 2, 3], "channels": {WORD: {"values": [SECRET] * 3}}})],
        [("state", {"object": WORD, "t": 3})],
    ),
    "edge-cache": Kept(
        [("put", {"key": WORD, "content_type": "text/plain"})], [("get", {"key": WORD})], shows="body of seven"
    ),
    "edge-server": Kept(
        [
            ("enter", {"room": "pier", "user": WORD, "x": 1, "y": 1}),
            ("enter", {"room": "pier", "user": "friend", "x": 1, "y": 1}),
        ],
        [
            ("enter", {"room": "pier", "user": "friend", "x": 1, "y": 1}),
            ("view", {"room": "pier", "user": "friend", "radius": 100}),
        ],
    ),
    "fog-computing": Kept([("tile", {"x": 3, "y": 4})], [("tile", {"x": 3, "y": 4})], shows='"from":"local"'),
    "knowledge": Kept(
        [("learn", {"facts": [[WORD, "is", "here"]]}), ("rule", RULE)],
        [
            ("ask", {"where": [["?x", "is", "?y"]]}),
            ("ask", {"where": [["?x", "was", "?y"]]}),
            ("why", {"fact": [WORD, "was", "here"]}),
        ],
    ),
    "storage": Kept(
        [("put", {"key": WORD, "data": "c2VjcmV0LW9mLXNldmVu"})],
        [("get", {"key": WORD}), ("list", {"prefix": ""}), ("list", {})],
    ),
}  # fmt: skip
LINKS = {"network-slice", "terahertz-link"}
"""They keep when a tenant's link is free again, and nothing that could be read."""
MEASURED = {"infrastructure", "platform"}
"""They answer what the machine gives at the moment."""
ALIKE: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "3d-modelling": ("model", {"parts": [{"shape": "gear"}]}, {"parts": [{"shape": "box"}]}),
    "ai-forecasting": (
        "forecast",
        {"history": [1, 2, 3, 4] * 10, "steps": 4, "season": 4},
        {"history": [SECRET, 1] * 20, "steps": 4, "season": 2},
    ),
    "ar-navigation": ("navigate", {"x": 5, "y": 5, "to": {"object": 7}}, {"x": 50, "y": 5, "to": {"object": 9}}),
    "content-creation": ("texture", {"material": "marble", "size": 64}, {"material": "wood", "size": 64}),
    "device": ("capture", {"seed": 3}, {"seed": 4}),
    "edge-computing": ("run", {"records": [{"x": 1}], "reduce": {"m": ["mean", "x"]}}, {"records": [{"x": SECRET}]}),
    "hardware": (
        "heat",
        {"size_m": [0.1, 0.1], "cells": 16, "edges": {"left": 20}},
        {"size_m": [0.1, 0.1], "cells": 16, "edges": {"left": 99}},
    ),
    "human-computer-interaction": ("interpret", {"strokes": [[[0, 0], [9, 1]]]}, {"strokes": [[[0, 0], [1, 9]]]}),
    "monitoring": ("conditions", {"t": 1e9}, {"t": 2e9}),
    "rendering-server": ("frame", {"objects": [{"object": 3, "k": 5}]}, {"objects": [{"object": 4, "k": 5}]}),
    "sensors": ("read", {"kind": "patient", "t": 1e9}, {"kind": "machine", "t": 2e9}),
    "software": (
        "run",
        {"series": [1, 2] * 8, "steps": [{"do": "statistics"}]},
        {"series": [9, 8] * 8, "steps": [{"do": "statistics"}]},
    ),
    "time-frequency-division": ("schedule", {"users": [{"mbps": 10}]}, {"users": [{"mbps": 99}]}),
}


def program(name: str) -> Program:
    built: Program = importlib.import_module(manifests()[name].program).build()
    return built


def test_every_installed_model_stands_in_one_of_these_tables() -> None:
    keeping = {name for name in manifests() if program(name).forget is not None}
    assert keeping == {*KEPT, *LINKS}
    assert set(manifests()) - keeping == {*ALIKE, *MEASURED}


@pytest.fixture(scope="module")
def sockets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """An instance of each model that keeps anything, shared by all tests as tenants share it."""
    runtime = SandboxRuntime(tmp_path_factory.mktemp("home"))
    yield {
        name: runtime.ensure(
            InstanceSpec(f"{name}-1", manifests()[name].program, GRANT, manifests()[name].memory_mib)
        ).socket
        for name in KEPT
    }
    runtime.delete_all()


def told(socket: Path, tenant: str, calls: Calls) -> str:
    """Everything that a tenant is answered, refusals included."""
    heard = []
    for call, params in calls:
        if "content_type" in params or (call == "get" and "cache" in str(socket)):
            raw = {"Content-Type": "application/octet-stream", "S4M-Tenant": tenant, "S4M-Params": json.dumps(params)}
            reply = unix_http.ask(socket, "POST", f"/{call}", b"body of seven" if call == "put" else b"", raw)
        else:
            reply = unix_http.ask_json(socket, f"/{call}", {"params": params, "grant": GRANT, "tenant": tenant})
        heard.append(reply.body.decode("utf-8", "replace") if reply.status == 200 else f"refused {reply.status}")
        heard.append(
            json.dumps(_info(reply.headers.get("S4M-Info", "")), separators=(",", ":")) if reply.status == 200 else ""
        )
    return "\n".join(heard)


def _info(text: str) -> Any:
    from base64 import urlsafe_b64decode

    return json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4))) if text else {}


@pytest.mark.parametrize("name", sorted(KEPT))
def test_what_one_tenant_keeps_another_cannot_read_by_any_call(sockets: dict[str, Path], name: str) -> None:
    kept, socket = KEPT[name], sockets[name]
    written = told(socket, "7", kept.writes)
    assert "refused" not in written, written
    assert kept.shows in told(socket, "7", kept.reads)
    strange = [(call, {**params, "tenant": "7"}) for call, params in kept.reads]
    for reads in (kept.reads, strange):
        heard = told(socket, "8", reads)
        assert kept.shows not in heard, heard
        assert str(int(SECRET)) not in heard, heard
        unix_http.ask_json(socket, "/configure", {"forget": "8"})
    assert kept.shows in told(socket, "7", kept.reads)


@pytest.mark.parametrize("name", sorted(KEPT))
def test_a_tenant_that_has_gone_leaves_nothing(sockets: dict[str, Path], name: str) -> None:
    kept, socket = KEPT[name], sockets[name]
    told(socket, "9", kept.writes)
    assert unix_http.ask_json(socket, "/configure", {"forget": "9"}).status == 200
    heard = told(socket, "9", kept.reads)
    assert kept.shows not in heard, heard


@pytest.mark.parametrize("name", sorted(ALIKE))
def test_what_another_asked_before_changes_no_answer_of_a_model_that_keeps_nothing(name: str) -> None:
    call, mine, other = ALIKE[name]
    fresh = program(name).calls[call](Request(mine, GRANT, "8"))
    shared = program(name)
    shared.calls[call](Request(other, GRANT, "7"))
    after = shared.calls[call](Request(mine, GRANT, "8"))
    assert (after.body, after.quantity) == (fresh.body, fresh.quantity)
