"""Whatever a caller sends, a model answers or refuses by name; it never fails inside, and no answer is for nothing."""

import copy
import importlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from orchestrator.models.errors import CallRefused
from orchestrator.models.manifests import manifests
from orchestrator.models.serving import Program, Request, encode_info

FACT = ["pump", "part_of", "hall"]
MAIN = {"main": {"params": ["n"], "body": ["fold", "t", 0, "i", ["range", ["$", "n"]], ["+", ["$", "t"], ["$", "i"]]]}}
TRAIN = {"name": "n", "samples": [[0, 1], [1, 0]] * 5, "labels": ["a", "b"] * 5}
READINGS = {"object": "o", "t": [1, 2], "channels": {"x": {"values": [1, None], "variance": 1}}}
ROOM = {"room": "pier", "user": "ann"}
EXAMPLES: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "3d-modelling": [
        ("model", {"parts": [{"shape": "gear", "teeth": 9, "at": [0, 0, 1], "turn_deg": 3, "colour": [1, 0, 0]}]}),
        ("model", {"parts": [{"shape": "revolve", "profile": [[1, 0], [2, 1]]}], "format": "gltf"}),
        ("model", {"parts": [{"shape": "extrude", "outline": [[0, 0], [1, 0], [0, 1]], "height": 2}]}),
    ],
    "ai-classifier": [("train", TRAIN), ("classify", {"name": "n", "samples": [[0, 1]]})],
    "ai-forecasting": [("forecast", {"history": [1, 2, 3, 4] * 5, "steps": 3, "season": 4, "quantiles": [0.5]})],
    "cloud-server": [
        ("deploy", {"name": "f", "functions": MAIN}),
        ("invoke", {"name": "f", "args": [5]}),
        ("list", {}),
    ],
    "communication-protocol": [
        ("connect", {"client": "a", "clean": True}),
        ("subscribe", {"client": "a", "filter": "x/#", "qos": 1}),
        ("publish", {"topic": "x/y", "payload": "p", "qos": 2, "id": "1", "retain": True}),
        ("receive", {"client": "a", "most": 5}),
        ("acknowledge", {"client": "a", "ids": [1]}),
        ("disconnect", {"client": "a"}),
    ],
    "content-creation": [
        ("hologram", {"seed": 1, "t": 0.5, "gesture": "walk", "points": 200}),
        ("texture", {"material": "sand", "seed": 1, "size": 32}),
    ],
    "digital-twin": [("observe", READINGS), ("state", {"object": "o", "t": 5})],
    "edge-computing": [
        (
            "run",
            {
                "records": [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}],
                "where": [["a", ">", 0]],
                "group_by": ["b"],
                "reduce": {"m": ["mean", "a"], "n": ["count"]},
            },
        ),
    ],
    "edge-server": [
        ("enter", {**ROOM, "x": 1, "y": 2}),
        ("act", {**ROOM, "x": 1, "y": 2, "state": {"a": 1}}),
        ("view", {**ROOM, "radius": 5, "since": 0}),
        ("leave", ROOM),
    ],
    "fog-computing": [("tile", {"world": "w", "level": 3, "x": 1, "y": 2, "node": 1})],
    "hardware": [
        (
            "heat",
            {
                "size_m": [0.1, 0.2],
                "cells": 12,
                "conductivity": 50,
                "thickness_m": 0.01,
                "edges": {"left": 20},
                "sources": [{"x": 0.05, "y": 0.1, "radius": 0.01, "watts": 5}],
            },
        ),
        ("multiply", {"a": [[1, 2]], "b": [[1], [2]]}),
    ],
    "knowledge": [
        ("learn", {"facts": [FACT], "source": "book"}),
        ("rule", {"name": "r", "if": [["?a", "part_of", "?b"]], "then": ["?b", "has", "?a"]}),
        ("ask", {"where": [["?a", "has", "?b"]], "filter": [["?b", "!=", "x"]], "select": ["?a"], "limit": 3}),
        ("why", {"fact": FACT}),
    ],
    "network-slice": [
        (
            "schedule",
            {"flows": [{"name": "f", "rate_mbps": 5, "weight": 2, "bucket_kib": 9, "burst": 2}], "seconds": 0.01},
        ),
        ("uplink", {}),
        ("downlink", {}),
    ],
    "sensors": [
        ("read", {"kind": "patient", "name": "p", "t": 9, "seconds": 1, "rate_hz": 2, "channels": ["heart_bpm"]})
    ],
    "software": [
        (
            "run",
            {
                "series": [1, 2, 3, 4, 5, 6, 7, 8, 9],
                "rate_hz": 2,
                "steps": [
                    {"do": "smooth", "window": 3},
                    {"do": "band", "low_hz": 0, "high_hz": 0.5},
                    {"do": "spectrum", "peaks": 2},
                    {"do": "events", "above": 3},
                ],
            },
        ),
    ],
    "storage": [
        ("put", {"key": "k", "data": "aGVsbG8=", "content_type": "text/plain", "if_version": 0}),
        ("get", {"key": "k", "version": 1}),
        ("list", {"prefix": "k", "after": "a", "limit": 3}),
        ("delete", {"key": "k"}),
    ],
    "time-frequency-division": [
        (
            "schedule",
            {"users": [{"name": "a", "mbps": 5, "snr_db": 9, "weight": 2}], "mode": "time", "slots": 4, "frame_ms": 5},
        ),
    ],
}
GRANTS: tuple[dict[str, int], ...] = (
    {},
    {"computing_mcores": 0, "storage_mib": 0, "protocol_stack_sessions": 0, "bandwidth_mbps": 0, "spectrum_mhz": 0},
    {"computing_mcores": 60, "storage_mib": 4, "protocol_stack_sessions": 4, "bandwidth_mbps": 50, "spectrum_mhz": 60},
)
LITTLE = {"computing_mcores": 10}
ODD: tuple[Any, ...] = (
    None, True, -1, 0, 0.5, 1e300, -1e300, 2**70, "", "x", "?x", "é" * 3, "a" * 5000, [], [[]], [None], {}, {"": []},
    [[1, 2], [3]], ["x"] * 3, [1e308, -1e308, 1e308],
)  # fmt: skip


