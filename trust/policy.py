"""Who may call what: policy.toml, read once, asked by the gate on every request. What no row names is denied.

A row is (app, method, path template) with the components that may call it and, if any, the other ways in: `public`
(harmless), `signed` (the handler verifies a signature in the body or in `signed_header`), `session` (a buyer's session
token, only for the subscription that the path's {subscriptionId} names), `delegate` (likewise, of a session that a pass
opened), `account` (a person who signed in). Method MOUNT lets a sub-app through to its own gate, or, with access
"public", opens a folder of static files to GET. Templates are compared without parameter names.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Self

from trust.errors import PolicyBroken
from trust.keys import COMPONENTS

DEFAULT_MAX_BODY = 1 << 20
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "MOUNT"})
ACCESS = frozenset({"public", "signed", "session", "delegate", "account"})
TOKENED = frozenset({"session", "delegate", "account"})
"""Ways in that a token opens which a program of ours minted for a person."""

_PARAMETER = re.compile(r"\{[^{}:]*(:[a-z]+)?\}")
_FIELDS = frozenset({"callers", "access", "scope", "max_body", "signed_header", "proof"})


def shape(template: str) -> str:
    """The template without parameter names: `/plans/{planId}` → `/plans/{}`."""
    return _PARAMETER.sub(lambda match: "{" + (match[1] or "") + "}", template)


@dataclass(frozen=True, slots=True)
class Row:
    """One allowed thing. `proof`: even a request without a token must carry a DPoP proof."""

    app: str
    method: str
    path: str
    callers: frozenset[str] = frozenset()
    access: frozenset[str] = frozenset()
    scope: str = ""
    max_body: int = DEFAULT_MAX_BODY
    signed_header: str = ""
    proof: bool = False
    subscription_at: int | None = field(init=False)  # which path parameter names the subscription

    def __post_init__(self) -> None:
        names = [match[0].strip("{}").partition(":")[0] for match in _PARAMETER.finditer(self.path)]
        position = names.index("subscriptionId") if "subscriptionId" in names else None
        object.__setattr__(self, "subscription_at", position)


class Policy:
    """A table of rows; immutable. `Policy.load()` is the one that ships with the package."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows = tuple(rows)
        self._index: dict[tuple[str, str, str], Row] = {}
        for row in self.rows:
            key = (row.app, row.method, shape(row.path))
            if key in self._index:
                raise PolicyBroken(f"Two rows for {row.app} {row.method} {row.path}.")
            self._index[key] = row

    @staticmethod
    @cache
    def load() -> "Policy":
        """The shipped policy.toml; read once."""
        return Policy.parse((files("trust") / "policy.toml").read_text("utf-8"))

    @classmethod
    def from_file(cls, path: Path) -> Self:
        return cls.parse(path.read_text("utf-8"))

    @classmethod
    def parse(cls, text: str) -> Self:
        """PolicyBroken when it is not TOML or a row is malformed."""
        try:
            table = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise PolicyBroken(f"policy.toml is not TOML: {error}.") from error
        return cls(_row(app, line, entry) for app, lines in table.items() for line, entry in lines.items())

    def find(self, app: str, method: str, template: str) -> Row | None:
        return self._index.get((app, method, shape(template)))

    def scopes(self, app: str, component: str) -> frozenset[str]:
        """The scopes that this component needs at this app: what its tokens carry by default."""
        return frozenset(row.scope for row in self.rows if row.app == app and component in row.callers and row.scope)

    def matrix(self) -> list[dict[str, str]]:
        """One dict a row, for `s4m trust policy`: app, method, path, who, scope."""
        return [
            {
                "app": row.app,
                "method": row.method,
                "path": row.path,
                "who": ", ".join([*sorted(row.callers), *sorted(row.access)]) or "the sub-app's own gate",
                "scope": row.scope,
            }
            for row in self.rows
        ]


def _row(app: str, line: str, entry: Mapping[str, Any]) -> Row:
    method, _, path = line.partition(" ")
    name = f"{app} {line}"
    access = entry.get("access", [])
    row = Row(
        app=app,
        method=method,
        path=path,
        callers=frozenset(entry.get("callers", [])),
        access=frozenset([access] if isinstance(access, str) else access),
        scope=str(entry.get("scope", "")),
        max_body=int(entry.get("max_body", DEFAULT_MAX_BODY)),
        signed_header=str(entry.get("signed_header", "")).lower(),
        proof=bool(entry.get("proof", False)),
    )
    _require(not entry.keys() - _FIELDS, name, f"unknown fields {sorted(entry.keys() - _FIELDS)}")
    _require(row.app in COMPONENTS, name, f"no such app {row.app!r}")
    _require(row.method in METHODS, name, f"no such method {row.method!r}")
    _require(row.path.startswith("/"), name, "the path does not start with /")
    _require(row.callers <= set(COMPONENTS), name, f"no such component {sorted(row.callers - set(COMPONENTS))}")
    _require(row.access <= ACCESS, name, f"no such access {sorted(row.access - ACCESS)}")
    _require(bool(row.callers or row.access) or row.method == "MOUNT", name, "nobody may call it: delete the row")
    tied = not row.access & {"session", "delegate"} or row.subscription_at is not None
    _require(tied, name, "a session needs {subscriptionId}")
    _require(not row.callers or bool(row.scope), name, "rows for components name a scope")
    return row


def _require(ok: bool, name: str, why: str) -> None:
    if not ok:
        raise PolicyBroken(f"policy.toml, row {name}: {why}.")
