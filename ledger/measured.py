"""What one record's Meta-Immersion was computed from, so that who holds it can compute it again.

The gateway keeps it beside the record and gives it to the buyer, and to whom the buyer grants its log; the buyer's
client keeps its own copy. The Merkle leaf holds the result only, so these values prove nothing by themselves: they
must give the immersion that the leaf says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ledger.metering import immersion_milli


@dataclass(frozen=True, slots=True)
class Measured:
    """R in bit/s, E in 0..1, and for each object of the delivered picture (kind, attention a, resolution x in K)."""

    rate_bps: float
    bep: float
    objects: tuple[tuple[int, float, float], ...]

    @property
    def immersion_milli(self) -> int:
        """Meta-Immersion in thousandths, as the record must say it."""
        return immersion_milli(self.rate_bps, self.bep, [(weight, x) for _, weight, x in self.objects])

    def to_json(self) -> dict[str, Any]:
        """Numbers as they are: JSON carries doubles exactly."""
        objects = [{"object": kind, "attention": weight, "k": x} for kind, weight, x in self.objects]
        return {"rate_bps": self.rate_bps, "bep": self.bep, "objects": objects}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Measured:
        """Reads `to_json`'s form; `KeyError`, `TypeError` or `ValueError` for anything else."""
        objects = tuple(
            (int(item["object"]), _finite(item["attention"]), _finite(item["k"])) for item in document["objects"]
        )
        return cls(_finite(document["rate_bps"]), _finite(document["bep"]), objects)


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number) or number < 0:
        raise ValueError(f"{value!r} is not a finite number of at least 0")
    return number
