"""What an app's OpenAPI document says of its problems: those of its handlers, and all that its gate can refuse.

Every app's document is completed here; a route's row of the policy decides what the gate can answer there.
"""

from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any, ClassVar, Protocol

from trust import errors
from trust.policy import TOKENED, Policy, Row

Json = dict[str, Any]
Answers = dict[int | str, dict[str, Any]]
PROBLEM = "application/problem+json"
SCHEMA: Json = {
    "type": "object",
    "description": "RFC 9457. `code` is stable; docs/reference/problems.md has them all.",
    "required": ["title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string", "description": "What happened, and why."},
        "remedy": {"type": "string", "description": "What to do next."},
    },
}


class ProblemKind(Protocol):
    """A class of errors that becomes problem+json."""

    code: ClassVar[str]
    status: ClassVar[int]
    title: ClassVar[str]


ALWAYS = (errors.NotAllowed, errors.TooManyRequests)
OF_BODY = (errors.BodyTooLarge, errors.BodyTooSlow)
OF_PROOF = (errors.ProofInvalid, errors.ProofReplayed, errors.BodyAltered, errors.ReplayStoreBusy)
OF_TOKEN = (
    errors.TokenMissing, errors.TokenInvalid, errors.TokenExpired, errors.KeyNotEnrolled, errors.KeyRevoked,
    errors.TokenRevoked, errors.EnrolmentUnreachable, errors.RevocationsUnreadable,
)  # fmt: skip
OF_PEOPLE = (errors.ReauthenticationRequired, errors.NotEntitled, errors.SignedOut)


def problems(*kinds: type[Any]) -> Answers:
    """The problem answers of these errors, by status; for FastAPI's `responses`."""
    return by_status((kind.status, kind.code, kind.title) for kind in kinds)


def by_status(kinds: Iterable[tuple[int, str, str]]) -> Answers:
    """As `problems`, of (status, code, title)."""
    found: Answers = {}
    for status, code, title in kinds:
        answer = found.setdefault(status, _empty(status))
        answer["content"][PROBLEM]["examples"][code] = {"summary": title, "value": _example(status, code, title)}
    return found


def add_refusals(document: Json, app: str, policy: Policy) -> None:
    """Completes every operation by what the gate of `app` can refuse there, and the schema of problems."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = SCHEMA
    for path, method, operation in operations(document):
        row = policy.find(app, method.upper(), path)
        merge(operation["responses"], problems(*(ALWAYS if row is None else _of_row(row))))


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    """(path, method in small letters, operation)."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def merge(answers: Json, more: Answers) -> None:
    """Adds problems to an operation's `responses`; what it says already stays."""
    for status, answer in more.items():
        known = answers.setdefault(str(status), _empty(int(status)))
        content = known.setdefault("content", {}).setdefault(PROBLEM, _empty(int(status))["content"][PROBLEM])
        content.setdefault("examples", {}).update(answer["content"][PROBLEM]["examples"])


def _of_row(row: Row) -> Iterator[type[errors.Refusal]]:
    yield from ALWAYS
    yield from () if row.method == "GET" else OF_BODY
    is_tokened = bool(row.callers or row.access & TOKENED)
    yield from OF_TOKEN if is_tokened else ()
    yield from OF_PEOPLE if row.access & TOKENED else ()
    yield from OF_PROOF if is_tokened or row.proof else ()


def _empty(status: int) -> Json:
    content = {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}
    return {"description": HTTPStatus(status).phrase, "content": {PROBLEM: content}}


def _example(status: int, code: str, title: str) -> Json:
    return {
        "type": f"urn:slicing4meta:problem:{code}", "title": title, "status": status, "code": code,
        "detail": "What happened, and why.", "remedy": "What to do next.",
    }  # fmt: skip
