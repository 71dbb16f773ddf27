"""What a floor under Meta-Immersion takes of rendering, and the highest floor there can be. Pure; VMOF plans by it.

Both follow from MI = R̂ (1 − E) Σ a ln(max(x, x_th)/x_th) with the link as asked for: a plan's figures. What a user
then has is measured frame by frame (`orchestrator.gateway`).
"""

from functools import lru_cache
from math import log

import numpy as np

from orchestrator.qoe.filling import Filling
from orchestrator.qoe.immersion import CAP_K, THRESHOLD_K, normalised_rate
from orchestrator.qoe.link import bpsk_bit_error


def planned_quality(rate_mbps: float, snr_db: float) -> float:
    """R̂ (1 − E), 0 to 1, of a link of that rate in Mb/s at a mean SNR in dB."""
    return float(normalised_rate(rate_mbps * 1e6) * (1.0 - bpsk_bit_error(10 ** (snr_db / 10))))


def highest_floor(attention: tuple[float, ...], quality: float) -> float:
    """Meta-Immersion of a user who sees all of these objects at the cap."""
    return quality * sum(attention) * log(CAP_K / THRESHOLD_K)


@lru_cache(maxsize=4096)
def least_rendering(attention: tuple[float, ...], quality: float, floor: float) -> float:
    """The fewest K with which a user reaches the floor, the best objects kept (`Filling.cheapest`); infinite where even
    the cap for all of them does not."""
    if floor <= 0:
        return 0.0
    weights = quality * np.asarray([attention], np.float64)
    _, _, needed = Filling(weights, CAP_K * len(attention), CAP_K, THRESHOLD_K).cheapest(np.array([floor]))
    return float(needed[0])
