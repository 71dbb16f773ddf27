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
from orchestrator.resources import RESOURCES
from tests.model_examples import EXAMPLES

GRANTS: tuple[dict[str, int], ...] = (
    {},
    dict.fromkeys(RESOURCES, 0),
    {**dict.fromkeys(RESOURCES, 60), "storage_mib": 4, "protocol_stack_sessions": 4},
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


def test_every_model_has_its_examples() -> None:
    assert set(EXAMPLES) == set(manifests())
