"""What every `.venv-ape/bin/ape` must know of this project, so that nobody has to export it.

`make setup` copies this into .venv-ape, where each start of that Python imports it. Without it py-solc-x looks for a
native compiler on the network, and `ape test` reads the settings of the product's own tests.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

ROOT = Path(sys.prefix).parent

os.environ.setdefault("SOLCX_BINARY_PATH", str(ROOT / ".solcx"))
# where the machine has no Node.js of its own, which the compiler runs on
os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), str(ROOT / ".venv" / "node" / "bin")])
os.environ.setdefault(
    "PYTEST_ADDOPTS", shlex.join(["-c", str(ROOT / "tests" / "contracts" / "pytest.ini"), "--rootdir", str(ROOT)])
)
