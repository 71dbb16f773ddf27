"""Monitoring: weather, tide and waves of a beach at a moment, computed, not looked up.

conditions {"beach": name, "t": UTC seconds, "hours": forecast, 0..48}
Tide: the four great harmonics. Waves: a Pierson-Moskowitz sea for the wind, and a swell, synthesised on an n×n grid of
AREA metres by FFT; n follows the granted computing (8·√mcores), and so do the cost and the shortest wave resolved.
Every beach has a weather of its own, the same for whoever asks. Quantity: hours told, the present one and those ahead.
"""

import math
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.models.errors import BadCall
from orchestrator.models.serving import Answer, Program, Request, json_answer, run

GRAVITY = 9.81
AREA = 400.0
DEFAULT_MCORES = 100
LEAST_GRID, MOST_GRID = 16, 512
SWELL_M, SWELL_PERIOD_S = 0.35, 9.0
DAY, YEAR = 86_400.0, 31_556_952.0
# period in hours, amplitude in metres: M2, S2, K1, O1
HARMONICS = ((12.4206, 0.92), (12.0, 0.34), (23.9345, 0.21), (25.8193, 0.16))


def conditions(request: Request) -> Answer:
    beach = request.params.get("beach", "beach")
    if not isinstance(beach, str) or not 0 < len(beach) <= 64:
        raise BadCall("beach must be a name of 1 to 64 characters")
    moment, hours = request.number("t", 0.0, 0.0, 1e11), request.integer("hours", 0, 0, 48)
    grid = grid_size(request.granted("computing_mcores", DEFAULT_MCORES))
    now = weather(beach, moment)
    value: dict[str, Any] = {
        "beach": beach,
        "t": moment,
        "weather": now,
        "tide_m": round(tide(beach, moment), 3),
        "waves": waves(beach, moment, now["wind_ms"], now["wind_from_deg"], grid),
        "forecast": [_forecast(beach, moment + 3600 * (hour + 1)) for hour in range(hours)],
    }
    return json_answer(value, 1 + hours, {"grid": grid})


def grid_size(mcores: int) -> int:
    return min(max(8 * math.isqrt(max(mcores, 0)), LEAST_GRID), MOST_GRID)


def tide(beach: str, moment: float) -> float:
    """Metres above mean sea level."""
    return sum(
        height * math.cos(math.tau * (moment / 3600 / period + chance))
        for (period, height), chance in zip(HARMONICS, _chances(beach, "tide"), strict=False)
    )


def weather(beach: str, moment: float) -> dict[str, float]:
    """Slow swings of several periods in phases of the beach's own."""
    chance = _chances(beach, "weather")
    swing = [math.sin(math.tau * (moment / DAY / days + chance[n])) for n, days in enumerate((3.1, 5.3, 8.7, 1.9))]
    sun = max(math.sin(math.tau * (moment / DAY - 0.25)), 0.0)
    cloud = min(max(0.42 + 0.34 * swing[0] + 0.2 * swing[3], 0.0), 1.0)
    wind = max(5.5 + 3.2 * swing[1] + 1.6 * swing[3], 0.4)
    season = math.cos(math.tau * (moment / YEAR - 0.55))
    return {
        "air_c": round(21.5 + 5 * season + 3.5 * sun * (1 - 0.5 * cloud) + 1.5 * swing[2], 1),
        "water_c": round(20.0 + 3.5 * math.cos(math.tau * (moment / YEAR - 0.62)), 1),
        "wind_ms": round(wind, 2),
        "wind_from_deg": round((chance[4] * 360 + 60 * swing[2]) % 360, 1),
        "cloud": round(cloud, 3),
        "uv": round(10.5 * sun * (1 - 0.7 * cloud), 1),
        "rain_mmh": round(max(cloud - 0.78, 0.0) * 12, 2),
    }


def waves(beach: str, moment: float, wind_ms: float, wind_from_deg: float, grid: int) -> dict[str, Any]:
    """Significant height (4σ), peak period and a cut through the sea surface, of the synthesised grid."""
    surface = sea_surface(beach, moment, wind_ms, wind_from_deg, grid)
    peak = math.tau * wind_ms / (0.877 * GRAVITY)
    return {
        "significant_m": round(4 * float(surface.std()), 3),
        "highest_m": round(float(surface.max() - surface.min()), 3),
        "peak_period_s": round(peak, 2),
        "resolved_m": round(2 * AREA / grid, 2),
        "cut_m": [round(float(height), 3) for height in surface[0, :: max(grid // 16, 1)]],
    }


def sea_surface(beach: str, moment: float, wind_ms: float, wind_from_deg: float, grid: int) -> NDArray[np.float64]:
    """Heights in metres on a grid of AREA by AREA metres; each wave runs by ω² = g·k."""
    along = np.fft.fftfreq(grid, AREA / grid) * math.tau
    across = np.fft.rfftfreq(grid, AREA / grid) * math.tau
    number = np.hypot(along[:, None], across[None, :])
    number[0, 0] = 1.0
    omega = np.sqrt(GRAVITY * number)
    towards = np.arctan2(along[:, None], across[None, :]) - math.radians(wind_from_deg + 180)
    energy = (
        (_pierson_moskowitz(omega, wind_ms) + _swell(omega))
        * GRAVITY
        / (2 * omega)
        / number
        * np.cos(towards) ** 2
        * 2
        / math.pi
    )
    energy[0, 0] = 0.0
    source = np.random.default_rng(int.from_bytes(sha256(beach.encode()).digest()[:8], "big"))
    phase = source.uniform(0, math.tau, (MOST_GRID, MOST_GRID // 2 + 1))[:grid, : grid // 2 + 1]
    step = math.tau / AREA
    spectrum = np.sqrt(energy / 2) * step * np.exp(1j * (phase - omega * moment))
    return np.fft.irfft2(spectrum, s=(grid, grid)) * grid * grid


def _pierson_moskowitz(omega: NDArray[np.float64], wind_ms: float) -> NDArray[np.float64]:
    """S(ω) of a fully developed sea, m²·s."""
    peak = 0.877 * GRAVITY / wind_ms
    density: NDArray[np.float64] = 8.1e-3 * GRAVITY**2 / omega**5 * np.exp(-1.25 * (peak / omega) ** 4)
    return density


def _swell(omega: NDArray[np.float64]) -> NDArray[np.float64]:
    """What comes in from far away even when no wind blows here, m²·s."""
    centre, spread = math.tau / SWELL_PERIOD_S, 0.06
    density: NDArray[np.float64] = np.exp(-0.5 * ((omega - centre) / spread) ** 2)
    return density * SWELL_M**2 / 16 / (spread * math.sqrt(math.tau))


def _forecast(beach: str, moment: float) -> dict[str, float]:
    ahead = weather(beach, moment)
    return {
        "t": moment,
        "tide_m": round(tide(beach, moment), 3),
        **{name: ahead[name] for name in ("air_c", "wind_ms", "cloud")},
    }


def _chances(beach: str, of: str) -> list[float]:
    return [byte / 256 for byte in sha256(f"{of}:{beach}".encode()).digest()[:8]]


def build() -> Program:
    return Program("monitoring", {"conditions": conditions})


if __name__ == "__main__":
    run(build())
