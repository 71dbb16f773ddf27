"""Request, terms and spec documents by their hash: `PUT` and `GET /api/v1/documents/{hash}`.

The hash is the SHA-256 of the RFC 8785 bytes, the same value that stands on-chain. Buyers put requests before they
order, `s4m catalog publish` puts specs and terms; the orchestrator reads them.
It does not judge whether a request can be met.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import rfc8785
from fastapi import APIRouter, Request, Response
from sqlalchemy import Engine, select

from marketplace.database import documents
from marketplace.errors import MalformedDocument, UnknownDocument
from marketplace.openapi import problems
from storage import upsert

if TYPE_CHECKING:
    from marketplace.parts import Parts  # parts hold the store that is defined here

MOST_PARSED = 1024
"""Parsed documents that are remembered; the reference catalogue has 140."""
REQUEST_SCHEMAS = ("s4m/request/1", "s4m/request/2")


@cache
def _request_schema(name: str) -> dict[str, Any]:
    """The same schema by which MSMF reads; a test holds both files together."""
    file = f"request-{name.rpartition('/')[2]}.schema.json"
    return dict(json.loads((Path(__file__).parent / file).read_text("utf-8")))


def canonical(document: object) -> bytes:
    """The RFC 8785 bytes of a JSON value; raises `MalformedDocument` for what is none, such as NaN."""
    try:
        return rfc8785.dumps(document)  # type: ignore[arg-type]
    except (rfc8785.CanonicalizationError, RecursionError) as error:
        raise MalformedDocument(f"it is not JSON: {error}.", remedy="Send RFC 8785 canonical JSON.") from error


def hash_of(document: object) -> bytes:
    """SHA-256 of the canonical bytes: `requirementsHash`, `termsHash`, `specHash`."""
    return hashlib.sha256(canonical(document)).digest()


def plain_hex(digest: str) -> str:
    """A hash as 64 lower-case hex digits without 0x: the key of a document."""
    return digest.lower().removeprefix("0x")


def check(digest: str, body: bytes, limit: int) -> str:
    """Raises `MalformedDocument` unless `body` is the canonical document of that hash; returns its schema's name."""
    if len(body) > limit:
        raise MalformedDocument(f"{len(body)} bytes, at most {limit} are allowed.", remedy="Send a smaller document.")
    if hashlib.sha256(body).hexdigest() != plain_hex(digest):
        raise MalformedDocument(
            "its SHA-256 is not the hash in the address.", remedy="Hash exactly the bytes that you send."
        )
    document = _parsed(body)
    schema = str(document.get("schema", ""))
    if schema in REQUEST_SCHEMAS:
        check_request(document)
    return schema


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
        same = canonical(document) == body
    except (ValueError, RecursionError) as error:
        raise MalformedDocument(f"it is not JSON: {error}.", remedy="Send RFC 8785 canonical JSON.") from error
    if not isinstance(document, dict) or not same:
        raise MalformedDocument("it is not a canonical JSON object.", remedy="Serialise it by RFC 8785 (JCS).")
    return document


def check_request(document: dict[str, Any]) -> None:
    """Raises `MalformedDocument` unless the document is a request of a schema that is read."""
    schema = document.get("schema")
    if schema not in REQUEST_SCHEMAS:
        raise MalformedDocument(
            f"its schema is {schema!r}, no request's.", remedy=f"Write a document of schema {REQUEST_SCHEMAS[-1]}."
        )
    try:
        jsonschema.validate(document, _request_schema(schema))
    except jsonschema.ValidationError as error:
        where = "/".join(str(step) for step in error.absolute_path) or "the document"
        raise MalformedDocument(f"{where}: {error.message}.", remedy=f"See schema {schema}.") from error


def _is_private(body: bytes) -> bool:
    """Requests tell what a buyer wants: only components read them. Specs and terms are for everybody."""
    return str(json.loads(body).get("schema", "")).startswith("s4m/request/")


class Documents:
    """The documents table."""

    def __init__(self, engine: Engine, limit: int) -> None:
        self._engine = engine
        self._limit = limit
        self._parsed: dict[str, dict[str, Any]] = {}
        self.version = 0
        """Grows with each spec or terms document that is put."""

    def put(self, digest: str, body: bytes) -> None:
        """Stores a checked document; putting it again changes nothing."""
        schema = check(digest, body, self._limit)
        row = upsert(documents).values(hash=plain_hex(digest), schema=schema, body=body)
        with self._engine.begin() as connection:
            connection.execute(row.on_conflict_do_nothing())
        if schema not in REQUEST_SCHEMAS:
            self.version += 1

    def body(self, digest: str) -> bytes | None:
        with self._engine.connect() as connection:
            found = connection.execute(select(documents.c.body).where(documents.c.hash == plain_hex(digest))).scalar()
        return None if found is None else bytes(found)

    def document(self, digest: str) -> dict[str, Any] | None:
        """The parsed document, None where nobody has put it. Not to be changed: what a hash names never does."""
        key = plain_hex(digest)
        if key not in self._parsed and (body := self.body(key)) is not None:
            if len(self._parsed) >= MOST_PARSED:
                self._parsed.clear()
            self._parsed[key] = dict(json.loads(body))
        return self._parsed.get(key)


EXAMPLE = {
    "isolation": 0,
    "qoe": {"rate_mbps": 250},
    "schema": "s4m/request/1",
    "service": "data-management",
    "users": 1,
}
_CONTENT = {"application/json": {"schema": {"type": "object"}, "example": EXAMPLE}}
ANY_JSON: dict[int | str, dict[str, Any]] = {200: {"description": "The document.", "content": _CONTENT}}
BODY = {"requestBody": {"required": True, "content": _CONTENT}}


def router(parts: Parts) -> APIRouter:
    routes = APIRouter(tags=["documents"])

    @routes.put("/documents/{digest}", status_code=204, responses=problems(MalformedDocument), openapi_extra=BODY)
    async def put_document(digest: str, request: Request) -> Response:
        """Store a request, spec or terms document under the SHA-256 of its RFC 8785 bytes, which are the body."""
        await asyncio.to_thread(parts.documents.put, digest, await request.body())
        return Response(status_code=204)

    @routes.get("/documents/{digest}", responses={**ANY_JSON, **problems(UnknownDocument)}, response_class=Response)
    def get_document(digest: str, request: Request) -> Response:
        """A spec or terms document as it was put. Requests are private: only components read them."""
        body = parts.documents.body(digest)
        if body is None or (_is_private(body) and request.state.caller.is_anonymous):
            raise UnknownDocument(f"nobody has put {digest}.", remedy="PUT it first.")
        return Response(body, media_type="application/json")

    return routes
