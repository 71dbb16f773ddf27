"""The lint of the interfaces' documentation finds each kind of gap, and nothing where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.natspec import declarations, lacks
from scripts.syntax import syntax_trees

WHOLE = """
/// @title T
/// @notice N
interface I {
    /// @notice Why.
    enum Reason {
        /// @notice None.
        None
    }
    /// @notice A row.
    /// @param amount how much
    struct Row { uint256 amount; }
    /// @notice It happened.
    /// @param amount how much
    event Happened(uint256 indexed amount);
    /// @notice It failed. Try again.
    /// @param amount how much
    error Failed(uint256 amount);
    /// @notice Does it.
    /// @dev Anyone may call.
    /// @param to whom
    /// @param amount how much
    /// @return id of it
    function act(address to, uint256 amount) external returns (uint256 id);
    /// @notice Tells it.
    /// @return the figure
    function figure() external view returns (uint256);
}
"""


def gaps(folder: Path, source: str) -> list[str]:
    path = folder / "I.sol"
    path.write_text(source, encoding="utf-8")
    tree = syntax_trees([str(path)], stopAfter="parsing")["sources"][str(path)]["ast"]
    return [gap for node in declarations(tree) if node["nodeType"] != "SourceUnit" for gap in lacks(node)]


def test_whole_documentation_has_no_gap(tmp_path: Path) -> None:
    assert gaps(tmp_path, WHOLE) == []


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("/// @title T\n", "a title"),
        ("/// @notice N\n", "a notice"),
        ("/// @notice Why.\n", "a notice"),
        ("/// @notice None.\n", "a notice"),
        ("/// @notice A row.\n", "a notice"),
        ("/// @notice It failed. Try again.\n", "a notice"),
        ("/// @param amount how much\n    struct", "@param for amount"),
        ("/// @param amount how much\n    event", "@param for amount"),
        ("/// @param amount how much\n    error", "@param for amount"),
        ("/// @param to whom\n", "@param for to, amount"),
        ("/// @dev Anyone may call.\n", "@dev"),
        ("/// @return id of it\n", "@return for each of 1 values"),
        ("/// @return the figure\n", "@return for each of 1 values"),
    ],
)
def test_each_gap_is_found(line: str, told: str, tmp_path: Path) -> None:
    keep = line.rpartition("\n")[2]
    found = gaps(tmp_path, WHOLE.replace(line, keep))
    assert len(found) == 1
    assert told in found[0]


def test_parameter_without_a_text_is_a_gap(tmp_path: Path) -> None:
    source = WHOLE.replace("/// @param to whom", "/// @param to")
    assert len(gaps(tmp_path, source)) == 1
