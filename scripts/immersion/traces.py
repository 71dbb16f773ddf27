"""Traces of demand: read from CSV files, or made up by a seed. Used by the forecasts' bench and its tests."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path

import numpy as np

from orchestrator.controllers.forecast.costs import Floats
from orchestrator.controllers.forecast.history import filled
from scripts.immersion.demands import KINDS, STEP_S

MINUTE_S = 60.0
LEAST = 40
"""steps of a trace, so that its last 30 % have a past at six steps' distance"""


class MalformedTrace(ValueError):
    """The file holds no trace of demand."""


@dataclass(frozen=True)
class Trace:
    """A demand step by step; nan where nothing is known."""

    name: str
    demand: Floats
    step_s: float

    @property
    def filled(self) -> Floats:
        """Gaps closed with what was known before them."""
        return filled(self.demand)


def read_traces(folder: Path) -> list[Trace]:
    """All CSV files of a folder, by name."""
    files = sorted(folder.glob("*.csv"))
    if not files:
        raise MalformedTrace(f"{folder} holds no .csv file. Name a folder of traces with columns timestamp,value.")
    return [read_trace(file) for file in files]


def read_trace(path: Path) -> Trace:
    """One file, of either form."""
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        columns = set(reader.fieldnames or ())
        clock = next((name for name in ("timestamp", "timestamp_anon") if name in columns), None)
        if clock is None or "value" not in columns:
            raise MalformedTrace(f"{path.name} has the columns {sorted(columns)}. Give timestamp,value.")
        at, values = _columns(path, reader, clock)
    by_minute = clock == "timestamp_anon"
    demand, step_s = (
        _by_minute(at, values) if by_minute else (values, float(np.median(np.diff(at))) if len(at) > 1 else 0)
    )
    if len(demand) < LEAST or not step_s > 0:
        raise MalformedTrace(
            f"{path.name} has {len(demand)} steps of {step_s} s. Give at least {LEAST}, in their order."
        )
    return Trace(path.stem, demand, step_s)


def _columns(path: Path, reader: csv.DictReader[str], clock: str) -> tuple[Floats, Floats]:
    at, values = [], []
    for row in reader:
        try:
            at.append(_seconds(row[clock]))
            values.append(_value(row["value"]))
        except (TypeError, ValueError) as cause:
            raise MalformedTrace(
                f"{path.name}, line {reader.line_num}: {cause}. Give a time and a demand ≥ 0."
            ) from cause
    return np.array(at), np.array(values)


def _seconds(text: str) -> float:
    """UTC seconds of a number or an ISO 8601 time (UTC where it names no zone)."""
    try:
        return float(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _value(text: str | None) -> float:
    """The demand, nan where the field is empty."""
    if text is None:
        raise ValueError("the row has no value")
    value = float(text) if text.strip() else np.nan
    if not (np.isnan(value) or (isfinite(value) and value >= 0)):
        raise ValueError(f"the value {text!r} is no demand")
    return value


def _by_minute(at: Floats, rates: Floats) -> tuple[Floats, float]:
    """Requests a minute: rates (a second) of all containers in a minute, summed; a minute without any row had none."""
    if not len(at):
        return np.empty(0), MINUTE_S
    minute = (at // MINUTE_S).astype(int)
    return np.bincount(minute - minute.min(), MINUTE_S * np.nan_to_num(rates)).astype(np.float64), MINUTE_S


def synthetic(seed: int, steps: int = 1_500) -> list[Trace]:
    """A trace of each of KINDS, quarter-hours."""
    return [
        Trace(name, make(np.random.default_rng([seed, place]), steps), STEP_S)
        for place, (name, make) in enumerate(KINDS.items())
    ]
