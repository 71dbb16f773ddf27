"""One step of the local controller for 1,000 users, measured: every user's link has moved noticeably."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.controllers import LocalController, Observation
from orchestrator.simulation.crowd import OBJECTS

USERS, STEPS = 1_000, 101


def measure(figure: Callable[..., dict[str, Any]], out: Path, seed: int, _data: Path | None) -> list[dict[str, Any]]:
    """The median step; all steps are written to controller-steps.json."""
    rng = np.random.default_rng(seed)
    attention = np.where(
        np.arange(OBJECTS) < rng.integers(1, OBJECTS + 1, (USERS, 1)), rng.integers(1, 6, (USERS, OBJECTS)), 0.0
    )
    controller = LocalController()
    state, took = controller.begin(), []
    for second in range(STEPS):
        seen = observed(rng, attention)
        began = time.perf_counter()
        state = controller.step(state, seen, float(second)).state
        took.append(1_000 * (time.perf_counter() - began))
    (out / "controller-steps.json").write_text(json.dumps({"ms": took}) + "\n")
    load = f"{USERS} users of up to {OBJECTS} objects, all links moved; median of {STEPS}, slowest {max(took):.1f} ms"
    return [figure("controller_step_1000_ms", round(float(np.median(took)), 3), "ms", load, ("<=", 20.0))]


def observed(rng: np.random.Generator, attention: np.ndarray[Any, np.dtype[np.float64]]) -> Observation:
    """A look at everybody, each link at a rate of its own."""
    return Observation(
        users=tuple(f"user-{number}" for number in range(USERS)),
        rate_bps=rng.uniform(1e6, 1e9, USERS),
        bit_error=rng.uniform(0.0, 0.2, USERS),
        bits_per_k=rng.uniform(1e4, 4e4, USERS),
        drawn_k=np.full(USERS, 80.0),
        attention=attention,
        floor=rng.uniform(0.0, 1.0, USERS),
        capacity_k=80 * USERS,
        reserved_k=80 * USERS,
    )
