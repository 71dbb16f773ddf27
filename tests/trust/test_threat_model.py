"""docs/threat-model.md is held to the tests: every test and every file that it names exists."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "threat-model.md").read_text()
STRIDE = PAGE[PAGE.index("### 1. ") : PAGE.index("### 8. ")]


def rows(text: str) -> list[list[str]]:
    """The cells of every table row below its header."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if not line.startswith("|---")]


def functions(path: Path) -> set[str]:
    found = ast.walk(ast.parse(path.read_text()))
    return {node.name for node in found if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def solidity_functions() -> set[str]:
    files = (ROOT / "tests" / "solidity" / "attacks").glob("*.sol")
    return {name for file in files for name in re.findall(r"function (test\w+)", file.read_text())}


def test_every_boundary_has_its_table_and_every_kind_of_threat_its_rows() -> None:
    tables = re.split(r"^### ", STRIDE, flags=re.MULTILINE)[1:]
    assert len(tables) == 7
    for table in tables:
        threats = [row for row in rows(table) if row[0] in set("STRIDE")]
        assert len(threats) >= 3, table[:40]
        assert all(len(row) == 5 and all(row) for row in threats), table[:40]
    assert {row[0] for row in rows(STRIDE)} >= set("STRIDE")


@pytest.mark.parametrize("cell", [row[3] for row in rows(STRIDE) if row[0] in set("STRIDE")])
def test_every_named_test_exists(cell: str) -> None:
    named = re.findall(r"`([\w/]+\.py)(?:::(\w+))?`", cell)
    assert named, "a defence without a test is a hope"
    for file, test in named:
        path = ROOT / "tests" / file
        assert path.exists(), file
        assert not test or test in functions(path), f"{file}::{test}"


def test_every_shortened_name_of_the_contracts_attacks_is_one_of_theirs() -> None:
    section = PAGE[PAGE.index("## On the chain") : PAGE.index("**Accepted.**")]
    known = solidity_functions()
    names = [name for row in rows(section)[1:] for name in re.findall(r"`([a-z…][\w…]*_[\w…]*)`", row[-1])]
    assert len(names) > 30
    unknown = [name for name in names if not any(all(part in one for part in name.split("…")) for one in known)]
    assert unknown == []


def test_every_shortened_name_of_the_sandboxs_attacks_is_one_of_theirs() -> None:
    section = PAGE[PAGE.index("## In the sandbox") : PAGE.index("## Not covered yet")]
    files = (ROOT / "tests" / "orchestrator").rglob("test_*.py")
    known = set().union(*(functions(path) for path in files))
    names = [name for row in rows(section)[1:] for name in re.findall(r"`(?:test_\w+\.py::)?([a-z_…]+)`", row[-1])]
    assert len(names) > 15
    unknown = [name for name in names if not any(all(part in one for part in name.split("…")) for one in known)]
    assert unknown == []


def test_every_file_that_it_points_to_exists() -> None:
    missing = [at for at in re.findall(r"\]\(([^)#:]+)\)", PAGE) if not (ROOT / "docs" / at).exists()]
    assert missing == []
