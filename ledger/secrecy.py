"""What keeps a key inside the process that holds it: no core, no other process that looks in, no password passed on.

Called first by every program that opens keys, and by whoever starts other programs. Where the system is not Linux only
the core is forbidden: other processes of the same user are kept out there by the system's own means, if at all.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from typing import Final

PASSWORDS: Final = ("S4M_WALLET_PASSWORD",)
"""Variables that are for one command, not for the programs that it starts."""
_PR_SET_DUMPABLE: Final = 4


def keep_memory_private() -> None:
    """No core is ever written, and no process of the same user may trace this one or read its memory or environment
    (prctl(2), PR_SET_DUMPABLE; ptrace(2)). Programs that are started from here are as ever; their cores stay forbidden.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def passed_on() -> dict[str, str]:
    """This process's environment without passwords: what programs that are started from here get."""
    return {name: value for name, value in os.environ.items() if name not in PASSWORDS}
