"""Every model, by one table: a larger input changes its answer and costs more, and so does each resource of a share.

A model or a resource of a share that the table lacks is a failure: nothing is charged that nothing depends on.
Computing that a program does not read itself is what the server's turns weigh its calls by.
"""

import importlib
import math
import random
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import pytest

from orchestrator.mmf.catalogue import is_supply
from orchestrator.models.errors import OverGrant
from orchestrator.models.manifests import manifests
from orchestrator.models.serving import Answer, Program, Request
from orchestrator.models.turns import FairQueue, Ticket


class By(Enum):
    """What follows a granted resource."""

    OUTPUT = auto()
    """the answer"""
    BILL = auto()
    """the answer, and the quantity billed"""
    REFUSAL = auto()
    """with little of it the call, or one that must come before, is refused by name"""
    TURNS = auto()
    """how often the call is let in beside another tenant's"""
    GOVERNOR = auto()
    """only waits for a clock, so takes no turn: the runtime holds the process to it (test_sandbox_attacks.py)"""


Ask = Mapping[str, Any] | bytes


@dataclass(frozen=True)
class Case:
    """One call of a model, with little and with much to do, and of each resource little, much and what follows it."""

    call: str
    little: Ask
    much: Ask
    grants: Mapping[str, tuple[int, int, By]]
    before: tuple[tuple[str, Ask], ...] = ()
    in_cpu: bool = False
    """what is more costs processor time, not quantity"""


def computing(low: int, high: int, by: By) -> Mapping[str, tuple[int, int, By]]:
    return {"computing_mcores": (low, high, by)}


def storage(low: int, high: int, by: By = By.REFUSAL) -> Mapping[str, tuple[int, int, By]]:
    return {"storage_mib": (low, high, by)}


def sessions(low: int, high: int, by: By) -> Mapping[str, tuple[int, int, By]]:
    return {"protocol_stack_sessions": (low, high, by)}


SERIES = [math.sin(n / 3) + n / 50 for n in range(400)]
NOISE = random.Random(1).randbytes(3 << 20)
CLASSES = [[math.cos(n), math.sin(n * 1.3)] for n in range(300)]
LABELS = ["a" if x * y > 0 else "b" for x, y in CLASSES]
FACTS = [[f"part-{n}", "part_of", f"part-{n + 1}"] for n in range(1000)]
TURNED = {"name": "turned", "if": [["?a", "part_of", "?b"]], "then": ["?b", "has", "?a"]}
SUM = {"main": {"params": ["n"], "body": ["fold", "t", 0, "i", ["range", ["$", "n"]], ["+", ["$", "t"], ["$", "i"]]]}}
STROKE = [[math.cos(n / 40), math.sin(n / 40)] for n in range(252)]
ZIGZAG = [[n, abs(n % 200 - 100)] for n in range(1500)]
FLOWS = [{"name": f"f{n}", "rate_mbps": 20} for n in range(12)]


def readings(count: int) -> dict[str, Any]:
    return {"object": "o", "t": list(range(count)), "channels": {"x": {"values": SERIES[:count], "variance": 0.01}}}


def heat(cells: int) -> dict[str, Any]:
    sources = [{"x": 0.05, "y": 0.1, "radius": 0.01, "watts": 5}]
    return {"size_m": [0.1, 0.2], "cells": cells, "edges": {"left": 20}, "sources": sources}


def gears(count: int) -> dict[str, Any]:
    return {"parts": [{"shape": "gear", "teeth": 9, "radius": 0.1, "at": [n, 0, 0]} for n in range(count)]}


def objects(count: int) -> dict[str, Any]:
    return {"objects": [{"object": n, "k": 10.0} for n in range(count)], "view": {"t": 400}}


def stored(size: int) -> dict[str, Any]:
    return {"key": "k", "data": b64encode(NOISE[:size]).decode()}


