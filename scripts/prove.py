"""Prove the money arithmetic for all inputs: halmos over tests/solidity/proofs, with a table of what came out.

`make prove` runs it. It fails where a property is refuted, or is proved no longer, or was explored in part only.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROOFS = Path("tests/solidity/proofs")
VERDICTS = {0: "proved", 1: "REFUTED", 2: "timed out", 3: "stuck", 4: "NO PATH", 5: "failed"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What halmos found of one property; `seconds` is its wall-clock time."""

    contract: str
    name: str
    verdict: str
    seconds: float

    @property
    def ok(self) -> bool:
        """Proved, on every path."""
        return self.verdict == "proved"


def main() -> int:
    """Run, print, and answer with the process's exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--match", default="", help="only properties whose name holds this")
    parser.add_argument("--timeout", default="120s", help="for one query of the solver")
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv-analysis", help="where halmos and cvc5 live")
    args = parser.parse_args()
    stated = expected(args.match)
    contracts = "|".join(sorted({contract for contract, _ in stated}))  # not those that an older build left behind
    outcomes = prove(args.venv.absolute(), contracts, args.match, args.timeout)
    missing = stated - {(one.contract, one.name) for one in outcomes}
    outcomes += [Outcome(contract, name, "NOT RUN", 0.0) for contract, name in sorted(missing)]
    for one in outcomes:
        print(f"{one.contract:18} {one.name:44} {one.verdict:10} {one.seconds:7.1f} s")
    proved = sum(one.ok for one in outcomes)
    print(f"{proved} of {len(outcomes)} properties proved for all inputs")
    return 0 if outcomes and proved == len(outcomes) else 1


def prove(venv: Path, contracts: str, match: str, timeout: str) -> list[Outcome]:
    """Build the proofs and let halmos run them; its own report goes to the standard error."""
    forge = next(ROOT.glob("node_modules/@foundry-rs/forge-*/bin/forge"), None)
    if forge is None or not (venv / "bin/halmos").exists():
        sys.exit("error: forge or halmos is not installed. Run: make setup")
    node = ROOT / ".venv/node/bin"  # where the machine has no Node.js of its own
    path = os.pathsep.join([str(venv / "bin"), str(forge.parent), os.environ["PATH"], str(node)])
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [venv / "bin/halmos", "--root", ".", "--forge-build-out", ".build/proofs", "--no-status"]
        command += [
            "--match-contract",
            f"^({contracts})$",
            "--match-test",
            f"^test_.*{match}",
            "--panic-error-codes",
            "*",
        ]
        command += ["--solver-timeout-assertion", timeout, "--json-output", report]
        command += ["--solver-command", f"{venv}/bin/python {ROOT}/scripts/cvc5_smt2.py"]
        subprocess.run(
            [str(part) for part in command],
            cwd=ROOT,
            env=os.environ | {"PATH": path, "FOUNDRY_PROFILE": "proofs"},
            stdout=sys.stderr,
            check=False,
        )
        if not report.exists():
            sys.exit("error: halmos left no report")
        results = json.loads(report.read_text())["test_results"]
    return [outcome(contract, test) for contract, tests in results.items() for test in tests]


def outcome(contract: str, test: dict[str, object]) -> Outcome:
    """One entry of halmos's report."""
    verdict = VERDICTS.get(int(str(test["exitcode"])), "failed")
    if verdict == "proved" and test["num_bounded_loops"]:
        verdict = "in part"  # a loop was cut off
    times = test["time"]
    seconds = float(times[0]) if isinstance(times, list) else 0.0
    return Outcome(contract.split(":")[-1], str(test["name"]).split("(")[0], verdict, seconds)


def expected(match: str) -> set[tuple[str, str]]:
    """Every property that the sources state: one that halmos passes over in silence is not proved."""
    found = set()
    for source in sorted((ROOT / PROOFS).glob("*.t.sol")):
        contract = ""
        for line in source.read_text().splitlines():
            if header := re.match(r"(?:abstract )?contract (\w+)", line):
                contract = header[1]
            if (function := re.match(r"    function (test_\w+)\(", line)) and match in function[1]:
                found.add((contract, function[1]))
    return found


if __name__ == "__main__":
    sys.exit(main())
