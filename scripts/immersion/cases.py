"""The cases that immersion is measured and drawn on: section IV-B of the paper, and the same with mixed rates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from orchestrator.qoe import allocate_attention, even_users, meta_immersion, normalised_rate, rendering_experience
from orchestrator.qoe.immersion import CAP_K, Floats

RATES_MBPS = (100, 250, 500, 1000)
TOTAL_K = 4000.0
OBJECTS = 56
PROMISED = 0.5
"""The floor of each user: this part of what an equal budget of its own, well spent, would give it."""


@dataclass(frozen=True)
class Case:
    """K users who share `TOTAL_K`: quality R̂ (1 − E), (K,), and attention (K, 56), 0 where an object is not seen."""

    quality: Floats
    attention: Floats

    def immersion(self, resolution_k: Floats) -> Floats:
        """(K,) Meta-Immersion at these resolutions in K."""
        return self.quality * rendering_experience(self.attention, resolution_k)

    def even(self) -> Floats:
        """(K, 56) resolutions of the even split."""
        return even_users(self.attention, TOTAL_K)

    def floors(self) -> Floats:
        """(K,) floors that are feasible together."""
        own = [allocate_attention(row, TOTAL_K / len(self.quality)) for row in self.attention]
        return PROMISED * self.immersion(np.array(own))


def mixed_users(users: int, rng: np.random.Generator) -> Case:
    """Users who each have one of the four rates, see 1 to 56 objects and look at each with attention 1 to 5."""
    seen = np.arange(OBJECTS) < rng.integers(1, OBJECTS + 1, (users, 1))
    attention = np.where(seen, rng.integers(1, 6, (users, OBJECTS)), 0.0)
    return Case(normalised_rate(1e6 * rng.choice(RATES_MBPS, users)), attention)


def expected_immersion(users: int, rate_mbps: float) -> float:
    """Fig. 5's curve without sampling: the mean over the 56 equally likely numbers of objects, attention 1, E = 0."""
    counts = np.arange(1, OBJECTS + 1)
    return float(_of_counts(counts, users, rate_mbps).mean())


def sampled_immersion(users: int, rate_mbps: float, sessions: int, rng: np.random.Generator) -> Floats:
    """(sessions,) mean Meta-Immersion of a session's users, each seeing a random number of objects."""
    sampled: Floats = _of_counts(rng.integers(1, OBJECTS + 1, (sessions, users)), users, rate_mbps).mean(axis=1)
    return sampled


def one_sample_immersion(users: int, rate_mbps: float, sample: int = 4_000) -> float:
    """The mean over one sample of numbers of objects, the same at every number of users (numpy's generator, seed 0)."""
    counts = np.random.default_rng(0).integers(1, OBJECTS + 1, sample)
    return float(_of_counts(counts, users, rate_mbps).mean())


def _of_counts(counts: np.ndarray, users: int, rate_mbps: float) -> Floats:
    """Meta-Immersion of users who see so many objects and split TOTAL_K ÷ users evenly over them."""
    each = np.minimum(CAP_K, TOTAL_K / users / counts)
    seen = np.arange(OBJECTS) < counts[..., None]
    flat = np.where(seen, 1.0, 0.0).reshape(-1, OBJECTS)
    return meta_immersion(rate_mbps * 1e6, 0.0, flat, each.reshape(-1, 1)).reshape(counts.shape)
