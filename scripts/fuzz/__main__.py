"""`python -m scripts.fuzz`: a million inputs over all cores, or what is left of them; exits 1 where one is found.

Writes OUT/fuzz/report.json; OUT/fuzz/SEED.jsonl keeps what is done, so that the same command goes on after a stop.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from scripts.fuzz.run import MILLION, play


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=MILLION, help="how many in all (1,000,000)")
    parser.add_argument("--seed", type=int, default=1, help="another seed makes other inputs")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, default=Path("out"))
    options = parser.parse_args()
    folder = options.out / "fuzz"
    folder.mkdir(parents=True, exist_ok=True)
    state = folder / f"{options.seed}.jsonl"
    found = play(options.inputs, options.seed, options.processes, state, _say)
    (folder / "report.json").write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps({**found, "findings": found["findings"][:10]}, indent=2))
    return 1 if found["findings"] else 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
