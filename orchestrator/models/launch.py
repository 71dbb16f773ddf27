"""The first thing that runs inside a sandbox: lowers its own limits for good, then becomes the model's program.

    python -m orchestrator.models.launch --memory-mib 128 --nice 5 <program> -- <its arguments>
    python -m orchestrator.models.launch --memory-mib 128 --own /programs -- <words that start a provider's own program>

The runtime calls it. Hard limits cannot be raised again by what runs after it.
"""

import argparse
import os
import resource
import runpy
import sys
from collections.abc import Sequence
from typing import NoReturn

OPEN_FILES = 1024
PROCESSES = 256
FILE_BYTES = 16 << 20
ADDRESS_SPACE_FACTOR = 4
ADDRESS_SPACE_EXTRA = 1 << 30


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Lowers limits, then runs a model.")
    parser.add_argument("--memory-mib", type=int, required=True)
    parser.add_argument("--nice", type=int, default=0)
    parser.add_argument("--own", help="folder in which the rest is a command")
    parser.add_argument("program", nargs="?")
    parser.add_argument("rest", nargs="*")
    arguments = parser.parse_args(argv)
    lower_limits(arguments.memory_mib << 20, arguments.nice)
    if arguments.own:
        become(arguments.own, [arguments.program, *arguments.rest])
    sys.argv = [arguments.program, *arguments.rest]
    runpy.run_module(arguments.program, run_name="__main__", alter_sys=True)


def become(folder: str, words: Sequence[str]) -> NoReturn:
    """This process becomes the program, with the same limits; `python` is the interpreter that runs the models."""
    os.chdir(folder)
    if words[0] == "python":
        os.execv(sys.executable, [sys.executable, "-S", "-s", "-P", "-B", *words[1:]])  # noqa: S606
    os.execv(os.path.join(folder, words[0]), list(words))  # noqa: S606


def lower_limits(memory_bytes: int, nice: int) -> None:
    """RLIMIT_DATA is what counts (private writable memory); the address space is bounded loosely behind it."""
    _limit(resource.RLIMIT_DATA, memory_bytes)
    _limit(resource.RLIMIT_AS, memory_bytes * ADDRESS_SPACE_FACTOR + ADDRESS_SPACE_EXTRA)
    _limit(resource.RLIMIT_NOFILE, OPEN_FILES)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, FILE_BYTES)
    if _processes_are_counted_per_namespace():
        _limit(resource.RLIMIT_NPROC, PROCESSES)
    os.nice(nice)


def _limit(which: int, value: int) -> None:
    hard = resource.getrlimit(which)[1]
    bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (bound, bound))


def _processes_are_counted_per_namespace() -> bool:
    """Since Linux 5.14; before that the limit would count the whole host's processes of this user."""
    major, minor = (int(part) for part in os.uname().release.split("-")[0].split(".")[:2])
    return (major, minor) >= (5, 14)


if __name__ == "__main__":
    main()
