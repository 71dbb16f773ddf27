"""Modelled radio link for simulations and plans: ergodic Rayleigh rate and BPSK bit errors (SLICING4META.md, IV).

In operation the gateway measures R and E instead; these models are never billed by.
"""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from orchestrator.qoe.immersion import Floats

EULER_GAMMA: Final = 0.57721566490153286061
_SERIES_TERMS: Final = 40
_FRACTION_DEPTH: Final = 150


def bpsk_bit_error(snr: ArrayLike) -> Floats:
    """E = ½ (1 − √(γ / (1 + γ))): BPSK over Rayleigh fading; γ mean SNR as a ratio (not dB), any shape."""
    ratio = np.asarray(snr, np.float64)
    error: Floats = 0.5 * (1.0 - np.sqrt(ratio / (1.0 + ratio)))
    return error


def ergodic_rate(bandwidth_hz: ArrayLike, snr: ArrayLike) -> Floats:
    """R = (B / ln 2) e^{1/γ} E₁(1/γ) in bits per second: B in Hz, γ mean SNR as a ratio > 0; shapes broadcast."""
    rate: Floats = np.asarray(bandwidth_hz, np.float64) / np.log(2.0) * scaled_e1(1.0 / np.asarray(snr, np.float64))
    return rate


def scaled_e1(x: ArrayLike) -> Floats:
    """e^x E₁(x) for x > 0, any shape; relative error under 1e-12. Scaled, so that it never underflows.

    Up to 1 the power series, above it the continued fraction (Abramowitz and Stegun 5.1.11 and 5.1.22).
    """
    points = np.asarray(x, np.float64)
    if np.any(points <= 0):
        raise ValueError("E₁ is defined here for x > 0")
    low, high = np.minimum(points, 1.0), np.maximum(points, 1.0)
    return np.where(points <= 1.0, np.exp(low) * _series(low), _fraction(high))


def _series(x: Floats) -> Floats:
    """E₁(x) = −γ − ln x − Σ_{k≥1} (−x)^k / (k k!)."""
    term = np.ones_like(x)
    total = -EULER_GAMMA - np.log(x)
    for k in range(1, _SERIES_TERMS):
        term = term * (-x / k)
        total = total - term / k
    return total


def _fraction(x: Floats) -> Floats:
    """e^x E₁(x) = 1/(x+1− 1/(x+3− 4/(x+5− 9/(x+7− …)))), from the far end."""
    tail = x + (2 * _FRACTION_DEPTH + 1)
    for k in range(_FRACTION_DEPTH, 0, -1):
        tail = x + (2 * k - 1) - k * k / tail
    return 1.0 / tail
