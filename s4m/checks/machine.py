"""What the computer must bring: Python, Node.js (for who builds), anvil, bubblewrap, seccomp, room on the disk."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from pathlib import Path

from ledger.devnet import find_anvil
from ledger.errors import AnvilMissing
from orchestrator.runtime import bubblewrap, system_calls
from orchestrator.runtime.errors import SandboxUnavailable
from s4m.checks.findings import Finding, bad, ok, warn

OLDEST, NEXT = (3, 11), (3, 14)
"""Pythons of pyproject.toml: from the first, before the second."""
OLDEST_NODE = 20
LOW_BYTES, LEAST_BYTES = 2 << 30, 200 << 20
"""A day of a busy devnet takes about a gigabyte; under the least, databases can no longer be written safely."""
STATUS = Path("/proc/self/status")


def python(version: tuple[int, int] = (sys.version_info[0], sys.version_info[1])) -> Finding:
    shown = ".".join(map(str, version))
    if OLDEST <= version < NEXT:
        return ok("python", f"Python {shown}")
    return bad("python", f"Python {shown} is not supported.", "Install Python 3.11, 3.12 or 3.13, then `make setup`.")


def node_js(search_path: str | None = None) -> Finding:
    """Only the build and the contracts' tests use Node.js; `search_path` replaces PATH."""
    found = shutil.which("node", path=search_path)
    remedy = f"Install Node.js {OLDEST_NODE} or later, or let `make setup` bring one."
    if found is None:
        return warn("node.js", "There is no Node.js; contracts cannot be compiled or tested here.", remedy)
    told = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=20, check=False).stdout.strip()
    major = told.removeprefix("v").partition(".")[0]
    if major.isdecimal() and int(major) >= OLDEST_NODE:
        return ok("node.js", f"Node.js {told}")
    return warn("node.js", f"Node.js is {told or 'silent'}, too old to compile or test contracts.", remedy)


def anvil(*roots: Path, own_node: bool = False) -> Finding:
    """The local chain's binary; with a node of one's own (S4M_RPC_URL) nothing needs it. `roots`: where to look."""
    try:
        return ok("anvil", str(find_anvil(*roots)))
    except AnvilMissing as error:
        if own_node:
            return warn("anvil", "anvil is not installed; the node of S4M_RPC_URL is used.", error.remedy)
        return bad("anvil", error.message, error.remedy)


def sandbox(search_path: str | None = None) -> Finding:
    """bubblewrap and user namespaces, by starting a sandbox that does nothing; `search_path` replaces PATH."""
    try:
        binary = bubblewrap.find_bubblewrap(search_path)
        bubblewrap.probe(binary)
    except SandboxUnavailable as error:
        told = f": {error.detail}" if error.detail else ""
        return bad("sandbox", f"Models cannot be isolated ({error.cause}{told}).", f"{error.remedy}.".capitalize())
    return ok("sandbox", f"{binary} and user namespaces work")


def seccomp(status: Path = STATUS, machine: str = platform.machine()) -> Finding:
    """Whether the kernel filters system calls (CONFIG_SECCOMP), and whether the filter is known for this processor."""
    try:
        system_calls.filter_for(machine)
    except SandboxUnavailable as error:
        return bad("seccomp", f"No filter of system calls is known for {machine}.", f"{error.remedy}.".capitalize())
    if status.exists() and "Seccomp:" in status.read_text():
        return ok("seccomp", f"the kernel filters system calls on {machine}")
    return bad(
        "seccomp", "The kernel has no seccomp filters.", "Use a kernel with CONFIG_SECCOMP_FILTER (Linux 3.17+)."
    )


def disk(home: Path, free_bytes: int | None = None) -> Finding:
    """Room where the home is, or will be."""
    place = next(path for path in (home, *home.parents) if path.exists())
    free = shutil.disk_usage(place).free if free_bytes is None else free_bytes
    shown = f"{free / (1 << 30):.1f} GiB are free at {place}"
    if free < LEAST_BYTES:
        return bad("disk", f"Only {shown}.", "Make room, or take a home elsewhere (--home, S4M_HOME).")
    if free < LOW_BYTES:
        return warn("disk", f"Only {shown}.", "A busy devnet writes about a gigabyte a day: make room in time.")
    return ok("disk", shown)
