"""What the gas bench buys and settles: the house's load, or a stranger's from a JSON file.

Called by scripts/bench_gas.py. Counts of vouchers are not part of it: they are in the figures' names.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path

ROUNDS = 10  # vouchers of one subscription, one after the other: no scenario needs more


class LoadMalformed(Exception):
    """The file of the load cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Load:
    """Money in the token's smallest unit (10**-6 credits), `units` in billable units, `period` in seconds."""

    unit_price: int = 25_000
    period_price: int = 1_000_000
    period: int = 604_800
    units: int = 10_000  # what each voucher adds; with 10,000 records a voucher, one unit a record

    def __post_init__(self) -> None:
        bounds = {"unit_price": 10**6, "period_price": 10**12, "period": 366 * 86_400, "units": 10**7}
        for name, limit in bounds.items():
            value = getattr(self, name)
            if type(value) is not int or not 0 < value <= limit:
                raise LoadMalformed(f"{name} must be a whole number from 1 to {limit}, not {value!r}")
        if self.period < 2 * 86_400:
            raise LoadMalformed("period must be two days (172,800 s) or more: a lapsed subscription cannot be renewed")

    @property
    def cap(self) -> int:
        """Most units of one subscription."""
        return ROUNDS * self.units

    @property
    def reserved(self) -> int:
        """Money that one subscription reserves: its whole cap and one period."""
        return self.cap * self.unit_price + self.period_price

    @classmethod
    def read(cls, path: Path | None) -> Load:
        """The load of a JSON file, each field optional; raises LoadMalformed."""
        if path is None:
            return cls()
        names = {field.name for field in fields(cls)}
        try:
            document = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise LoadMalformed(f"{path} is no readable JSON file: {error}") from error
        if not isinstance(document, dict) or not document.keys() <= names:
            raise LoadMalformed(f"{path} must be an object of some of {', '.join(sorted(names))}")
        return cls(**document)
