"""Links and streams second by second: read from recordings, or modelled where there are none.

Recordings: `radio/*.csv` as of uccmisl/5Gdataset (a row a second or so: Timestamp, SNR in dB, DL_bitrate in kb/s, State
D while something is downloaded: only then is the bit rate the link's), and `vr/*.csv` as of signetlabdei/ns-3-vr-app
(burst in bytes, seconds to the next frame), whose bursts are folded into one frame a second.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from orchestrator.controllers.values import Floats
from orchestrator.qoe import bpsk_bit_error, ergodic_rate
from orchestrator.simulation.errors import TraceMalformed

STAMP = "%Y.%m.%d_%H.%M.%S"
DOWNLOADING = "D"


@dataclass(frozen=True, slots=True)
class LinkTrace:
    """One link, a value a second."""

    name: str
    rate_bps: Floats
    bit_error: Floats


@dataclass(frozen=True, slots=True)
class StreamTrace:
    """One stream in full resolution: bits of each second's frame."""

    name: str
    bits: Floats


@dataclass(frozen=True, slots=True)
class Traces:
    """What a crowd is drawn from; at least one of each."""

    links: tuple[LinkTrace, ...]
    streams: tuple[StreamTrace, ...]


def read_traces(folder: Path) -> Traces:
    """All recordings under `folder`/radio and `folder`/vr, by name. Raises TraceMalformed."""
    links = tuple(_read_link(path) for path in sorted((folder / "radio").glob("*.csv")))
    streams = tuple(_read_stream(path) for path in sorted((folder / "vr").glob("*.csv")))
    if not links or not streams:
        raise TraceMalformed(f"{folder} holds no recordings. Put CSV files into its folders radio and vr.")
    return Traces(links, streams)


def modelled_traces(seed: int, seconds: int) -> Traces:
    """Links of modelled rate (Rayleigh, the mean SNR an AR(1) walk around 4 dB, 100 MHz) and a stream of 20 Mb/s."""
    rng = np.random.default_rng([seed, 1])
    links = []
    for number in range(8):
        level = _walk(rng, seconds, mean=4.0, spread=5.0, memory=0.97)
        ratio = 10.0 ** (level / 10.0)
        rate = ergodic_rate(100e6 / 8, ratio) * np.exp(rng.normal(0.0, 0.2, seconds))
        links.append(LinkTrace(f"modelled-{number}", rate, bpsk_bit_error(ratio)))
    bits = 20e6 * np.exp(_walk(rng, seconds, mean=0.0, spread=0.1, memory=0.9))
    return Traces(tuple(links), (StreamTrace("modelled", bits),))


def _walk(rng: np.random.Generator, seconds: int, *, mean: float, spread: float, memory: float) -> Floats:
    """An AR(1) series with this stationary mean and standard deviation."""
    steps = rng.normal(0.0, spread * np.sqrt(1.0 - memory**2), seconds)
    steps[0] = rng.normal(0.0, spread)
    for second in range(1, seconds):
        steps[second] += memory * steps[second - 1]
    series: Floats = mean + steps
    return series


def _read_link(path: Path) -> LinkTrace:
    try:
        with path.open(newline="") as file:
            rows = [(_second(row["Timestamp"]), _rate(row), _number(row["SNR"])) for row in csv.DictReader(file)]
    except (KeyError, ValueError, OSError) as cause:
        raise TraceMalformed(f"{path.name} is no radio recording ({cause!r}). See docs/controllers.md.") from cause
    if len(rows) < 2:
        raise TraceMalformed(f"{path.name} needs two rows or more. See docs/controllers.md.")
    rows.sort(key=lambda row: row[0])
    seconds = np.array([row[0] for row in rows], np.int64)
    rate = _each_second(seconds, np.array([row[1] for row in rows]), path)
    snr_db = _each_second(seconds, np.array([row[2] for row in rows]), path)
    return LinkTrace(path.stem, rate, bpsk_bit_error(10.0 ** (snr_db / 10.0)))


def _second(stamp: str) -> int:
    return round((datetime.strptime(stamp, STAMP) - datetime(1970, 1, 1)).total_seconds())


def _rate(row: dict[str, str]) -> float:
    """Bits per second; unknown while nothing is downloaded."""
    return _number(row["DL_bitrate"]) * 1_000.0 if row.get("State", DOWNLOADING) == DOWNLOADING else np.nan


def _number(text: str) -> float:
    return np.nan if text in ("", "-") else float(text)


def _each_second(seconds: np.ndarray[tuple[int], np.dtype[np.int64]], values: Floats, path: Path) -> Floats:
    """One value a second: a second's last one, and the last known one where there is none."""
    known = ~np.isnan(values)
    if not known.any():
        raise TraceMalformed(f"{path.name} measures nothing: DL_bitrate and SNR need numbers while State is D.")
    at, found = seconds[known], values[known]
    wanted = np.arange(seconds[0], seconds[-1] + 1)
    latest: Floats = found[np.maximum(np.searchsorted(at, wanted, side="right") - 1, 0)]
    return latest


def _read_stream(path: Path) -> StreamTrace:
    try:
        bursts = np.loadtxt(path, delimiter=",", comments="#", ndmin=2)
    except (ValueError, OSError) as cause:
        raise TraceMalformed(f"{path.name} is no stream recording ({cause}). See docs/controllers.md.") from cause
    if bursts.shape[0] < 2 or bursts.shape[1] != 2 or np.any(bursts < 0) or bursts[:, 1].sum() < 2:
        raise TraceMalformed(f"{path.name} needs two columns, bytes and seconds, over two seconds or more.")
    begins = np.cumsum(bursts[:, 1]) - bursts[:, 1]
    bits = np.bincount(begins.astype(np.int64), 8.0 * bursts[:, 0]).astype(np.float64)
    return StreamTrace(path.stem, bits[: int(bursts[:, 1].sum())])
