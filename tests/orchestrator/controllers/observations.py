"""Observations for the tests: random ones of a size, and small changes of one."""

from dataclasses import replace

import numpy as np

from orchestrator.controllers import Observation


def observation(seed: int, users: int = 6, objects: int = 8, capacity_k: int = 400) -> Observation:
    """Users who see one to all objects, on links of 1 to 1,000 Mb/s."""
    rng = np.random.default_rng(seed)
    seen = rng.integers(1, objects + 1, (users, 1))
    return Observation(
        users=tuple(f"user-{number}" for number in range(users)),
        rate_bps=rng.uniform(1e6, 1e9, users),
        bit_error=rng.uniform(0.0, 0.3, users),
        bits_per_k=rng.uniform(1e4, 5e4, users),
        drawn_k=rng.uniform(0.0, 100.0, users),
        attention=np.where(np.arange(objects) < seen, rng.integers(1, 6, (users, objects)), 0).astype(float),
        floor=rng.uniform(0.0, 1.0, users),
        capacity_k=capacity_k,
        reserved_k=capacity_k,
    )


def with_rates(seen: Observation, factor: float) -> Observation:
    """The same, every link's rate changed by a factor."""
    return replace(seen, rate_bps=seen.rate_bps * factor)
