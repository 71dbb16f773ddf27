"""The OpenAPI 3.1 document of /api/v1, generated from the routes: their types, docstrings, errors, examples.

`document` completes what FastAPI makes: examples on every operation (built from the fields' own), the gate's refusals
(`trust.openapi`), the Idempotency-Key of every call that changes something.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from marketplace.errors import KeyBusy, KeyReused, MalformedInput
from trust.openapi import PROBLEM, Answers, Json, add_refusals, merge, operations, problems
from trust.policy import Policy

__all__ = ["CHANGES", "KEPT_BY_KEY", "PROBLEM", "Answers", "document", "problems", "stream_of"]

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
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for _, method, operation in operations(made):
        _complete(method, operation, schemas)
    add_refusals(made, "marketplace", Policy.load())
    return made


def _complete(method: str, operation: Json, schemas: Json) -> None:
    answers = operation["responses"]
    if "HTTPValidationError" in str(answers.get("422")):
        answers.pop("422")  # the marketplace answers malformed input by a 400 problem
        merge(answers, problems(MalformedInput))
    if method in CHANGES and operation.pop(KEPT_BY_KEY, True):
        operation.setdefault("parameters", []).append(KEY_HEADER)
        merge(answers, problems(KeyBusy, KeyReused))
    for content in _contents(operation):
        if "example" not in content and "schema" in content:
            content["example"] = example_of(content["schema"], schemas)


def _contents(operation: Json) -> Iterator[Json]:
    for holder in (operation.get("requestBody", {}), *operation["responses"].values()):
        for kind, content in holder.get("content", {}).items():
            if kind != PROBLEM:
                yield content


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
