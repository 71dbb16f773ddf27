"""Finds the period of a demand: a day where days are known, else what the autocorrelation says."""

import numpy as np

from orchestrator.controllers.forecast.costs import Floats

DAY_S = 86_400
LEAST, CLEAR = 8, 0.3
"""shortest period in steps; how high an autocorrelation must rise above the valley before it"""
TIMES = 3
"""periods that must have been seen"""


def find_period(demand: Floats, step_s: float) -> int:
    """The period in steps, 0 where none is to be seen. `demand` has no gaps."""
    day = round(DAY_S / step_s)
    correlation = autocorrelation(np.log1p(demand / (demand.mean() or 1.0)), len(demand) // TIMES)
    found = _highest_peak(correlation)
    days_known = LEAST <= day < len(correlation)
    if days_known and (not found or correlation[found] < correlation[day] + CLEAR):
        return day
    return found


def autocorrelation(series: Floats, lags: int) -> Floats:
    """Of lags 0 … `lags`, by Fourier transform; zeros for a constant."""
    centred = series - series.mean()
    power = np.abs(np.fft.rfft(centred, 2 * len(series))) ** 2
    correlation: Floats = np.fft.irfft(power)[: lags + 1] / np.arange(len(series), len(series) - lags - 1, -1)
    if correlation[0] <= 1e-12:
        return np.zeros(lags + 1)
    return correlation / float(correlation[0])


def _highest_peak(correlation: Floats) -> int:
    """The lag where the autocorrelation is highest above the lowest point before it; 0 where none is clear."""
    if len(correlation) <= LEAST:
        return 0
    rise = correlation - np.minimum.accumulate(correlation)
    peak = int(np.argmax(rise[LEAST:])) + LEAST
    return peak if rise[peak] >= CLEAR and peak < len(correlation) - 1 else 0
