"""Coverage counts what ran and nothing else, also where forge's own reading of via-IR is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.coverage import (
    ROOT,
    Copy,
    CoverageError,
    branches_of,
    copied,
    lay_out,
    lines_of,
    parse,
    report,
    require_sound,
    run,
)

PATH = "contracts/Gate.sol"
GATE = """\
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

error Closed(uint256 hour);

contract Gate {
    function enter(uint256 hour, bool key) external view returns (uint256 way) {
        require(hour >= 8, Closed(hour));
        if (hour < 18) return way + 1;
        way = key || hour == 20 ? 2 : 3;
        for (uint256 i = 0; i < way; ++i) this.ring();
        assembly {
            way := add(way, 1)
        }
        try this.ring() {} catch {
            way = 9;
        }
    }

    function ring() external pure {}

    function never(bool key) external pure {
        if (key) {
            revert Closed(0);
        } else require(key);
    }
}
"""
TESTS = """\
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Gate} from "../../contracts/Gate.sol";

contract GateTest {
    Gate private gate = new Gate();

    function test_enter() public {
        (bool passed,) = address(gate).call(abi.encodeCall(Gate.enter, (7, true)));
        require(!passed);
        require(gate.enter(20, false) == 3);
    }
}
"""


def instrumented(text: str) -> Copy:
    sources = {PATH: text.encode()}
    return copied(sources, parse(sources))


def test_probes_leave_every_line_where_it_was() -> None:
    copy = instrumented(GATE)
    lines = copy.texts[PATH].decode().splitlines()
    assert len(lines) == len(GATE.splitlines())
    assert lines[7].strip() == (
        "require(Probes.s1()); require(((hour >= 8) ? Probes.t7() : Probes.f7()), Closed(hour));"
    )
    assert [(one.line, one.text) for one in copy.conditions if one.line == 10] == [
        (10, "key || hour == 20"),
        (10, "key"),
        (10, "hour == 20"),
    ]


def test_assembly_with_jumps_is_refused() -> None:
    with pytest.raises(CoverageError, match="jumps"):
        instrumented(GATE.replace("way := add(way, 1)", "if way { way := 1 }"))


def test_what_ran_is_counted_and_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = instrumented(GATE)
    suite = tmp_path / "Gate.t.sol"
    suite.write_text(TESTS)
    lay_out(tmp_path / "copy", copy, [suite])
    hits = run(tmp_path / "copy", 1)
    require_sound(copy, hits)
    assert {line for line, ran in lines_of(copy, hits, PATH).items() if not ran} == {9, 16, 23, 24, 25}
    missing = {(line, words) for line, words, ran in branches_of(copy, hits, PATH) if not ran}
    assert missing == {
        (9, "never true: hour < 18"),
        (10, "never false: key || hour == 20"),
        (10, "never true: key"),
        (10, "never false: hour == 20"),
        (15, "never false: try"),
        (23, "never true: key"),
        (23, "never false: key"),
        (25, "never true: key"),
        (25, "never false: key"),
    }
    lines, branches = report(copy, hits)
    assert (str(lines), str(branches)) == (" 50.00 % (5/10)", " 50.00 % (9/18)")
    assert "contracts/Gate.sol:9: never run" in capsys.readouterr().out


def test_tests_that_fail_measure_nothing(tmp_path: Path) -> None:
    suite = tmp_path / "Gate.t.sol"
    suite.write_text(TESTS.replace("== 3", "== 4"))
    lay_out(tmp_path / "copy", instrumented(GATE), [suite])
    with pytest.raises(CoverageError, match="forge coverage failed"):
        run(tmp_path / "copy", 1)


def test_probes_that_contradict_each_other_are_told() -> None:
    copy = instrumented(GATE)
    hits = {f"s{one.number}": 1 for one in copy.statements}
    hits |= {f"{letter}{one.number}": 1 for one in copy.conditions for letter in "tf"}
    with pytest.raises(CoverageError, match="contradict"):
        require_sound(copy, hits)


def test_the_projects_contracts_take_probes() -> None:
    paths = sorted((ROOT / "contracts").rglob("*.sol"))
    sources = {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in paths}
    copy = copied(sources, parse(sources))
    assert all(copy.texts[path].count(b"\n") == text.count(b"\n") for path, text in sources.items())
