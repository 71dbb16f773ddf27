"""Run slither over contracts/; fail on every finding that is not explained beside the code.

Called by scripts/slither.sh (`make check`) with the Python of .venv-analysis. A finding is explained by a comment
`// slither-disable-next-line DETECTOR -- why` on the line above it (or `-start` and `-end` around a contract); one that
gives no reason, or that silences nothing any more, fails too. Slither reads syntax trees alone, so nothing is compiled
to bytecode: no via-IR, no forge, and .build stays as it is.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from crytic_compile import CryticCompile
from crytic_compile.compilation_unit import CompilationUnit
from crytic_compile.compiler.compiler import CompilerVersion
from crytic_compile.platform.solc_standard_json import SolcStandardJson, parse_standard_json_output
from slither import Slither
from slither.detectors import all_detectors
from slither.detectors.abstract_detector import AbstractDetector
from slither.solc_parsing.declarations.contract import ContractSolc

from scripts.compile import ROOT, SETTINGS, SOLC_VERSION
from scripts.syntax import sources_under, syntax_trees

DIRECTIVE = re.compile(r"//\s*slither-disable-(?:next-line|start)\b(.*)")
EXPLAINED = re.compile(r"\s+[a-z0-9,-]+ -- \S")
LEFT_OUT = {"pragma"}  # the libraries' pragmas differ from ours; solhint's compiler-version holds ours together
NO_CODE = {"object": "", "sourceMap": ""}


def keep_every_using_for() -> None:
    """Mend slither 0.11: of two parents that say `using … for *` it keeps one, and then cannot read the market."""
    original = ContractSolc.analyze_using_for

    def analyze_using_for(parser: Any) -> None:
        original(parser)
        known = parser.underlying_contract.using_for
        for parent in parser.underlying_contract.inheritance:
            for name, libraries in parent.using_for.items():
                known[name] = known[name] + [library for library in libraries if library not in known[name]]

    ContractSolc.analyze_using_for = analyze_using_for


def load(output: dict[str, Any]) -> Any:
    """Slither over the compiler's output, with every detector; a contract that it cannot read is an error."""
    for contracts in output["contracts"].values():
        for contract in contracts.values():
            contract["evm"] = {"bytecode": NO_CODE, "deployedBytecode": NO_CODE}  # asked for, never looked at
    compiled = CryticCompile(SolcStandardJson({}), crytic_defer_compilation="true")
    unit = CompilationUnit(compiled, "contracts")
    optimizer = SETTINGS["optimizer"]
    unit.compiler_version = CompilerVersion(
        "solc", SOLC_VERSION, optimizer["enabled"], optimizer["runs"], SETTINGS["viaIR"]
    )
    parse_standard_json_output(output, unit)
    keep_every_using_for()
    analysis = Slither(compiled, disallow_partial=True, show_ignored_findings=True)
    detectors: list[tuple[str, Any]] = inspect.getmembers(all_detectors, inspect.isclass)
    for _, detector in detectors:
        if issubclass(detector, AbstractDetector) and detector.ARGUMENT not in LEFT_OUT:
            analysis.register_detector(detector)
    return analysis


def concerns_us(finding: dict[str, Any]) -> bool:
    """True where the finding's subject is ours; slither's own filter would also drop what touches a library."""
    subject = finding["elements"][0]["source_mapping"]["filename_relative"] if finding["elements"] else "contracts/"
    return bool(subject.startswith("contracts/"))


def bare_directives(sources: list[str]) -> Iterator[str]:
    for path in sources:
        for number, line in enumerate((ROOT / path).read_text(encoding="utf-8").splitlines(), start=1):
            directive = DIRECTIVE.search(line)
            if directive and not EXPLAINED.match(directive[1]):
                yield f"{path}:{number}: give the reason: // slither-disable-… DETECTOR -- reason"


def idle_directives(analysis: Any) -> Iterator[str]:
    for unused in analysis.get_unused_ignore_comments():
        path = Path(unused["file"]).relative_to(ROOT)
        if path.parts[0] == "contracts":
            yield f"{path}:{unused['line']}: silences nothing: {', '.join(unused['unused_detectors'])}"


def main() -> int:
    sources = sources_under("contracts")
    analysis = load(syntax_trees(sources))
    found = [finding for group in analysis.run_detectors() for finding in group if concerns_us(finding)]
    open_findings = [finding for finding in found if not analysis.has_ignore_comment(finding)]
    for finding in open_findings:
        print(f"{finding['impact']}: {finding['check']}: {finding['description']}")
    complaints = sorted({*bare_directives(sources), *idle_directives(analysis)})
    for complaint in complaints:
        print(complaint)
    print(
        f"slither: {len(analysis.contracts)} contracts, {len(analysis.detectors)} detectors, "
        f"{len(open_findings)} findings ({len(found) - len(open_findings)} explained beside the code)"
    )
    return 1 if open_findings or complaints else 0


if __name__ == "__main__":
    sys.exit(main())