CASES: Mapping[str, Case] = {
    "3d-modelling": Case("model", gears(1), gears(4), computing(40, 400, By.BILL)),
    "ai-classifier": Case(
        "classify",
        {"name": "n", "samples": CLASSES[:50]},
        {"name": "n", "samples": CLASSES},
        {**computing(10, 200, By.OUTPUT), **storage(0, 8)},
        (("train", {"name": "n", "samples": CLASSES, "labels": LABELS}),),
    ),
    "ai-forecasting": Case(
        "forecast",
        {"history": SERIES, "steps": 3, "season": 20},
        {"history": SERIES, "steps": 30, "season": 20},
        computing(10, 300, By.OUTPUT),
    ),
    "ar-navigation": Case(
        "navigate",
        {"x": 10, "y": 10, "to": {"x": 60, "y": 20}},
        {"x": 10, "y": 10, "to": {"x": 300, "y": 40}},
        computing(25, 400, By.BILL),
    ),
    "cloud-server": Case(
        "invoke",
        {"name": "f", "args": [100]},
        {"name": "f", "args": [5000]},
        {**computing(1, 100, By.REFUSAL), **storage(0, 4)},
        (("deploy", {"name": "f", "functions": SUM}),),
    ),
    "communication-protocol": Case(
        "receive",
        {"client": "a", "most": 1},
        {"client": "a", "most": 5},
        {**sessions(0, 4, By.REFUSAL), **computing(10, 40, By.TURNS)},
        (
            ("connect", {"client": "a"}),
            ("subscribe", {"client": "a", "filter": "x/#", "qos": 1}),
            *(("publish", {"topic": "x/y", "payload": f"{n}", "qos": 1, "id": f"{n}"}) for n in range(5)),
        ),
    ),
    "content-creation": Case(
        "hologram", {"seed": 1, "points": 500}, {"seed": 1, "points": 9000}, computing(20, 100, By.BILL)
    ),
    "data-management": Case(
        "query",
        {"what": "observations", "limit": 10},
        {"what": "observations", "limit": 1000},
        {**storage(0, 8), **computing(10, 40, By.TURNS)},
        (("ingest", {"source": "s", "kind": "k", "values": {f"{n:0>60}": n for n in range(64)}}),) * 20,
    ),
    "device": Case(
        "capture",
        {"seed": 1, "seconds": 0.5},
        {"seed": 1, "seconds": 1.5},
        {**computing(20, 120, By.BILL), **sessions(1, 2, By.BILL)},
    ),
    "digital-twin": Case("observe", readings(50), readings(400), computing(20, 240, By.OUTPUT)),
    "edge-cache": Case("put", NOISE[:2000], NOISE, {**storage(1, 16), **computing(5, 20, By.TURNS)}),
    "edge-computing": Case(
        "run",
        {"records": [{"a": n} for n in range(50)], "reduce": {"m": ["mean", "a"]}},
        {"records": [{"a": n} for n in range(2000)], "reduce": {"m": ["mean", "a"]}},
        computing(1, 200, By.BILL),
    ),
    "edge-server": Case(
        "view",
        {"room": "pier", "user": "u0", "radius": 2},
        {"room": "pier", "user": "u0", "radius": 90},
        {**computing(3, 40, By.BILL), **sessions(1, 12, By.REFUSAL), **storage(0, 4)},
        (
            *(("enter", {"room": "pier", "user": f"u{n}", "x": 5 * n, "y": 0}) for n in range(12)),
            ("act", {"room": "pier", "user": "u0", "x": 0, "y": 0, "state": {"hat": "red"}}),
        ),
    ),
    "fog-computing": Case(
        "tile",
        {"world": "kept", "level": 3, "x": 1, "y": 2},
        {"world": "new", "level": 3, "x": 1, "y": 2},
        {**computing(10, 40, By.TURNS), **storage(0, 8)},
        (("tile", {"world": "kept", "level": 3, "x": 1, "y": 2}),),
        in_cpu=True,
    ),
    "hardware": Case("heat", heat(12), heat(48), computing(1, 400, By.BILL)),
    "human-computer-interaction": Case(
        "interpret",
        {"strokes": [STROKE]},
        {"strokes": [STROKE, ZIGZAG, STROKE]},
        {**computing(10, 80, By.OUTPUT), **sessions(1, 4, By.OUTPUT)},
    ),
    "infrastructure": Case(
        "capacity", {"seconds": 0.01}, {"seconds": 0.03}, {**computing(200, 900, By.OUTPUT), **storage(1, 2, By.OUTPUT)}
    ),
    "knowledge": Case(
        "ask",
        {"where": [["part-1", "part_of", "?b"]]},
        {"where": [["?b", "has", "?a"]], "limit": 900},
        {**computing(1, 200, By.OUTPUT), **storage(0, 4)},
        (("learn", {"facts": FACTS}), ("rule", TURNED)),
    ),
    "monitoring": Case("conditions", {"t": 1e9}, {"t": 1e9, "hours": 24}, computing(10, 400, By.OUTPUT)),
    "network-slice": Case(
        "schedule",
        {"flows": FLOWS[:2], "seconds": 0.1},
        {"flows": FLOWS, "seconds": 0.2},
        {"bandwidth_mbps": (100, 400, By.OUTPUT), **sessions(1, 2, By.REFUSAL), **computing(10, 40, By.TURNS)},
    ),
    "platform": Case("capacity", {"exchanges": 100}, {"exchanges": 1000}, sessions(4, 512, By.OUTPUT)),
    "rendering-server": Case(
        "frame", objects(2), objects(8), {"rendering_k": (40, 100, By.BILL), **computing(20, 80, By.TURNS)}
    ),
    "sensors": Case(
        "read",
        {"kind": "machine", "t": 1e6, "seconds": 1, "rate_hz": 200},
        {"kind": "machine", "t": 1e6, "seconds": 4, "rate_hz": 200},
        {**computing(40, 400, By.BILL), **sessions(1, 2, By.BILL)},
    ),
    "software": Case(
        "run",
        {"series": SERIES[:100], "steps": [{"do": "spectrum", "peaks": 2}]},
        {"series": SERIES * 10, "steps": [{"do": "spectrum", "peaks": 2}]},
        computing(1, 200, By.BILL),
    ),
    "storage": Case("put", stored(2_000), stored(200_000), {**storage(0, 16), **computing(10, 40, By.TURNS)}),
    "terahertz-link": Case(
        "uplink",
        NOISE[:2000],
        NOISE[:9000],
        {
            "bandwidth_mbps": (100, 900, By.OUTPUT),
            "spectrum_mhz": (20, 400, By.OUTPUT),
            **computing(5, 20, By.GOVERNOR),
        },
    ),
    "time-frequency-division": Case(
        "schedule",
        {"users": [{"name": "a", "mbps": 5, "snr_db": 9}], "slots": 4},
        {"users": [{"name": f"u{n}", "mbps": 90, "snr_db": 9} for n in range(8)], "slots": 40},
        {"spectrum_mhz": (20, 80, By.OUTPUT), **computing(10, 40, By.TURNS)},
    ),
}


