"""Software: an analysis package that runs the caller's own chain of steps over a series of measurements.

run {"series": [numbers], "rate_hz": samples a second, "steps": [{"do": name, …}, …]}
  detrend   smooth {"window"}   median {"window"}   difference   band {"low_hz", "high_hz"}   envelope {"window"}
  spectrum {"peaks"}   events {"above"}   statistics          (these three report and pass the series on)
The granted computing says how many samples each step may see (50 a millicore): a longer series is averaged down first,
which costs resolution in time and the highest frequencies; S4M-Info says by how much. Quantity: thousand samples ×
steps.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.models.errors import BadCall
from orchestrator.models.serving import Answer, Program, Request, json_answer, run

DEFAULT_MCORES = 60
SAMPLES_PER_MCORE = 50
LEAST_SAMPLES, MOST_SAMPLES, MOST_STEPS, MOST_WINDOW = 8, 50_000, 16, 501
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Series:
    """Evenly spaced samples and how many there are a second."""

    values: Array
    rate_hz: float

    def with_values(self, values: Array) -> "Series":
        return Series(np.asarray(values), self.rate_hz)


Step = Callable[[Series, Request], Series]
Report = Callable[[Series, Request], Any]


def run_chain(request: Request) -> Answer:
    given = np.asarray(request.numbers("series", LEAST_SAMPLES, MOST_SAMPLES))
    steps = request.parts("steps", 1, MOST_STEPS)
    most = max(request.granted("computing_mcores", DEFAULT_MCORES) * SAMPLES_PER_MCORE, LEAST_SAMPLES)
    series = thinned(Series(given, request.number("rate_hz", 1.0, 1e-6, 1e6)), most)
    factor, samples = len(given) // len(series.values), len(series.values)
    reports = []
    for step in steps:
        name = step.choice("do", *STEPS, *REPORTS)
        if name in REPORTS:
            reports.append({"do": name, "found": REPORTS[name](series, step)})
        else:
            series = STEPS[name](series, step)
    value = {
        "series": [round(number, 9) for number in series.values.tolist()],
        "rate_hz": series.rate_hz,
        "reports": reports,
    }
    return json_answer(value, math.ceil(samples * len(steps) / 1000), {"samples": samples, "averaged": factor})


def thinned(series: Series, most: int) -> Series:
    """Each so many neighbours become their mean, so that at most `most` are left."""
    factor = -(-len(series.values) // most)
    if factor == 1:
        return series
    whole = len(series.values) // factor * factor
    return Series(series.values[:whole].reshape(-1, factor).mean(axis=1), series.rate_hz / factor)


def _detrend(series: Series, _: Request) -> Series:
    t = np.arange(len(series.values))
    return series.with_values(series.values - np.polyval(np.polyfit(t, series.values, 1), t))


def _smooth(series: Series, step: Request) -> Series:
    """Moving average; at the ends over what there is."""
    window = np.ones(_window(step))
    whole = np.convolve(np.ones(len(series.values)), window, "same")
    return series.with_values(np.convolve(series.values, window, "same")[: len(series.values)] / whole)


def _median(series: Series, step: Request) -> Series:
    window = _window(step)
    padded = np.pad(series.values, window // 2, mode="edge")
    return series.with_values(np.median(np.lib.stride_tricks.sliding_window_view(padded, window), axis=1))


def _difference(series: Series, _: Request) -> Series:
    """Change a second."""
    return series.with_values(np.diff(series.values, prepend=series.values[0]) * series.rate_hz)


def _band(series: Series, step: Request) -> Series:
    low, high = step.number("low_hz", 0.0, 0.0, 1e6), step.number("high_hz", 1e6, 0.0, 1e6)
    if low >= high:
        raise BadCall(f"low_hz is {low}, high_hz {high}; the first must be the lower")
    spectrum = np.fft.rfft(series.values)
    pitch = np.fft.rfftfreq(len(series.values), 1 / series.rate_hz)
    return series.with_values(np.fft.irfft(spectrum * ((pitch >= low) & (pitch <= high)), len(series.values)))


def _envelope(series: Series, step: Request) -> Series:
    """Root of the mean square in a moving window."""
    power = _smooth(series.with_values(series.values**2), step).values
    return series.with_values(np.sqrt(np.maximum(power, 0.0)))


def _spectrum(series: Series, step: Request) -> list[dict[str, float]]:
    """The strongest pitches and their amplitudes."""
    count = step.integer("peaks", 3, 1, 32)
    hann = np.hanning(len(series.values))
    size = np.abs(np.fft.rfft((series.values - series.values.mean()) * hann)) / hann.sum() * 2
    pitch = np.fft.rfftfreq(len(series.values), 1 / series.rate_hz)
    inner = np.arange(1, len(size) - 1)
    peaks = inner[(size[1:-1] >= size[:-2]) & (size[1:-1] > size[2:])]
    best = peaks[np.argsort(-size[peaks], kind="stable")][:count]
    return [{"hz": round(float(pitch[n]), 6), "amplitude": round(float(size[n]), 6)} for n in best]


def _events(series: Series, step: Request) -> list[dict[str, float]]:
    """When it goes above a bound, for how long, and how high."""
    above = series.values > step.number("above", 0.0, -1e12, 1e12)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], above, [False])).astype(np.int8)))
    return [
        {
            "begin_s": round(begin / series.rate_hz, 6),
            "seconds": round((end - begin) / series.rate_hz, 6),
            "most": round(float(series.values[begin:end].max()), 6),
        }
        for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    ]


def _statistics(series: Series, _: Request) -> dict[str, float]:
    values = series.values
    mean, deviation = float(values.mean()), float(values.std())
    kurtosis = float(((values - mean) ** 4).mean()) / deviation**4 if deviation > 0 else 0.0
    found = {"mean": mean, "std": deviation, "min": float(values.min()), "max": float(values.max())}
    return {**{name: round(value, 9) for name, value in found.items()}, "kurtosis": round(kurtosis, 6)}


STEPS: Mapping[str, Step] = {
    "detrend": _detrend,
    "smooth": _smooth,
    "median": _median,
    "difference": _difference,
    "band": _band,
    "envelope": _envelope,
}
REPORTS: Mapping[str, Report] = {"spectrum": _spectrum, "events": _events, "statistics": _statistics}


def _window(step: Request) -> int:
    """Odd, so that its middle is a sample."""
    window = step.integer("window", 5, 1, MOST_WINDOW)
    if window % 2 == 0:
        raise BadCall(f"window is {window}; give an odd number of samples")
    return window


def build() -> Program:
    return Program("software", {"run": run_chain})


if __name__ == "__main__":
    run(build())
