"""The OpenAPI 3.1 document of /api/v1, generated from the routes: their types, docstrings, errors, examples.

`problems` is what routes say of their errors; `document` completes what FastAPI makes: examples on every operation
(built from the fields' own), the gate's refusals, the Idempotency-Key of every call that changes something.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from marketplace.errors import KeyBusy, KeyReused, MarketplaceError
from trust.errors import BodyTooLarge, BodyTooSlow, NotAllowed, Refusal

Json = dict[str, Any]
Answers = dict[int | str, dict[str, Any]]
PROBLEM = "application/problem+json"
CHANGES = ("post", "put", "delete")
KEPT_BY_KEY = "x-idempotent"
KEY_HEADER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Chosen by the caller, 1 to 255 visible ASCII characters. The same key with the same request gets "
    "the same answer again for a day; with another request it is refused.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "example": "0b54d1f6-9a0e-4f0e-9d6f-3f7a3c1f2b11",
}
PROBLEM_SCHEMA = {
    "type": "object",
    "description": "RFC 9457. `code` is stable; docs/reference/problems.md has them all.",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string", "description": "What happened, and why."},
        "remedy": {"type": "string", "description": "What to do next."},
    },
}


def problems(*kinds: type[MarketplaceError]) -> Answers:
    """The problem answers of a route, for FastAPI's `responses`."""
    return _by_status((kind.status, kind.code, kind.title) for kind in kinds)


def stream_of(name: str, example: str) -> Answers:
    """The 200 of a route that answers server-sent events."""
    content = {"text/event-stream": {"schema": {"type": "string"}, "example": example}}
    return {200: {"description": f"Server-sent events: {name}.", "content": content}}


def document(app: FastAPI, prefix: str) -> Json:
    """The whole document of the app's routes under `prefix`."""
    made = get_openapi(
        title="Slicing4Meta marketplace",
        version="1",
        openapi_version="3.1.0",
        description="Buy Metaverse-as-a-Service. Ids, money and units are decimal strings; times are UTC seconds.",
        routes=app.routes,
    )
    made["paths"] = {path: item for path, item in made["paths"].items() if path.startswith(prefix)}
    schemas = made.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = PROBLEM_SCHEMA
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for method, operation in _operations(made):
        _complete(method, operation, schemas)
    return made


def _operations(made: Json) -> Iterator[tuple[str, Json]]:
    for item in made["paths"].values():
        yield from item.items()


def _complete(method: str, operation: Json, schemas: Json) -> None:
    answers = operation["responses"]
    if "HTTPValidationError" in str(answers.get("422")):
        answers.pop("422")  # the marketplace answers malformed input by a 400 problem
        _merge(answers, _by_status([(400, "malformed_input", "The request is malformed")]))
    _merge(answers, _by_status(_of_gate(method)))
    if method in CHANGES and operation.pop(KEPT_BY_KEY, True):
        operation.setdefault("parameters", []).append(KEY_HEADER)
        _merge(answers, _by_status((kind.status, kind.code, kind.title) for kind in (KeyBusy, KeyReused)))
    for content in _contents(operation):
        if "example" not in content and "schema" in content:
            content["example"] = example_of(content["schema"], schemas)


def _of_gate(method: str) -> list[tuple[int, str, str]]:
    kinds: tuple[type[Refusal], ...] = (NotAllowed,) if method == "get" else (NotAllowed, BodyTooLarge, BodyTooSlow)
    return [(kind.status, kind.code, kind.title) for kind in kinds]


def _contents(operation: Json) -> Iterator[Json]:
    for holder in (operation.get("requestBody", {}), *operation["responses"].values()):
        for kind, content in holder.get("content", {}).items():
            if kind != PROBLEM:
                yield content


def _by_status(kinds: Iterable[tuple[int, str, str]]) -> Answers:
    found: Answers = {}
    for status, code, title in kinds:
        answer = found.setdefault(status, _empty_problem(status))
        answer["content"][PROBLEM]["examples"][code] = {"summary": title, "value": _example(status, code, title)}
    return found


def _empty_problem(status: int) -> Json:
    content = {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}
    return {"description": HTTPStatus(status).phrase, "content": {PROBLEM: content}}


def _example(status: int, code: str, title: str) -> Json:
    return {
        "type": f"urn:slicing4meta:problem:{code}", "title": title, "status": status, "code": code,
        "detail": "What happened, and why.", "remedy": "What to do next.",
    }  # fmt: skip


def _merge(answers: Json, more: Answers) -> None:
    for status, answer in more.items():
        known = answers.setdefault(str(status), answer)
        if known is not answer:
            content = known.setdefault("content", {}).setdefault(
                PROBLEM, _empty_problem(int(status))["content"][PROBLEM]
            )
            content.setdefault("examples", {}).update(answer["content"][PROBLEM]["examples"])


def example_of(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Any:
    """A value that the schema admits, of the examples that its fields have."""
    if "$ref" in schema and "examples" not in schema:
        return example_of(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    for known in ("example", "const", "default"):
        if known in schema:
            return schema[known]
    for known in ("examples", "enum"):
        if schema.get(known):
            return schema[known][0]
    for known in ("anyOf", "oneOf", "allOf"):
        if known in schema:
            return example_of(schema[known][0], schemas)
    return _example_of_type(schema, schemas)


def _example_of_type(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Any:
    match schema.get("type"):
        case "object":
            fields = schema.get("properties", {})
            return {name: example_of(field, schemas) for name, field in fields.items()}
        case "array":
            return [example_of(schema["items"], schemas)]
        case "integer" | "number":
            return schema.get("minimum", 0)
        case "boolean":
            return True
        case "string":
            return "text"
    return None
