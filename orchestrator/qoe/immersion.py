"""Meta-Immersion of users of an AR/VR service: MI_k = R̂_k (1 − E_k) Σ_n a_kn ln(max(x_kn, x_th) / x_th).

Source: section IV of the paper with the published constants of its authors' later work (SLICING4META.md, IV).
Called by the gateway, the simulators and the figures; the same formula in whole thousandths, one user at a time, is
`ledger.metering.immersion_milli`, which is what is billed by.
"""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ledger import metering

Floats = NDArray[np.float64]

FULL_RATE_BPS: Final = metering.FULL_RATE_BPS
THRESHOLD_K: Final = metering.THRESHOLD_K
CAP_K: Final = 20.0
"""The most resolution one object takes, in K (section IV-B of the paper)."""


def normalised_rate(rate_bps: ArrayLike) -> Floats:
    """R̂ = clip(R / 1 Gb/s, 0, 1), any shape; R in bits per second. A fixed scale (Table I), never the sample's own."""
    return np.clip(np.asarray(rate_bps, np.float64) / FULL_RATE_BPS, 0.0, 1.0)


def rendering_experience(attention: ArrayLike, resolution_k: ArrayLike, threshold_k: float = THRESHOLD_K) -> Floats:
    """Σ_n a_kn ln(max(x_kn, x_th) / x_th): (…, N) attention (1..5; 0 = not seen) and resolution in K → (…).

    Weber–Fechner with the natural log, its constant absorbed in a. An object at the threshold or under it
    is worth nothing.
    """
    weights = np.asarray(attention, np.float64)
    stimulus = np.maximum(np.asarray(resolution_k, np.float64), threshold_k) / threshold_k
    total: Floats = np.sum(weights * np.log(stimulus), axis=-1)
    return total


def meta_immersion(
    rate_bps: ArrayLike,
    bit_error: ArrayLike,
    attention: ArrayLike,
    resolution_k: ArrayLike,
    threshold_k: float = THRESHOLD_K,
) -> Floats:
    """MI of K users: rate (K,) in bits per second, uplink bit error probability (K,), attention and resolution (K, N).

    Scalars and single users broadcast. Raises `ValueError` for a probability outside 0..1 or a negative weight.
    """
    error = np.asarray(bit_error, np.float64)
    weights = np.asarray(attention, np.float64)
    if np.any((error < 0) | (error > 1)) or np.any(weights < 0):
        raise ValueError("bit error probabilities lie in 0..1 and attention is never negative")
    return normalised_rate(rate_bps) * (1.0 - error) * rendering_experience(weights, resolution_k, threshold_k)
