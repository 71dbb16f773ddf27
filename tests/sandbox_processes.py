"""Sandboxes of a home as the machine has them, whatever the home's own records say."""

from collections import Counter
from contextlib import suppress
from pathlib import Path

import psutil


def sandboxes_of(home: Path) -> Counter[str]:
    """Instance → how many sandboxes run it. The outer process of each writes into its instance's folder in the home."""
    found: Counter[str] = Counter()
    for one in psutil.process_iter(["cmdline"]):
        words = one.info["cmdline"] or []
        with suppress(OSError):
            if words and words[0].endswith("bwrap") and Path(f"/proc/{one.pid}/fd/1").readlink().is_relative_to(home):
                found[words[words.index("--instance") + 1]] += 1
    return found
