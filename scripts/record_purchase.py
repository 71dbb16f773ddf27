"""Plays a purchase by commands on a house of its own and keeps what the terminal showed in docs/quick-start.md.

    .venv/bin/python -m scripts.record_purchase

tests/s4m/test_spending.py plays the same commands and holds the page against them. What differs from run to run (keys,
hashes, ids, ports) is written as `…`.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from s4m.progress import STAGES
from s4m.supervisor import House

PAGE = Path(__file__).resolve().parent.parent / "docs" / "quick-start.md"
BEGIN, END = "<!-- recorded by scripts/record_purchase.py -->\n```\n", "```\n<!-- end -->\n"
COMMANDS = (
    "s4m wallet create grace",
    "s4m wallet fund grace --credits 10",
    "s4m buy virtual-beach-travel --wallet grace --cap 5000 --dry-run",
    "s4m buy virtual-beach-travel --wallet grace --cap 5000",
    "s4m buy virtual-beach-travel --wallet grace --cap 5000 --yes",
    "s4m wallet balance grace",
)
VARYING = (
    (re.compile(r"0x[0-9a-fA-F]{8,}"), "0x…"),
    (re.compile(r"\bmsi-[0-9a-f]+"), "msi-…"),
    (re.compile(r"http://127\.0\.0\.1:\d+"), "http://127.0.0.1:…"),
    (re.compile(r"(?m)^(gas\w*\s+)\d+$"), r"\1…"),
    (re.compile(r"\b\d{12,}\b"), "…"),
    (re.compile(r"(?m)^(reused\s+)\w+$"), r"\1…"),
)


def recorded(home: Path) -> str:
    """What each command showed, one after the other, as somebody without a terminal saw it."""
    return "\n".join(f"$ {command}\n{_shown(home, command)}" for command in COMMANDS)


def _shown(home: Path, command: str) -> str:
    password = {"S4M_WALLET_PASSWORD": "correct horse"}  # nosec B105 (of a wallet that lives as long as this)
    environment = {**os.environ, **password, "S4M_HOME": str(home), "S4M_SCRYPT_N": "1024"}
    words = [sys.executable, "-m", "s4m.main", *shlex.split(command)[1:]]
    done = subprocess.run(
        words, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    text = done.stdout
    for pattern, instead in VARYING:
        text = pattern.sub(instead, text)
    return text + (f"(exit code {done.returncode})\n" if done.returncode else "")


def without_stages(text: str) -> list[str]:
    """The lines but for the stages of the wait: a quick house is past some of them before anybody looks."""
    return [line for line in text.splitlines() if line.strip() not in STAGES.values()]


def on_the_page() -> str:
    return PAGE.read_text().partition(BEGIN)[2].partition(END)[0]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, House.start(Path(folder), port_base=0) as house:
        shown = recorded(house.home)
    before, _, rest = PAGE.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(before + BEGIN + shown + END + after)


if __name__ == "__main__":
    main()
