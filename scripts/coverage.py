"""Measure what of contracts/ the unit tests run, lines and branches; fail below the bar.

Called by `make coverage`. Runs `forge coverage` over a copy of the contracts and of the unit tests in
`.build/coverage`, so that nothing of `.build/out` is disturbed.

Why a copy: the contracts need via-IR, of which forge 1.7.1 reads the places wrongly: it finds neither branch of
`require(condition, Error())` (foundry issue 10829) and counts lines as run whose predecessor reverted. What it counts
rightly are functions. So the copy calls one at each place that matters: `require(Probes.s3());` before a statement, and
for a condition c `((c) ? Probes.t7() : Probes.f7())`, which is true or false as c was.

A line has run when each statement that begins on it has; an assembly block is one statement and must hold no jumps.
Branches are the two outcomes of each condition of `require`, `if`, `?:`, loops and `try`, and of each operand of `&&`
and `||`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from scripts.compile import SETTINGS, SOLC_VERSION, link_compiler  # noqa: E402  (the path must be set first)

STAGE = ROOT / ".build" / "coverage"
BAR = 98.0  # percent, of lines and of branches
FUZZ_RUNS = 64  # a branch that so few runs miss deserves a test of its own
TESTS = Path("tests") / "solidity"
UNITS = ("market", "catalog", "assets", "identity", "devnet")
PROBES = "probes.sol"
JUMPS = ("YulIf", "YulForLoop", "YulSwitch")
CONFIG = """[profile.default]
src = "contracts"
test = "tests/solidity"
script = "none"
out = "out"
cache_path = "cache"
libs = ["node_modules"]
auto_detect_remappings = false
remappings = {remappings}
solc = "{solc}"
offline = true
evm_version = "{evm_version}"
bytecode_hash = "none"
cbor_metadata = false
dynamic_test_linking = true
ignored_warnings_from = ["node_modules"]
ignored_error_codes = {ignored}
"""

Node = dict[str, Any]


class CoverageError(Exception):
    """Nothing was measured; the message says why."""


@dataclass(frozen=True)
class Statement:
    """Probe `s<number>` tells how often it ran."""

    number: int
    path: str
    line: int


@dataclass(frozen=True)
class Condition:
    """Probes `t<number>` and `f<number>` tell how often it was true and false. Of a statement: what it decides by."""

    number: int
    path: str
    line: int
    text: str
    statement: int | None


@dataclass
class Copy:
    """Sources with their probes, by path, and what the probes stand for."""

    texts: dict[str, bytes]
    statements: list[Statement]
    conditions: list[Condition]


# ---- the copy


def walk(node: object) -> Iterator[Node]:
    if isinstance(node, dict):
        if "nodeType" in node:
            yield node
        for value in node.values():
            yield from walk(value)
    elif isinstance(node, list):
        for value in node:
            yield from walk(value)


def span(node: Node) -> tuple[int, int]:
    """Where a node begins and ends, in bytes."""
    start, length, _ = map(int, node["src"].split(":"))
    return start, start + length


def is_joint(node: Node) -> bool:
    """`a && b`, `a || b`, also in parentheses."""
    while node["nodeType"] == "TupleExpression" and len(node["components"]) == 1:
        node = node["components"][0]
    return node["nodeType"] == "BinaryOperation" and node["operator"] in ("&&", "||")


def parted(node: Node) -> list[Node]:
    """The conditions that a node decides by, and the operands of one that is joint."""
    kind = node["nodeType"]
    if kind in ("IfStatement", "Conditional", "WhileStatement", "DoWhileStatement"):
        return [node["condition"]]
    if kind == "ForStatement":
        return [node["condition"]] if node.get("condition") else []
    if kind == "FunctionCall" and node["expression"].get("name") in ("require", "assert"):
        return [node["arguments"][0]]
    if is_joint(node) and kind == "BinaryOperation":
        return [side for side in (node["leftExpression"], node["rightExpression"]) if not is_joint(side)]
    return []


def decision(statement: Node) -> Node | None:
    """The condition that a statement evaluates exactly once, when it runs to its end."""
    if statement["nodeType"] == "ExpressionStatement":
        statement = statement["expression"]
    once = statement["nodeType"] in ("IfStatement", "FunctionCall")
    return next(iter(parted(statement)), None) if once else None


def bodies(node: Node) -> list[Node]:
    """The branches of a node that stand without braces."""
    found = [node.get(part) for part in ("trueBody", "falseBody", "body")]
    return [body for body in found if body and body["nodeType"] not in ("Block", "UncheckedBlock", "IfStatement")]


class Instrument:
    """Puts probes into one source. Inserts never cross lines, so every line keeps its number."""

    def __init__(self, path: str, text: bytes, copy: Copy, first: int) -> None:
        self.path, self.text, self.copy = path, text, copy
        self.number = first
        self.inserts: list[tuple[int, int, bytes]] = []  # where, in which order there, what

    def put(self, where: int, what: bytes, order: int = 0) -> None:
        self.inserts.append((where, order, what))

    def line(self, offset: int) -> int:
        return self.text.count(b"\n", 0, offset) + 1

    def visit(self, tree: Node) -> None:
        decided: dict[int, int] = {}  # condition's id → its statement's probe
        for node in walk(tree):
            kind = node["nodeType"]
            if kind in ("Block", "UncheckedBlock"):
                for statement in node["statements"]:
                    self.statement(statement, decided)
            if kind in ("IfStatement", "ForStatement", "WhileStatement"):
                for body in bodies(node):
                    self.put(span(body)[0], b"{ ", -1)
                    self.statement(body, decided)
                    self.put(self.end(body), b" }")
            for condition in parted(node):
                self.condition(condition, decided.get(condition["id"]))
            if kind == "TryStatement":
                self.attempt(node)

    def statement(self, node: Node, decided: dict[int, int]) -> None:
        kind = node["nodeType"]
        if kind in ("Block", "UncheckedBlock", "PlaceholderStatement"):
            return
        if kind == "InlineAssembly" and any(inner["nodeType"] in JUMPS for inner in walk(node)):
            raise CoverageError(f"{self.path}: an assembly block with jumps is no single statement")
        self.number += 1
        self.put(span(node)[0], b"require(Probes.s%d()); " % self.number)
        self.copy.statements.append(Statement(self.number, self.path, self.line(span(node)[0])))
        if condition := decision(node):
            decided[condition["id"]] = self.number

    def condition(self, node: Node, statement: int | None) -> None:
        self.number += 1
        start, end = span(node)
        self.put(start, b"((", start - end)
        self.put(end, b") ? Probes.t%d() : Probes.f%d())" % (self.number, self.number), end - start - len(self.text))
        text = " ".join(self.text[start:end].decode().split())
        self.copy.conditions.append(Condition(self.number, self.path, self.line(start), text, statement))

    def attempt(self, node: Node) -> None:
        self.number += 1
        succeeded, *failed = node["clauses"]
        self.put(span(succeeded["block"])[0] + 1, b"require(Probes.t%d());" % self.number)
        for clause in failed:
            self.put(span(clause["block"])[0] + 1, b"require(!Probes.f%d());" % self.number)
        self.copy.conditions.append(Condition(self.number, self.path, self.line(span(node)[0]), "try", None))

    def end(self, statement: Node) -> int:
        """Behind its semicolon, which its place in the tree leaves out."""
        end = span(statement)[1]
        return end if self.text[end - 1 : end] in (b"}", b";") else self.text.index(b";", end) + 1

    def written(self) -> bytes:
        text = self.text
        for where, _, what in sorted(self.inserts, reverse=True):
            text = text[:where] + what + text[where:]
        return with_import(text)


def copied(sources: dict[str, bytes], trees: dict[str, Node]) -> Copy:
    """Put probes into sources whose syntax trees are given."""
    copy = Copy({}, [], [])
    number = 0
    for path, text in sources.items():
        instrument = Instrument(path, text, copy, number)
        instrument.visit(trees[path])
        copy.texts[path] = instrument.written()
        number = instrument.number
    names = [b"s%d" % statement.number for statement in copy.statements]
    names += [b"t%d" % condition.number for condition in copy.conditions]
    functions = [b"function %s() internal pure returns (bool) { return true; }\n" % name for name in names]
    functions += [
        b"function f%d() internal pure returns (bool) { return false; }\n" % condition.number
        for condition in copy.conditions
    ]
    copy.texts[PROBES] = b"pragma solidity ^0.8.30;\nlibrary Probes {\n%s}\n" % b"".join(functions)
    return copy


def with_import(text: bytes) -> bytes:
    """Import the probes on the line of the pragma: every line keeps its number."""
    return re.sub(rb"(pragma solidity [^;]*;)", rb'\1 import "%s";' % PROBES.encode(), text, count=1)


def parse(sources: dict[str, bytes]) -> dict[str, Node]:
    """The compiler's syntax trees of the sources."""
    link_compiler()
    import solcx  # only after the link: it reads SOLCX_BINARY_PATH

    request = {
        "language": "Solidity",
        "sources": {path: {"content": text.decode()} for path, text in sources.items()},
        "settings": {"remappings": SETTINGS["remappings"], "outputSelection": {"*": {"": ["ast"]}}},
    }
    answer = solcx.compile_standard(request, base_path=str(ROOT), solc_version=SOLC_VERSION)
    return {path: answer["sources"][path]["ast"] for path in sources}


