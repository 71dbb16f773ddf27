"""Rules of this house that no linter has, over the syntax trees of what ships; `python -m scripts.security` runs them.

A line that breaks one for a good reason says why: `# safe: RULE — reason` (of SQL, ruff's S608 does as well). Each rule
has samples that it finds, and ones that it lets pass, in tests/scripts/test_security.py.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

SHIPPED = ("storage", "ledger", "trust", "marketplace", "orchestrator", "s4m")
SECRET = re.compile(r"(^|_)(secret|password|passphrase|mnemonic|private_key|api_key)$")
MAC = re.compile(r"(^|_)(mac|hmac|secret|password|passphrase)$")
LOGGERS = frozenset({"debug", "info", "warning", "error", "critical", "exception", "bind"})
UNSAFE_LOADERS = frozenset(
    {"pickle.loads", "pickle.load", "marshal.loads", "yaml.load", "shelve.open", "eval", "exec", "jsonpickle.decode"}
)
SQL_CALLS = frozenset({"execute", "executescript", "executemany", "exec_driver_sql", "text"})


@dataclass(frozen=True)
class Rule:
    """`breaks` looks at one node of the tree; folders of `but_in` have no need of the rule."""

    name: str
    why: str
    breaks: Callable[[ast.AST], bool]
    but_in: tuple[str, ...] = ()


@dataclass(frozen=True)
class Broken:
    """Where a rule is broken."""

    rule: str
    path: Path
    line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {next(rule.why for rule in RULES if rule.name == self.rule)}"


def findings(root: Path) -> list[Broken]:
    """All unexplained breaks in what ships."""
    files = sorted(path for package in SHIPPED for path in (root / package).rglob("*.py"))
    return [broken for path in files for broken in findings_in(path.read_text(), path.relative_to(root))]


def findings_in(source: str, path: Path) -> Iterator[Broken]:
    """Of one file."""
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        for rule in RULES:
            if (
                not str(path).startswith(rule.but_in or ("/",))
                and rule.breaks(node)
                and not _is_explained(rule.name, node, lines)
            ):
                yield Broken(rule.name, path, getattr(node, "lineno", 0))


def _is_explained(rule: str, node: ast.AST, lines: list[str]) -> bool:
    first, last = getattr(node, "lineno", 1), getattr(node, "end_lineno", None) or 1
    known = rf"# safe: {rule} — \S" + (r"|noqa: .*S608" if rule == "sql" else "")
    return any(re.search(known, line) for line in lines[first - 1 : last])


def _name(node: ast.AST) -> str:
    """`a.b.c` of a name or an attribute; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        inside = _name(node.value)
        return f"{inside}.{node.attr}" if inside else node.attr
    return ""


def _called(node: ast.AST) -> str:
    return _name(node.func) if isinstance(node, ast.Call) else ""


def _option(node: ast.AST, name: str) -> object:
    """The constant that a call gives for a keyword; None where there is none."""
    for keyword in node.keywords if isinstance(node, ast.Call) else ():
        if keyword.arg == name and isinstance(keyword.value, ast.Constant):
            return keyword.value.value
    return None


def _runs_a_shell(node: ast.AST) -> bool:
    called = _called(node)
    shells = ("os.system", "os.popen", "subprocess.getoutput", "asyncio.create_subprocess_shell")
    return called in shells or _option(node, "shell") is True


def _loads_code(node: ast.AST) -> bool:
    return _called(node) in UNSAFE_LOADERS


def _trusts_any_host(node: ast.AST) -> bool:
    unverified = _option(node, "verify") is False or _option(node, "check_hostname") is False
    return unverified or _called(node).endswith("_create_unverified_context")


