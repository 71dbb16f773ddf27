"""The contracts as the compiler reads them, without making code.

For the lints, scripts/analyse.py and scripts/natspec.py: the first runs in .venv-analysis, so this needs no package.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from scripts.compile import ROOT, SETTINGS


def sources_under(folder: str) -> list[str]:
    """Paths of the Solidity files there, from the repository's root."""
    return sorted(str(path.relative_to(ROOT)) for path in (ROOT / folder).rglob("*.sol"))


def syntax_trees(sources: list[str], **settings: Any) -> dict[str, Any]:
    """The compiler's output: syntax trees and interfaces of `sources` and of what they import."""
    request = {
        "language": "Solidity",
        "sources": {path: {"content": (ROOT / path).read_text(encoding="utf-8")} for path in sources},
        "settings": {
            "evmVersion": SETTINGS["evmVersion"],
            "remappings": SETTINGS["remappings"],
            "outputSelection": {"*": {"*": ["abi"], "": ["ast"]}},
        }
        | settings,
    }
    solc = subprocess.run(
        ["scripts/solc-shim.js", "--standard-json"],
        cwd=ROOT,
        input=json.dumps(request),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    output: dict[str, Any] = json.loads(solc.stdout)
    errors = [remark["formattedMessage"] for remark in output.get("errors", []) if remark["severity"] == "error"]
    if errors:
        sys.exit("error: the contracts do not compile:\n" + "\n".join(errors))
    return output
