"""`python -m scripts.security`: bandit, the house's own rules, and known vulnerabilities of what the locks pin.

Bandit's findings count as explained where the line has ruff's `noqa` of the same number (S608 for B608): both have the
same rules, and an explanation stands once; where ruff does not find it, `nosec` says why. As for ruff, what is no
product may draw by `random`. `requirements/advisories.txt` explains advisories that do not concern this house, one
`ID reason` a line. Where the advisories cannot be had (no network, or a mirror without them) the last line says NOT
CHECKED, and of how many packages: nothing was found out about them. With `--advisories required` that fails.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.own_rules import SHIPPED, findings

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ("requirements/runtime.txt", "requirements/dev.txt")
EXPLAINED = ROOT / "requirements" / "advisories.txt"


@dataclass(frozen=True)
class Advisories:
    """What is known of the pinned packages: unexplained advisories, and packages that nothing could be found out of."""

    found: list[str]
    unchecked: list[str]
    packages: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--advisories", choices=("wanted", "required"), default="wanted")
    required = parser.parse_args().advisories == "required"
    with ThreadPoolExecutor(3) as pool:
        bandit, known = pool.submit(bandit_findings), pool.submit(advisories)
        problems = [*map(str, findings(ROOT)), *bandit.result(), *known.result().found]
    for problem in problems:
        print(problem, file=sys.stderr)
    unchecked = known.result().unchecked
    if unchecked:
        print(
            f"NOT CHECKED for known vulnerabilities: {len(unchecked)} of {known.result().packages} packages",
            file=sys.stderr,
        )
    return 1 if problems or (unchecked and required) else 0


def bandit_findings() -> list[str]:
    """What bandit finds in what ships and in scripts/, and no line explains."""
    command = [sys.executable, "-m", "bandit", "-q", "-c", "pyproject.toml", "-f", "json", "-r", *SHIPPED, "scripts"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if not done.stdout:
        return [f"bandit did not run: {done.stderr[-500:]}"]
    report: dict[str, Any] = json.loads(done.stdout)
    broken = [f"bandit could not read {each['filename']}: {each['reason']}" for each in report["errors"]]
    return broken + [_line(each) for each in report["results"] if not _is_explained(each)]


def _line(found: dict[str, Any]) -> str:
    return f"{found['filename']}:{found['line_number']}: {found['test_id']} {found['issue_text']}"


def _is_explained(found: dict[str, Any]) -> bool:
    if found["test_id"] == "B311" and found["filename"].startswith(("scripts/", "./scripts/")):
        return True
    lines = (ROOT / found["filename"]).read_text().splitlines()
    number = found["test_id"].removeprefix("B")
    first, last = min(found["line_range"]), max(found["line_range"])
    return any(re.search(rf"noqa: [^#]*\bS{number}\b", line) for line in lines[first - 1 : last])


def advisories() -> Advisories:
    """Asked of the package index by pip-audit."""
    locks = [word for lock in LOCKS for word in ("-r", lock)]
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", *locks, "-f", "json"]
    done = subprocess.run(
        [*command, "--progress-spinner", "off"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return judged(done.stdout, EXPLAINED.read_text().splitlines(), _pinned(LOCKS))


def judged(report: str, explained: Sequence[str], pinned: Sequence[str]) -> Advisories:
    """Of pip-audit's JSON; an empty report says that nobody answered."""
    if not report.strip():
        return Advisories([], list(pinned), len(pinned))
    known = {line.split(maxsplit=1)[0] for line in explained if line and not line.startswith("#")}
    packages: dict[str, dict[str, Any]] = {each["name"]: each for each in json.loads(report)["dependencies"]}
    found = [
        f"{name} {each['version']}: {one['id']}: raise it to {', '.join(one['fix_versions']) or 'another package'}"
        for name, each in packages.items()
        for one in each.get("vulns", [])
        if one["id"] not in known
    ]
    return Advisories(found, [name for name, each in packages.items() if "skip_reason" in each], len(packages))


def _pinned(locks: Sequence[str]) -> list[str]:
    text = "\n".join((ROOT / lock).read_text() for lock in locks)
    return sorted(set(re.findall(r"^([a-z0-9][a-z0-9._-]*)==", text, re.MULTILINE)))


if __name__ == "__main__":
    raise SystemExit(main())
