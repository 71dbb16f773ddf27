"""docs/reference/api.md and problems.md, written from the code: `python -m scripts.reference`; `--check`: fresh?

api.md is the OpenAPI document for readers, problems.md every stable code with its class's words.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from fastapi import FastAPI

import ledger.errors
import trust.errors
from ledger.errors import LedgerError
from ledger.reverts import SENTENCES, snake_case
from marketplace.app import API, add_features, add_health
from marketplace.errors import MarketplaceError, WalletError, status_of
from marketplace.openapi import PROBLEM, document
from marketplace.parts import Parts
from orchestrator.errors import OrchestratorError
from orchestrator.gateway.errors import GatewayError

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
HEAD = "<!-- Written by `python -m scripts.reference`; do not edit. -->\n"


def openapi() -> dict[str, Any]:
    """The document, without a house: routes look at their parts only when they are called."""
    app, nothing = FastAPI(), cast(Parts, None)
    add_features(app, nothing)
    add_health(app, nothing)
    return document(app, API)


def api_page() -> str:
    """Every operation by its tag: what it takes, what it answers, its problems, an example."""
    described = openapi()
    by_tag: dict[str, list[str]] = {}
    for path, item in described["paths"].items():
        for method, operation in item.items():
            by_tag.setdefault(operation["tags"][0], []).append(_operation(method, path, operation))
    parts = [f"## {tag.capitalize()}\n\n" + "\n".join(pages) for tag, pages in sorted(by_tag.items())]
    return f"{HEAD}\n# API\n\n{described['info']['description']}\n{INTRODUCTION}\n" + "\n".join(parts)


INTRODUCTION = f"""
The same as a document for programs: `GET {API}/openapi.json` (OpenAPI 3.1). Problems are `{PROBLEM}`
with a stable `code` ([problems.md](problems.md)). Lists come in pages: `items`, and `next`, the path of the page after
it. Every call that changes something takes an `Idempotency-Key`. Streams are server-sent events, taken up again by
`Last-Event-ID`. The gateway's own calls: [http-402.md](http-402.md).
"""


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    lines = [f"### `{method.upper()} {path.removeprefix(API)}`\n", operation["description"] + "\n"]
    for parameter in operation.get("parameters", []):
        what = parameter.get("description") or parameter["schema"].get("description", "")
        lines.append(f"- `{parameter['name']}` ({parameter['in']}){': ' if what else ''}{what}")
    if operation.get("parameters"):
        lines.append("")
    lines += [*_body("Takes", operation.get("requestBody", {}))]
    for status, answer in operation["responses"].items():
        if status.startswith("2"):
            lines += _body(f"Answers {status}", answer) or [f"Answers {status}.\n"]
    lines.append("Problems: " + ", ".join(_codes(operation)) + ".\n")
    return "\n".join(lines)


def _body(what: str, holder: dict[str, Any]) -> list[str]:
    found = []
    for kind, content in holder.get("content", {}).items():
        if kind != PROBLEM:
            example = content["example"]
            shown = example if isinstance(example, str) else json.dumps(example, indent=2, ensure_ascii=False)
            found.append(f"{what}, `{kind}`:\n\n```\n{shown.strip()}\n```\n")
    return found


def _codes(operation: dict[str, Any]) -> Iterator[str]:
    for status, answer in operation["responses"].items():
        for code in answer.get("content", {}).get(PROBLEM, {}).get("examples", {}):
            yield f"`{code}` ({status})"


def problems_page() -> str:
    """Every stable code: where it comes from, its status, its title, what it is about."""
    sections: list[tuple[str, list[type[Any]]]] = [
        ("The marketplace", [kind for kind in _below(MarketplaceError) if not issubclass(kind, WalletError)]),
        ("The gate, on every route", _below(trust.errors.Refusal)),
        ("The gateway", _below(GatewayError)),
        (
            "The orchestrator, passed on",
            [kind for kind in _below(OrchestratorError) if kind not in _below(GatewayError)],
        ),
        ("The node and the ledger, passed on", _below(LedgerError)),
        ("The buyer's client, on its own side", [WalletError, *_below(WalletError)]),
    ]
    told = "\n".join(f"## {title}\n\n{_table(kinds)}" for title, kinds in sections)
    return f"{HEAD}{PROBLEMS}\n{told}\n## The contracts, passed on\n\n{_reverts()}"


PROBLEMS = """
# Problems

Every refusal is a problem document (RFC 9457, `application/problem+json`): `type`, `title`, `status`, `code`, `detail`
(what happened, and why), `remedy` (what to do next), and values for programs. `code` is stable; all else may be worded
anew.
"""


def _table(kinds: list[type[Any]]) -> str:
    rows = {}
    for kind in kinds:
        code = str(kind.code)
        rows[code] = f"| `{code}` | {_status(kind)} | {getattr(kind, 'title', '') or _first_line(kind)} |"
    return "| code | status | what happened |\n|---|---|---|\n" + "\n".join(rows[code] for code in sorted(rows)) + "\n"


def _status(kind: type[Any]) -> str:
    return str(status_of(kind, kind.code) if issubclass(kind, LedgerError) else kind.status)


def _first_line(kind: type[Any]) -> str:
    """Of a class without a title its line in the tree at the top of its module, or its own docstring."""
    for line in (ledger.errors.__doc__ or "").splitlines():
        name, _, words = line.strip("│├└─ ").partition("  ")
        if name == kind.__name__ and words:
            return words.strip().partition(" (decoded")[0]
    return (kind.__doc__ or _spaced(kind.__name__)).strip().splitlines()[0].rstrip(".")


def _spaced(name: str) -> str:
    return snake_case(name).replace("_", " ").capitalize()


def _below(root: type[Any]) -> list[type[Any]]:
    found = []
    for kind in root.__subclasses__():
        if kind.__module__.partition(".")[0] in ("marketplace", "trust", "orchestrator", "ledger"):
            found += [kind, *_below(kind)]
    return found


def _reverts() -> str:
    rows = {snake_case(name): words for name, words in SENTENCES.items()}
    told = "\n".join(f"| `{code}` | {what} | {remedy} |" for code, (what, remedy) in sorted(rows.items()))
    return (
        f"Status 409: the contract's own error, with its values.\n\n| code | what | remedy |\n|---|---|---|\n{told}\n"
    )


PAGES = {"api.md": api_page, "problems.md": problems_page}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail where a page is not what the code says")
    check = parser.parse_args().check
    for name, render in PAGES.items():
        file, due = FOLDER / name, render()
        if check and (not file.exists() or file.read_text("utf-8") != due):
            raise SystemExit(f"error: docs/reference/{name} is stale; run `python -m scripts.reference`")
        if not check:
            file.write_text(due, "utf-8")


if __name__ == "__main__":
    main()
