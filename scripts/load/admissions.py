"""Admissions through MSMF, VMOF and MMF beside a thousand running services: what `admission_full_p99_ms` is made of.

Real gates, engine, rows and sandboxes (`functions`), germany50's sites and links, requests of `demands`. Each admission
is timed by itself; the time in which instances that did not run before were started is told apart, as it belongs to the
start and not to the decision. Used by bench_orchestrator.py.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from scripts.load.demands import TOPOLOGY, Demand, demands, variants
from scripts.load.functions import Admission, Functions, functions

BUYERS = 4
"""who make the running services, side by side"""


def admissions(services: int, models: int, admitted: int, seed: int) -> tuple[list[Admission], dict[str, int]]:
    """Each of the admissions, one after the other, and how many instances ran and requests were refused before."""
    made = variants(models)
    with tempfile.TemporaryDirectory(prefix="s4m-b-") as home, functions(Path(home), made, TOPOLOGY) as built:
        before = _fill(built, list(islice(demands(made, seed, running=True), services)))
        coming = islice(demands(made, seed, running=False), admitted)
        found = [built.admit(services + number, demand) for number, demand in enumerate(coming, 1)]
        return found, before


def verdicts(found: Sequence[Admission]) -> str:
    """How many of each, in words."""
    return ", ".join(f"{count} {verdict}" for verdict, count in Counter(one.verdict for one in found).most_common())


def _fill(built: Functions, wanted: Sequence[Demand]) -> dict[str, int]:
    with ThreadPoolExecutor(BUYERS) as buyers:
        made = list(buyers.map(built.admit, range(1, len(wanted) + 1), wanted))
    refused = sum(one.verdict == "refuse" for one in made)
    return {"services": len(made) - refused, "refused": refused, "instances": len(built.runtime.observe())}
