"""Runs the second checker (scripts/second_checker.mjs, Node.js and viem) over log files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "second_checker.mjs"
OWN_NODEJS = ROOT / ".venv" / "node" / "bin"
"""Where the Makefile puts a Node.js of its own, where the machine has none."""


@dataclass(frozen=True)
class SecondChecker:
    """The second checker for one market; `folder` takes the log files that it is given."""

    market: str
    folder: Path

    def of_logs(self, rpc_url: str, texts: Mapping[str, str]) -> dict[str, frozenset[str]]:
        """Name → the codes found in that text and in the market's money, all by one run on one node."""
        files = {name: self.folder / f"{name}.jsonl" for name in texts}
        for name, path in files.items():
            path.write_text(texts[name])
        command = [_nodejs(), str(SCRIPT), rpc_url, self.market, *map(str, files.values())]
        answer = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        money = {finding["code"] for finding in answer["money"]}
        return {
            name: frozenset(money | {finding["code"] for finding in answer["logs"][str(path)]})
            for name, path in files.items()
        }


def _nodejs() -> str:
    found = shutil.which("node", path=f"{OWN_NODEJS}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        raise SystemExit("error: there is no Node.js: run `make setup`")
    return found