def lay_out(folder: Path, copy: Copy, tests: Iterable[Path]) -> None:
    """Make a project of its own for forge: the copy, and these files and folders of tests."""
    shutil.rmtree(folder, ignore_errors=True)
    for path, text in copy.texts.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(text)
    (folder / TESTS).mkdir(parents=True)
    for test in tests:
        if test.is_dir():
            shutil.copytree(test, folder / TESTS / test.name)
        else:
            shutil.copy(test, folder / TESTS)
    (folder / "node_modules").symlink_to(ROOT / "node_modules")
    profiles = tomllib.loads((ROOT / "foundry.toml").read_text(encoding="utf-8"))["profile"]
    own = profiles["default"]
    config = CONFIG.format(
        remappings=json.dumps([*own["remappings"], f"{PROBES}={PROBES}"]),
        solc=ROOT / "scripts" / "solc-shim.js",
        evm_version=own["evm_version"],
        ignored=own["ignored_error_codes"],
    )
    config += "".join(f"\n[profile.{name}]\n" for name in profiles if name != "default")  # tests may name them
    (folder / "foundry.toml").write_text(config, encoding="utf-8")


# ---- the measurement


def run(folder: Path, fuzz_runs: int) -> dict[str, int]:
    """Run forge over the copy, where every test must pass; answers how often each probe was called."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FOUNDRY_")}
    command = ["scripts/forge.sh", "coverage", "--root", folder, "--ir-minimum", "--report", "lcov"]
    done = subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env=environment | {"FOUNDRY_FUZZ_RUNS": str(fuzz_runs)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise CoverageError(f"forge coverage failed:\n{done.stdout[-4_000:]}\n{done.stderr[-4_000:]}")
    found = re.findall(r"^FNDA:(\d+),Probes\.(\w+)$", (folder / "lcov.info").read_text(encoding="utf-8"), re.MULTILINE)
    return {name: int(count) for count, name in found}


def require_sound(copy: Copy, hits: dict[str, int]) -> None:
    """Probes that the compiler merged or dropped would not agree with each other."""
    for condition in copy.conditions:
        outcomes = hits[f"t{condition.number}"] + hits[f"f{condition.number}"]
        if condition.statement and outcomes > hits[f"s{condition.statement}"]:
            raise CoverageError(f"{condition.path}:{condition.line}: the probes contradict each other")


@dataclass(frozen=True)
class Share:
    """What ran of how much."""

    ran: int
    whole: int

    def __add__(self, other: Share) -> Share:
        return Share(self.ran + other.ran, self.whole + other.whole)

    @property
    def percent(self) -> float:
        return 100.0 * self.ran / self.whole if self.whole else 100.0

    def __str__(self) -> str:
        return f"{self.percent:6.2f} % ({self.ran}/{self.whole})"


def lines_of(copy: Copy, hits: dict[str, int], path: str) -> dict[int, bool]:
    """Line → whether each statement that begins there has run."""
    lines: dict[int, bool] = {}
    for statement in copy.statements:
        if statement.path == path:
            lines[statement.line] = lines.get(statement.line, True) and hits[f"s{statement.number}"] > 0
    return lines


def branches_of(copy: Copy, hits: dict[str, int], path: str) -> list[tuple[int, str, bool]]:
    """Of each outcome of each condition: its line, what to say where it is missing, whether it came about."""
    return [
        (condition.line, f"never {outcome}: {condition.text}", hits[probe] > 0)
        for condition in copy.conditions
        if condition.path == path
        for outcome, probe in (("true", f"t{condition.number}"), ("false", f"f{condition.number}"))
    ]


def report(copy: Copy, hits: dict[str, int]) -> tuple[Share, Share]:
    """Print the table and what never ran; answers lines and branches of all."""
    total_lines = total_branches = Share(0, 0)
    gaps: list[str] = []
    print(f"{'':<40}{'lines':>8}{'':<16}{'branches':>8}")
    for path in copy.texts:
        lines, branches = lines_of(copy, hits, path), branches_of(copy, hits, path)
        if not lines:
            continue
        shares = Share(sum(lines.values()), len(lines)), Share(sum(ran for _, _, ran in branches), len(branches))
        print(f"{path:<40}{shares[0]!s:<24}{shares[1]}")
        total_lines, total_branches = total_lines + shares[0], total_branches + shares[1]
        gaps += [f"{path}:{line}: never run" for line, ran in sorted(lines.items()) if not ran]
        gaps += [f"{path}:{line}: {words}" for line, words, ran in sorted(branches) if not ran]
    print(f"{'all':<40}{total_lines!s:<24}{total_branches}")
    print("\n".join(gaps))
    return total_lines, total_branches


def main() -> int:
    parser = argparse.ArgumentParser(description="Line and branch coverage of contracts/ by the unit tests.")
    parser.add_argument("--runs", type=int, default=FUZZ_RUNS, help=f"fuzz runs a test, {FUZZ_RUNS} by default")
    arguments = parser.parse_args()
    paths = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "contracts").rglob("*.sol"))
    sources = {path: (ROOT / path).read_bytes() for path in paths}
    try:
        copy = copied(sources, parse(sources))
        bases = [base for base in (ROOT / TESTS).glob("*.sol") if not base.name.endswith(".t.sol")]
        lay_out(STAGE, copy, [*bases, *(ROOT / TESTS / unit for unit in UNITS)])
        hits = run(STAGE, arguments.runs)
        require_sound(copy, hits)
    except CoverageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if min(share.percent for share in report(copy, hits)) < BAR:
        print(f"error: less than {BAR:g} % of lines or branches", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