def fresh(name: str) -> Program:
    program: Program = importlib.import_module(manifests()[name].program).build()
    return program


def asked(what: Ask, grant: Mapping[str, int], tenant: str = "1") -> Request:
    return Request({"key": "k"}, grant, tenant, what) if isinstance(what, bytes) else Request(what, grant, tenant)


def ample(case: Case) -> dict[str, int]:
    return {resource: high for resource, (_, high, _) in case.grants.items()}


def prepared(name: str, grant: Mapping[str, int]) -> Program:
    program = fresh(name)
    for call, what in CASES[name].before:
        program.calls[call](asked(what, grant))
    return program


def answer(name: str, what: Ask, **changed: int) -> Answer:
    """The case's call on a program of its own, with ample grants but for what is changed."""
    grant = {**ample(CASES[name]), **changed}
    return prepared(name, grant).calls[CASES[name].call](asked(what, grant))


def cpu_seconds(program: Program, case: Case, what: Ask) -> float:
    start = time.thread_time()
    program.calls[case.call](asked(what, ample(case)))
    return time.thread_time() - start


def let_in(name: str, low: int, high: int) -> Counter[int]:
    """Of ten turns of an instance at which two tenants' calls wait, how many each gets, by its computing.

    Each turn is charged what one call costs.
    """
    case, queue, turns = CASES[name], FairQueue(places=1), Counter[int]()
    cost = cpu_seconds(prepared(name, ample(case)), case, case.much)
    for mcores in (low, high) * 10:
        queue.come(Ticket(f"{mcores}", mcores))
    for _ in range(10):
        ticket = queue.next()
        assert ticket is not None
        turns[ticket.weight] += 1
        queue.done(ticket, cost)
    return turns


@pytest.mark.parametrize("name", CASES)
def test_more_to_do_changes_the_answer_and_costs_more(name: str) -> None:
    case = CASES[name]
    little, much = answer(name, case.little), answer(name, case.much)
    assert little.body != much.body
    if case.in_cpu:
        program = prepared(name, ample(case))
        assert cpu_seconds(program, case, case.much) > cpu_seconds(program, case, case.little)
    else:
        assert much.quantity > little.quantity


@pytest.mark.parametrize(("name", "resource"), [(name, each) for name, case in CASES.items() for each in case.grants])
def test_each_resource_of_a_share_counts(name: str, resource: str) -> None:
    case = CASES[name]
    low, high, by = case.grants[resource]
    much = answer(name, case.much)
    match by:
        case By.REFUSAL:
            with pytest.raises(OverGrant):
                answer(name, case.much, **{resource: low})
        case By.TURNS:
            turns = let_in(name, low, high)
            assert turns[high] > turns[low]
        case By.GOVERNOR:
            assert case.call in fresh(name).waiting
        case _:
            with_little = answer(name, case.much, **{resource: low})
            assert (with_little.body, with_little.info) != (much.body, much.info)
            if by is By.BILL:
                assert with_little.quantity < much.quantity


def test_no_model_and_no_resource_of_a_share_is_left_out() -> None:
    assert set(CASES) == set(manifests())
    for name, case in CASES.items():
        model = manifests()[name]
        due = set(case.grants) & set(model.supplies) if is_supply(model) else set(model.per_share)
        assert due == set(case.grants) != set(), name