def fresh(name: str) -> Program:
    program: Program = importlib.import_module(manifests()[name].program).build()
    return program


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place inside a value, by keys and indexes."""
    yield way
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*way, key))


def changed(params: dict[str, Any], way: tuple[Any, ...], odd: Any) -> dict[str, Any]:
    made = copy.deepcopy(params)
    inner: Any = made
    for step in way[:-1]:
        inner = inner[step]
    inner[way[-1]] = odd
    return made


def check(program: Program, call: str, params: dict[str, Any], grant: dict[str, int]) -> bool:
    """Whether it answered; a refusal is fine as long as it is one of ours."""
    refusal = None
    try:
        answer = program.calls[call](Request(params, grant, "1", b""))
    except CallRefused as refused:
        refusal = str(refused)
    if refusal is not None:
        assert 0 < len(refusal) < 1000, refusal[:200]
        return False
    if "json" in answer.content_type:
        json.loads(answer.body)
    encode_info(answer.info)
    assert answer.quantity >= (0 if call in ("uplink", "downlink") else 1)
    return True


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_are_answered_and_counted(name: str) -> None:
    program = fresh(name)
    assert {call for call, _ in EXAMPLES[name]} == set(program.calls)
    for call, params in EXAMPLES[name]:
        assert check(program, call, params, {})


@pytest.mark.parametrize("name", EXAMPLES)
def test_odd_values_at_every_place_are_answered_or_refused_by_name(name: str) -> None:
    program = fresh(name)
    for call, params in EXAMPLES[name]:
        for way in places(params):
            if way:
                for odd in ODD:
                    check(program, call, changed(params, way, odd), LITTLE)
                    check(program, call, params, LITTLE)


@pytest.mark.parametrize("grant", GRANTS, ids=["none", "nothing", "some"])
@pytest.mark.parametrize("name", EXAMPLES)
def test_any_grant_is_enough_or_refused_by_name(name: str, grant: dict[str, int]) -> None:
    program = fresh(name)
    for call, params in EXAMPLES[name]:
        check(program, call, params, grant)
        check(program, call, {}, grant)


def test_every_new_model_has_its_examples() -> None:
    older = {
        "ar-navigation", "data-management", "device", "edge-cache", "human-computer-interaction", "infrastructure",
        "monitoring", "platform", "rendering-server", "terahertz-link",
    }  # fmt: skip
    assert set(EXAMPLES) == set(manifests()) - older
