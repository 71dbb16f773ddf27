"""Things of the physical world, simulated: what a machine, a patient and a street are really like at any moment.

`truth` is the world itself: sensors sample it, and tests hold a twin against it. A pure function of kind, name, time:
every thing has a life of its own, the same for whoever looks. Nobody's programs but `sensors` may see the truth.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
LAG_TAPS = 9
WEAR_S = 14 * 86_400.0


@dataclass(frozen=True)
class Channel:
    """One quantity: its unit, the noise (σ) and the drift a day of the sensor that measures it."""

    name: str
    unit: str
    noise: float
    drift: float


@dataclass(frozen=True)
class Kind:
    """`periods` (s) are the swings of its load; the longest weighs most."""

    periods: tuple[float, ...]
    channels: tuple[Channel, ...]
    physics: "Callable[[str, Array], Mapping[str, Array]]"


def truth(kind: str, name: str, t: Array) -> Mapping[str, Array]:
    """Every channel's true value at these moments (UTC seconds)."""
    return KINDS[kind].physics(name, t)


def chances(*of: object) -> list[float]:
    """Eight numbers from 0 to 1 that belong to these words."""
    return [byte / 256 for byte in sha256(":".join(map(str, of)).encode()).digest()[:8]]


def load(kind: str, name: str, t: Array) -> Array:
    """How hard the thing works, from 0 to 1."""
    periods = KINDS[kind].periods
    phases = chances("load", kind, name)
    swing = sum(
        math.sqrt(period / periods[0]) * np.sin(math.tau * (t / period + phase))
        for period, phase in zip(periods, phases, strict=False)
    )
    return np.asarray(1 / (1 + np.exp(-2.0 * swing)))


def lagged(kind: str, name: str, t: Array, seconds: float) -> Array:
    """The load as something slow feels it: a first-order lag."""
    taps = np.arange(LAG_TAPS) * 3.0 / (LAG_TAPS - 1)
    weights = np.exp(-taps) / np.exp(-taps).sum()
    return np.asarray(
        sum(weight * load(kind, name, t - tap * seconds) for tap, weight in zip(taps, weights, strict=True))
    )


def _machine(name: str, t: Array) -> Mapping[str, Array]:
    """A machine tool: a spindle whose drive and bearings warm up and wear."""
    work, wear = load("machine", name, t), (t / WEAR_S + chances("wear", name)[0]) % 1.0
    rpm = 600 + 5400 * work
    return {
        "spindle_rpm": rpm,
        "power_kw": 1.2 + 9.5 * work * (1 + 0.15 * wear),
        "temperature_c": 24 + 41 * lagged("machine", name, t, 90.0) + 8 * wear,
        "vibration_mm_s": 0.6 + (0.8 + 3.5 * wear) * (rpm / 6000) ** 2,
    }


def _patient(name: str, t: Array) -> Mapping[str, Array]:
    """Somebody whose heart follows effort at once and whose temperature does so late."""
    effort, rest = load("patient", name, t), 56 + 14 * chances("rest", name)[0]
    return {
        "heart_bpm": rest + 70 * lagged("patient", name, t, 20.0),
        "breaths_per_min": 11 + 15 * lagged("patient", name, t, 30.0),
        "spo2_pct": 98.5 - 2.5 * effort,
        "temperature_c": 36.5 + 0.9 * lagged("patient", name, t, 400.0),
        "systolic_mmhg": 108 + 45 * effort,
    }


def _street(name: str, t: Array) -> Mapping[str, Array]:
    """A street: speed falls with flow (BPR), noise grows with its logarithm, particles come after the cars."""
    flow = 2 + 58 * load("street", name, t) * (0.35 + 0.65 * np.sin(math.pi * ((t / 86_400.0) % 1.0)) ** 2)
    return {
        "vehicles_per_min": flow,
        "speed_km_h": 50 / (1 + 0.6 * (flow / 45) ** 4),
        "pm25_ug_m3": 6 + 28 * lagged("street", name, t, 900.0),
        "noise_db": 52 + 10 * np.log10(flow),
    }


KINDS: Mapping[str, Kind] = {
    "machine": Kind(
        (900.0, 240.0, 70.0),
        (
            Channel("spindle_rpm", "1/min", 12.0, 2.0),
            Channel("power_kw", "kW", 0.08, 0.01),
            Channel("temperature_c", "°C", 0.3, 0.1),
            Channel("vibration_mm_s", "mm/s", 0.12, 0.01),
        ),
        _machine,
    ),
    "patient": Kind(
        (1800.0, 420.0, 95.0),
        (
            Channel("heart_bpm", "1/min", 1.5, 0.1),
            Channel("breaths_per_min", "1/min", 0.7, 0.05),
            Channel("spo2_pct", "%", 0.4, 0.05),
            Channel("temperature_c", "°C", 0.08, 0.02),
            Channel("systolic_mmhg", "mmHg", 2.5, 0.3),
        ),
        _patient,
    ),
    "street": Kind(
        (3600.0, 1100.0, 400.0),
        (
            Channel("vehicles_per_min", "1/min", 1.2, 0.05),
            Channel("speed_km_h", "km/h", 1.0, 0.05),
            Channel("pm25_ug_m3", "µg/m³", 0.8, 0.1),
            Channel("noise_db", "dB", 0.6, 0.05),
        ),
        _street,
    ),
}
