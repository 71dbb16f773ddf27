"""Quality of experience: Meta-Immersion, the link models behind it and how rendering capacity is split. Pure functions.

Called by the gateway (what one user's budget renders), controllers, simulators and figures. They measure nothing,
hold no state and know no clock.
"""

from orchestrator.qoe.allocation import (
    allocate_attention,
    allocate_even,
    allocate_users,
    even_users,
    padded,
)
from orchestrator.qoe.fairness import allocate_proportionally
from orchestrator.qoe.immersion import (
    CAP_K,
    FULL_RATE_BPS,
    THRESHOLD_K,
    meta_immersion,
    normalised_rate,
    rendering_experience,
)
from orchestrator.qoe.link import bpsk_bit_error, ergodic_rate, scaled_e1

__all__ = [
    "CAP_K",
    "FULL_RATE_BPS",
    "THRESHOLD_K",
    "allocate_attention",
    "allocate_even",
    "allocate_proportionally",
    "allocate_users",
    "bpsk_bit_error",
    "ergodic_rate",
    "even_users",
    "meta_immersion",
    "normalised_rate",
    "padded",
    "rendering_experience",
    "scaled_e1",
]