def _takes_a_secret_by_option(node: ast.AST) -> bool:
    """An option whose value is the secret itself, not the file that holds it."""
    if not _called(node).endswith((".option", ".add_argument")) or not isinstance(node, ast.Call):
        return False
    flags = [str(word.value) for word in node.args if isinstance(word, ast.Constant)]
    names = (flag.removeprefix("--").replace("-", "_") for flag in flags if flag.startswith("--"))
    kinds = [_name(keyword.value) for keyword in node.keywords if keyword.arg == "type"]
    return any(SECRET.search(name) for name in names) and "SECRET_FILE" not in kinds


def _hands_a_secret_to_a_command(node: ast.AST) -> bool:
    """A list of words that starts a program, with a secret among them."""
    starts = _called(node).rpartition(".")[2] in (
        "run",
        "Popen",
        "check_output",
        "check_call",
        "create_subprocess_exec",
    )
    words = [word for argument in getattr(node, "args", []) for word in ast.walk(argument)] if starts else []
    return any(SECRET.search(_name(word).rpartition(".")[2]) for word in words)


def _writes_sql_from_values(node: ast.AST) -> bool:
    if _called(node).rpartition(".")[2] not in SQL_CALLS or not isinstance(node, ast.Call) or not node.args:
        return False
    sql = node.args[0]
    if not isinstance(sql, ast.JoinedStr | ast.BinOp):
        return False
    written = [part for part in ast.walk(sql) if isinstance(part, ast.Name | ast.Attribute | ast.Call)]
    return not all(_name(part).rpartition(".")[2].isupper() for part in written)


def _compares_secrets_plainly(node: ast.AST) -> bool:
    if not isinstance(node, ast.Compare) or not isinstance(node.ops[0], ast.Eq | ast.NotEq):
        return False
    sides = (node.left, *node.comparators)
    against_constant = any(isinstance(side, ast.Constant) for side in sides)
    return not against_constant and any(MAC.search(_name(side).rpartition(".")[2]) for side in sides)


def _draws_predictably(node: ast.AST) -> bool:
    names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
    return "random" in names or (isinstance(node, ast.ImportFrom) and node.module == "random")


def _logs_a_secret(node: ast.AST) -> bool:
    *owner, verb = _called(node).split(".")
    if verb not in LOGGERS or not any("log" in part for part in owner) or not isinstance(node, ast.Call):
        return False
    told = [_name(part) for value in (*node.args, *(k.value for k in node.keywords)) for part in ast.walk(value)]
    named = [keyword.arg or "" for keyword in node.keywords]
    return any(SECRET.search(name.rpartition(".")[2]) or name == "token" for name in (*told, *named))


def _reads_tokens_by_library(node: ast.AST) -> bool:
    return _called(node) == "jwt.decode" or _called(node) == "jwt.get_unverified_header"


def _hashes_weakly(node: ast.AST) -> bool:
    return _called(node).rpartition(".")[2] in ("md5", "sha1") or (
        _called(node).endswith("hashlib.new") and _option(node, "name") in ("md5", "sha1")
    )


RULES = (
    Rule("shell", "no shell: words go to a program as a list", _runs_a_shell),
    Rule("loader", "no code is read from data: JSON only", _loads_code),
    Rule("any-host", "a certificate or a host name is always verified", _trusts_any_host),
    Rule(
        "secret-option",
        "a secret comes by a file, standard input or a prompt, never by an option",
        _takes_a_secret_by_option,
    ),
    Rule("secret-word", "no secret on a program's command line: everybody can read it", _hands_a_secret_to_a_command),
    Rule("sql", "values are bound, never written into SQL", _writes_sql_from_values, ("orchestrator/migrations/",)),
    Rule("compare", "secrets are compared by hmac.compare_digest", _compares_secrets_plainly),
    Rule(
        "random",
        "keys, nonces and ids come from `secrets`",
        _draws_predictably,
        ("orchestrator/models/", "orchestrator/placement/"),
    ),
    Rule("log", "no secret, key or token in a log", _logs_a_secret),
    Rule("jwt", "tokens are read by trust.jws: the key decides the algorithm", _reads_tokens_by_library),
    Rule("weak-hash", "SHA-256 or keccak", _hashes_weakly),
)
