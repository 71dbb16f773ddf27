"""Hold branch trees, unit tests and interfaces together.

Called by `make check`. A branch tree (`X.tree`, written before the code) lies beside its tests (`X.t.sol`). Each of its
roots is `Contract.function`; below come conditions (`given …` a state, `when …` a call) and leaves (`it …`). A leaf
names its test: `test_<function>_<nearest condition>_<leaf>`, the latter two in camel case without their first word.
This script reads names only: whether a test shows what its leaf says is for its reader to judge.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TREES = Path("tests/solidity")
CONTRACTS = Path("contracts")
MOST_LINES = 350  # of a test file; a longer one has a second reason to exist

BRANCH = re.compile(r"^(?P<bars>(?:│   |    )*)(?:├── |└── )(?P<text>\S.*)$")
SUBJECT = re.compile(r"^(?P<contract>[A-Z]\w*)\.(?P<function>\w+)$")
TEST = re.compile(r"^\s*function (test\w*)\(", re.MULTILINE)
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
TYPE = re.compile(
    r"\b(?:contract|interface)\s+(?P<name>\w+)(?:\s+is\s+(?P<parents>[^{]*))?\s*\{(?P<body>.*)\Z", re.DOTALL
)
FUNCTION = re.compile(r"\bfunction\s+(?P<name>\w+)\s*\([^)]*\)(?P<head>[^;{]*)")


@dataclass(frozen=True)
class Leaf:
    contract: str
    function: str
    condition: str
    outcome: str

    @property
    def test(self) -> str:
        return "_".join(["test", self.function, *(camel(part) for part in (self.condition, self.outcome) if part)])


class TreeError(Exception):
    """A line of a tree that is neither a root, a condition nor a leaf; the message says where."""


def camel(words: str) -> str:
    """`that account's money` → `thatAccountsMoney`."""
    first, *rest = re.sub(r"[^A-Za-z0-9 ]", lambda mark: "" if mark[0] == "'" else " ", words).split()
    return first + "".join(word[0].upper() + word[1:] for word in rest)


def leaves(text: str) -> Iterator[Leaf]:
    """The leaves of one tree file, from top to bottom."""
    contract = function = ""
    path: list[str] = []
    bare = 0  # the line of a root or condition with nothing below it yet
    for number, line in enumerate([*text.splitlines(), "End.end"], 1):
        if not line.strip():
            continue
        if subject := SUBJECT.match(line):
            if bare:
                raise TreeError(f"{bare}: no leaf below")
            contract, function, path, bare = subject["contract"], subject["function"], [], number
            continue
        branch = BRANCH.match(line)
        if not branch or not contract:
            raise TreeError(f"{number}: neither a root `Contract.function` nor a branch: {line}")
        depth = len(branch["bars"]) // 4
        kind, _, words = branch["text"].partition(" ")
        if depth > len(path) or kind not in ("given", "when", "it") or not words:
            raise TreeError(f"{number}: neither `given …`, `when …` nor `it …` below a condition: {line}")
        if bare and path and depth < len(path):
            raise TreeError(f"{bare}: no leaf below")
        del path[depth:]
        if kind == "it":
            yield Leaf(contract, function, path[-1] if path else "", words)
            bare = 0
        else:
            path.append(words)
            bare = number


def functions_of(sources: dict[Path, str]) -> dict[str, set[str]]:
    """Contract → names of its external functions that this project wrote: its own, its bases' and its interfaces'."""
    bodies: dict[str, str] = {}
    parents: dict[str, list[str]] = {}
    for text in sources.values():
        if kind := TYPE.search(COMMENT.sub("", text)):
            bodies[kind["name"]] = kind["body"]
            parents[kind["name"]] = re.findall(r"\w+", kind["parents"] or "")

    def gathered(name: str) -> set[str]:
        if name not in bodies:
            return set()
        own = {
            found["name"]
            for found in FUNCTION.finditer(bodies[name])
            if re.search(r"\b(?:external|public)\b", found["head"])
        }
        return own.union(*(gathered(parent) for parent in parents[name]))

    bases = {parent for names in parents.values() for parent in names}
    return {name: found for name in bodies if name not in bases and (found := gathered(name))}


def faults(root: Path) -> Iterator[str]:
    """One line for each leaf, test or function that lacks its other half."""
    planted: Counter[tuple[str, str]] = Counter()
    for tree in sorted((root / TREES).rglob("*.tree")):
        place = tree.relative_to(root)
        try:
            found = list(leaves(tree.read_text(encoding="utf-8")))
        except TreeError as error:
            yield f"{place}:{error}"
            continue
        planted.update((leaf.contract, leaf.function) for leaf in found)
        names = Counter(leaf.test for leaf in found)
        yield from (f"{place}: {name} is the name of {count} leaves" for name, count in names.items() if count > 1)
        suite = tree.with_suffix(".t.sol")
        text = suite.read_text(encoding="utf-8") if suite.exists() else ""
        tests = set(TEST.findall(text))
        yield from (f"{place}: no test {name}" for name in names if name not in tests)
        yield from (f"{suite.relative_to(root)}: no leaf for {name}" for name in sorted(tests - names.keys()))
        if len(text.splitlines()) > MOST_LINES:
            yield f"{suite.relative_to(root)}: over {MOST_LINES} lines"
    sources = {path: path.read_text(encoding="utf-8") for path in sorted((root / CONTRACTS).rglob("*.sol"))}
    for contract, functions in functions_of(sources).items():
        yield from (f"{contract}.{name} has no tree" for name in sorted(functions) if not planted[contract, name])


def main() -> int:
    found = list(faults(ROOT))
    for line in found:
        print(f"error: {line}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
