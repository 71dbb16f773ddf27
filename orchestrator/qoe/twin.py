"""Quality of experience of a digital twin (section III-A, Table I): synchronisation fidelity and service quality.

Fidelity, from 0 to 1, is the part of the object's own variation that the twin explains: F = max(0, 1 − ε² / σ²), where
ε² is the mean square of twin − object and σ² the object's variance, mean over channels (the coefficient of
determination; Nash and Sutcliffe 1970). 1 is a perfect twin, 0 one that knows no more than the object's mean.
Fidelity falls with the age of the twin's state, t − u(t), u(t) being when its freshest reading was made (Kaul, Yates
and Gruteser 2012): for an object with correlation time τ (Ornstein–Uhlenbeck), the best estimate at age Δ has
ε² = σ² (1 − e^{−2Δ/τ}) (Ornee and Sun 2019), so F falls as e^{−2Δ/τ}.
Service quality, from 0 to 1, is the share of calls that were answered within the promised time.
For MSMF, controllers and simulators. Pure functions: they read no twin; `orchestrator.models.digital_twin` tells its
own estimate of F and its age with each answer, and tests hold it against the F measured here.
"""

import numpy as np
from numpy.typing import ArrayLike

from orchestrator.qoe.immersion import Floats


def synchronisation_fidelity(object_state: ArrayLike, twin_state: ArrayLike) -> float:
    """F over (T, C) states of the object and of its twin at the same T ≥ 2 moments, C channels in their own units.

    A channel of the object that never changes counts 1 where the twin is right and 0 where it errs.
    Raises `ValueError` for states that do not fit each other or are not finite.
    """
    real, told = np.asarray(object_state, np.float64), np.asarray(twin_state, np.float64)
    if real.ndim != 2 or real.shape != told.shape or real.shape[0] < 2 or real.shape[1] < 1:
        raise ValueError(f"states must both be (moments ≥ 2, channels ≥ 1), not {real.shape} and {told.shape}")
    if not np.all(np.isfinite(real) & np.isfinite(told)):
        raise ValueError("states must be finite: leave moments without a reading out")
    error, own = np.mean((told - real) ** 2, axis=0), np.var(real, axis=0)
    ratio = np.divide(error, own, out=np.where(error > 0, np.inf, 0.0), where=own > 0)
    return float(np.maximum(1.0 - ratio, 0.0).mean())


def mean_age(made_s: ArrayLike, received_s: ArrayLike, since_s: float, until_s: float) -> float:
    """Time average over since..until of the twin's age in seconds, from when readings were made and received (UTC s).

    The age is a saw-tooth: it grows with the clock and falls when a reading fresher than all before is received.
    Raises `ValueError` where a reading is received before it is made, or none is at hand when the interval begins.
    """
    made, received = np.asarray(made_s, np.float64), np.asarray(received_s, np.float64)
    if made.ndim != 1 or made.shape != received.shape or np.any(received < made):
        raise ValueError("each reading needs when it was made and, not before that, when it was received")
    if not since_s < until_s or not np.any(received <= since_s):
        raise ValueError("the interval must have a length and begin with a reading at hand")
    order = np.argsort(received, kind="stable")
    fresh, moments = np.maximum.accumulate(made[order]), received[order]
    begins = np.clip(moments, since_s, until_s)
    ends = np.append(begins[1:], until_s)
    return float(np.sum((ends - begins) * ((ends + begins) / 2 - fresh)) / (until_s - since_s))


def fidelity_at_age(fresh: ArrayLike, age_s: ArrayLike, correlation_s: float) -> Floats:
    """F at an age in seconds of an object with correlation time τ seconds, of fidelity `fresh` at age 0; any shapes."""
    if not correlation_s > 0 or np.any(np.asarray(age_s) < 0):
        raise ValueError("the correlation time must be above 0 s and no age below")
    decayed: Floats = np.asarray(fresh, np.float64) * np.exp(-2.0 * np.asarray(age_s, np.float64) / correlation_s)
    return decayed


def oldest_age(fresh: float, floor: float, correlation_s: float) -> float:
    """The age in seconds at which F reaches its floor, so the longest time between updates; 0 where it never is above.

    Infinite for a floor of 0.
    """
    if not (0 <= floor <= 1 and 0 <= fresh <= 1 and correlation_s > 0):
        raise ValueError("fidelity and floor lie in 0..1 and the correlation time is above 0 s")
    if floor == 0:
        return float("inf")
    return max(0.5 * correlation_s * float(np.log(fresh / floor)), 0.0) if fresh > 0 else 0.0


def service_quality(latencies_ms: ArrayLike, promised_ms: float, failed: int = 0) -> float:
    """The share of calls answered within `promised_ms`; latencies (N,) in ms of those answered, `failed` got none."""
    latencies = np.asarray(latencies_ms, np.float64)
    if failed < 0 or latencies.size + failed == 0 or not promised_ms > 0 or np.any(latencies < 0):
        raise ValueError("there must be calls, no latency below 0 and a promise above 0 ms")
    return float(np.count_nonzero(latencies <= promised_ms) / (latencies.size + failed))


def twin_experience(fidelity: ArrayLike, quality: ArrayLike) -> Floats:
    """QoE, 0..1: fidelity × service quality, as Meta-Immersion is rendering × link; neither makes up for 0."""
    experience: Floats = np.asarray(fidelity, np.float64) * np.asarray(quality, np.float64)
    return experience
