"""Finds the period of a demand: a day where days are known, else what the autocorrelation says."""

import numpy as np

from orchestrator.controllers.forecast.costs import Floats

DAY_S = 86_400
LEAST, CLEAR = 8, 0.3
"""shortest period in steps; how high an autocorrelation must rise above the valley before it"""
NEARLY = 0.9
"""of the highest rise: the multiples of a period rise as high as the period"""
NOISE = 4.0
"""standard errors (1 ÷ √samples) that mere chance does not reach"""
TIMES = 3
"""periods that must have been seen"""


def find_period(demand: Floats, step_s: float) -> int:
    """The period in steps, 0 where none is to be seen. `demand` has no gaps."""
    day = round(DAY_S / step_s)
    correlation = autocorrelation(np.log1p(demand / (demand.mean() or 1.0)), len(demand) // TIMES)
    found = _highest_peak(correlation, len(demand))
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


def _highest_peak(correlation: Floats, samples: int) -> int:
    """The first lag whose autocorrelation rises nearly the most above the valley before it; 0 where none is clear."""
    if len(correlation) <= LEAST + 1:
        return 0
    rise = correlation - np.minimum.accumulate(correlation)
    summit = np.r_[False, (correlation[1:-1] >= correlation[:-2]) & (correlation[1:-1] >= correlation[2:]), False]
    clear = summit & (rise >= CLEAR) & (correlation >= NOISE / np.sqrt(samples))
    clear[:LEAST] = False
    if not clear.any():
        return 0
    return int(np.argmax(clear & (rise >= NEARLY * rise[clear].max())))
