"""`ledger.metering` over a whole log at once: the same whole numbers in numpy. A test holds both together.

Where a product could pass 63 bits the columns become Python's integers: slower, and exact all the same.
"""

from __future__ import annotations

from itertools import starmap
from typing import Any

import numpy as np

from ledger.metering import BASIS_POINTS, Terms

_SAFE = 2**63


def units_due(terms: Terms, records: np.ndarray, since: int, period: int, paid_through: int) -> np.ndarray:
    """Billable units of each record, as `metering.bill` makes them one after the other.

    `since` and `paid_through` are UTC seconds, `period` seconds. Every record's meter must be one of the terms'.
    """
    gross = _gross(terms, records)
    if period <= 0 or terms.included_units_per_period == 0:
        return gross
    return _less_included(gross, _vested(terms, records, since, period, paid_through))


def _gross(terms: Terms, records: np.ndarray) -> np.ndarray:
    """`metering.gross_units` of each record."""
    rates = np.array([meter.units_per_1000 for meter in terms.meters])
    under = (records["immersion"] > 0) & (records["immersion"] < terms.floor_milli)
    parts = np.where(under, BASIS_POINTS - terms.discount_bps, BASIS_POINTS)
    most = int(records["quantity"].max(initial=0)) * int(rates.max()) * BASIS_POINTS
    quantities, rate, parts = _exact(most, records["quantity"], rates[records["meter"]], parts)
    units: np.ndarray = quantities * rate * parts // (1000 * BASIS_POINTS)
    return units


def _vested(terms: Terms, records: np.ndarray, since: int, period: int, paid_through: int) -> np.ndarray:
    """`metering.vested` at the end of each record."""
    ends = records["end_millis"]
    most = terms.included_units_per_period * max(int(ends.max(initial=0)), paid_through * 1000)
    (times,) = _exact(most, np.minimum(ends, paid_through * 1000))
    vested: np.ndarray = np.maximum(terms.included_units_per_period * (times - since * 1000) // (period * 1000), 0)
    return vested


def _exact(most: int, *columns: np.ndarray) -> tuple[np.ndarray, ...]:
    """The columns in a type that holds numbers up to `most`."""
    kind: Any = np.int64 if most < _SAFE else object
    return tuple(column.astype(kind) for column in columns)


def _less_included(gross: np.ndarray, vested: np.ndarray) -> np.ndarray:
    """`metering.billable` of each record: what is vested and not used yet is taken off."""
    used = 0

    def billed(units: int, free: int) -> int:
        nonlocal used
        due = max(0, units - max(0, free - used))
        used += units - due
        return due

    return np.array(list(starmap(billed, zip(gross.tolist(), vested.tolist(), strict=True))), dtype=gross.dtype)
