"""Every leaf has its test, every test its leaf, every external function its tree; the project's own pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.check_trees import ROOT, TreeError, faults, leaves

TREE = """\
Till.pay
├── given an open till
│   ├── when with too little
│   │   └── it is refused
│   └── when with enough
│       └── it gives the customer's change
└── it rings
"""
TESTS = """
contract PayTest {
    function test_pay_withTooLittle_isRefused() public {}
    function test_pay_withEnough_givesTheCustomersChange(uint256 sum) public {}
    function test_pay_rings() public view {}
    function paid() private {}
}
"""
CONTRACTS = {
    "interfaces/ITill.sol": "interface ITill {\n    function pay(uint256 sum)\n        external;\n}",
    "Till.sol": "contract Till is Drawer {\n    function _open() private {}\n}",
    "Drawer.sol": "abstract contract Drawer is ITill {\n    function pay(uint256 sum) external {}\n}",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small project without fault."""
    for name, text in CONTRACTS.items():
        write(tmp_path / "contracts" / name, text)
    write(tmp_path / "tests/solidity/till/Pay.tree", TREE)
    write(tmp_path / "tests/solidity/till/Pay.t.sol", TESTS)
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_leaf_and_its_nearest_condition_name_the_test() -> None:
    assert [leaf.test for leaf in leaves(TREE)] == [
        "test_pay_withTooLittle_isRefused",
        "test_pay_withEnough_givesTheCustomersChange",
        "test_pay_rings",
    ]


def test_project_without_fault_has_none(project: Path) -> None:
    assert list(faults(project)) == []


def test_leaf_without_test_is_found(project: Path) -> None:
    replace(project / "tests/solidity/till/Pay.t.sol", "test_pay_rings", "testing_pay_rings")
    assert list(faults(project)) == [
        "tests/solidity/till/Pay.tree: no test test_pay_rings",
        "tests/solidity/till/Pay.t.sol: no leaf for testing_pay_rings",
    ]


def test_leaf_whose_test_is_commented_out_is_found(project: Path) -> None:
    replace(project / "tests/solidity/till/Pay.t.sol", "function test_pay_rings", "// function test_pay_rings")
    assert list(faults(project)) == ["tests/solidity/till/Pay.tree: no test test_pay_rings"]


def test_tree_without_any_test_file_is_found(project: Path) -> None:
    (project / "tests/solidity/till/Pay.t.sol").unlink()
    assert len(list(faults(project))) == 3


def test_test_without_leaf_is_found(project: Path) -> None:
    replace(project / "tests/solidity/till/Pay.tree", "it rings", "it rings twice")
    assert "tests/solidity/till/Pay.t.sol: no leaf for test_pay_rings" in list(faults(project))


def test_two_leaves_of_one_name_are_found(project: Path) -> None:
    replace(project / "tests/solidity/till/Pay.tree", "└── it rings", "├── it rings\n└── it rings")
    assert list(faults(project)) == ["tests/solidity/till/Pay.tree: test_pay_rings is the name of 2 leaves"]


@pytest.mark.parametrize("name", list(CONTRACTS))
def test_external_function_without_tree_is_found_wherever_it_stands(name: str, project: Path) -> None:
    body = "{\n    function refund(\n        uint256 sum\n    ) external view virtual returns (uint256);"
    replace(project / "contracts" / name, "{\n", body + "\n")
    assert list(faults(project)) == ["Till.refund has no tree"]


def test_internal_function_needs_no_tree(project: Path) -> None:
    replace(project / "contracts/Till.sol", "{\n", "{\n    function refund() internal view {}\n")
    assert list(faults(project)) == []


def test_long_test_file_is_found(project: Path) -> None:
    replace(project / "tests/solidity/till/Pay.t.sol", "function paid", "\n" * 350 + "function paid")
    assert list(faults(project)) == ["tests/solidity/till/Pay.t.sol: over 350 lines"]


@pytest.mark.parametrize(
    ("tree", "told"),
    [
        ("└── it rings\n", "1: neither a root"),
        ("Till.pay\n  it rings\n", "2: neither a root"),
        ("Till.pay\n└── the bell rings\n", "2: neither `given"),
        ("Till.pay\n│   └── it rings\n", "2: neither `given"),
        ("Till.pay\n└── it\n", "2: neither `given"),
        ("Till.pay\n├── given nothing\n└── it rings\n", "2: no leaf below"),
        ("Till.pay\n└── given nothing\n    └── when paid\n", "3: no leaf below"),
        ("Till.pay\n\nTill.open\n└── it rings\n", "1: no leaf below"),
    ],
)
def test_tree_that_is_none_is_told_with_its_line(tree: str, told: str) -> None:
    with pytest.raises(TreeError, match=told):
        list(leaves(tree))


def test_malformed_tree_is_a_fault_of_the_project(project: Path) -> None:
    replace(project / "tests/solidity/till/Pay.tree", "it rings", "rings")
    assert any("Pay.tree:7: neither `given" in fault for fault in faults(project))


def test_the_projects_own_trees_are_whole() -> None:
    assert list(faults(ROOT)) == []
