"""Metering rules of a plan: from a measured quantity to billable units, in whole numbers only.

The gateway bills by these functions, the buyer's client recomputes them before it signs, and the audit recomputes them
once more: so they are pure, integer (floored per record), and stand on the floor that all three share.
They do not measure, they know no clock, and they never look at the chain.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ledger.claims import MOST as MOST_REQUIREMENTS
from ledger.claims import Requirement

SCHEMA: Final = "s4m/terms/1"
BASIS_POINTS: Final = 10_000
THRESHOLD_K: Final = 15.0
"""x_th: the resolution of one object, in K, at which it begins to be worth something (SLICING4META.md, IV)."""
FULL_RATE_BPS: Final = 1_000_000_000
"""The rate at which the objective factor is 1: peak rate of Table I, 1 Gb/s."""
MOST_ISOLATION: Final = 2
"""Dedicated."""
MAX_UNITS: Final = 2**40 - 1
"""Units are 40 bits on the chain."""
MAX_IMMERSION_MILLI: Final = 2**32 - 1

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,30}")


class TermsInvalid(ValueError):
    """The terms document is malformed: nothing may be metered by it. Ask the provider for a corrected plan version."""

    code = "terms_invalid"

    def __init__(self, field: str, why: str) -> None:
        self.field = field
        super().__init__(f"terms document: `{field}` {why}; publish a new plan version with a corrected document")


@dataclass(frozen=True, slots=True)
class Meter:
    """One thing that is counted: `units_per_1000` billable units for each 1,000 of `unit`."""

    name: str
    unit: str
    units_per_1000: int


@dataclass(frozen=True, slots=True)
class Terms:
    """The metering rules of one immutable plan version (its document's hash is the plan's `termsHash`).

    `included_units_per_period` vest linearly over each paid period. Under `floor_milli` (Meta-Immersion in thousandths)
    a record's units fall by `discount_bps`. `credit_units` and `credit_seconds` are the unsigned use that is lent
    before the gateway asks for a signed voucher. `isolation` is the degree that the plan sells (V-A); 0 where the
    document does not name one. `requires` are claims that its user must have (ledger.claims).
    """

    meters: tuple[Meter, ...]
    included_units_per_period: int
    floor_milli: int
    discount_bps: int
    credit_units: int
    credit_seconds: int
    isolation: int = 0
    requires: tuple[Requirement, ...] = ()

    @classmethod
    def parse(cls, document: Any) -> "Terms":
        """Read a terms document strictly: unknown, missing or ill-typed fields raise `TermsInvalid`."""
        fields = {"schema", "meters", "included_units_per_period", "qoe", "credit_units", "credit_seconds"}
        body = _object(document, "document", fields, {"isolation", "requires"})
        if body["schema"] != SCHEMA:
            raise TermsInvalid("schema", f"is {body['schema']!r}, expected {SCHEMA!r}")
        qoe = _object(body["qoe"], "qoe", {"floor_milli", "discount_bps"})
        return cls(
            meters=_meters(body["meters"]),
            included_units_per_period=_whole(body["included_units_per_period"], "included_units_per_period", MAX_UNITS),
            floor_milli=_whole(qoe["floor_milli"], "qoe.floor_milli", MAX_IMMERSION_MILLI),
            discount_bps=_whole(qoe["discount_bps"], "qoe.discount_bps", BASIS_POINTS),
            credit_units=_whole(body["credit_units"], "credit_units", MAX_UNITS),
            credit_seconds=_whole(body["credit_seconds"], "credit_seconds", 366 * 86_400),
            isolation=_whole(body.get("isolation", 0), "isolation", MOST_ISOLATION),
            requires=_requirements(body.get("requires", [])),
        )

    def meter_index(self, name: str) -> int:
        """The index that records carry for the meter `name`; `KeyError` where the plan has no such meter."""
        for index, meter in enumerate(self.meters):
            if meter.name == name:
                return index
        raise KeyError(name)


@dataclass(frozen=True, slots=True)
class Tally:
    """What a subscription has used so far: units before and after included units. The fold over its records."""

    gross: int = 0
    billed: int = 0

    @property
    def included_used(self) -> int:
        """Units so far that the plan's included units paid for."""
        return self.gross - self.billed

    def add(self, gross: int, units: int) -> "Tally":
        """The tally after one more record."""
        return Tally(self.gross + gross, self.billed + units)


def _requirements(given: Any) -> tuple[Requirement, ...]:
    if not isinstance(given, list) or len(given) > MOST_REQUIREMENTS:
        raise TermsInvalid("requires", f"is not a list of at most {MOST_REQUIREMENTS} claims")
    try:
        return tuple(Requirement.parse(each) for each in given)
    except ValueError as error:
        raise TermsInvalid("requires", f"has a malformed claim: {error}") from error


def gross_units(terms: Terms, meter: int, quantity: int, immersion_milli: int) -> int:
    """Units of one record before included units: floor(quantity × rate × (1 − discount)).

    The discount applies where Meta-Immersion was measured (`immersion_milli` ≥ 1; 0 says "not measured here") and lies
    under the plan's floor. Raises `IndexError` for a meter that the plan lacks, `ValueError` for a negative quantity.
    """
    if meter < 0 or quantity < 0 or immersion_milli < 0:
        raise ValueError("meter, quantity and immersion are never negative")
    scaled = quantity * terms.meters[meter].units_per_1000
    if 0 < immersion_milli < terms.floor_milli:
        return scaled * (BASIS_POINTS - terms.discount_bps) // (1000 * BASIS_POINTS)
    return scaled // 1000


def billable(terms: Terms, meter: int, quantity: int, immersion_milli: int, vested_included: int) -> int:
    """Billable units of one record: `gross_units` less the included units that are vested and not yet used."""
    return max(0, gross_units(terms, meter, quantity, immersion_milli) - max(0, vested_included))


def vested(terms: Terms, since: int, period: int, paid_through: int, at_ms: int) -> int:
    """Included units vested at `at_ms` (UTC ms): included × elapsed / period, floored; never beyond the paid time.

    `since`, `paid_through` UTC seconds and `period` seconds are the subscription's on the chain. A plan without periods
    includes nothing.
    """
    if period <= 0 or terms.included_units_per_period == 0:
        return 0
    elapsed_ms = min(at_ms, paid_through * 1000) - since * 1000
    return max(0, terms.included_units_per_period * elapsed_ms // (period * 1000))


def bill(terms: Terms, tally: Tally, meter: int, quantity: int, immersion_milli: int, vested_units: int) -> Tally:
    """The tally after one more record: its units are the difference of `billed`."""
    gross = gross_units(terms, meter, quantity, immersion_milli)
    units = billable(terms, meter, quantity, immersion_milli, vested_units - tally.included_used)
    return tally.add(gross, units)


def immersion_milli(rate_bps: float, bep: float, objects: Iterable[tuple[float, float]]) -> int:
    """Meta-Immersion of one delivered picture in thousandths, floored, at least 1 (0 in a record says "not measured").

    MI = R̂ (1 − E) Σ a ln(max(x, x_th) / x_th), R̂ = clip(rate_bps / 1 Gb/s, 0, 1) (SLICING4META.md, IV).
    `objects` are pairs (attention a in 1..5, resolution x in K) of what the picture really shows; `bep` is E in 0..1.
    The numpy form for many users is `orchestrator.qoe.meta_immersion`; a test holds the two together.
    """
    rate = min(max(rate_bps / FULL_RATE_BPS, 0.0), 1.0)
    rendering = math.fsum(a * math.log(max(x, THRESHOLD_K) / THRESHOLD_K) for a, x in objects)
    return min(max(1, math.floor(1000 * rate * (1.0 - bep) * rendering)), MAX_IMMERSION_MILLI)


def _meters(value: Any) -> tuple[Meter, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= 64:
        raise TermsInvalid("meters", "must be a list of 1 to 64 meters")
    meters = tuple(_meter(item, f"meters[{index}]") for index, item in enumerate(value))
    if len({meter.name for meter in meters}) != len(meters):
        raise TermsInvalid("meters", "names a meter twice")
    return meters


def _meter(value: Any, field: str) -> Meter:
    body = _object(value, field, {"name", "unit", "units_per_1000"})
    if not isinstance(body["name"], str) or not _NAME.fullmatch(body["name"]):
        raise TermsInvalid(f"{field}.name", "must be a snake_case name")
    if not isinstance(body["unit"], str) or not 1 <= len(body["unit"]) <= 32:
        raise TermsInvalid(f"{field}.unit", "must be a unit of 1 to 32 characters")
    return Meter(body["name"], body["unit"], _whole(body["units_per_1000"], f"{field}.units_per_1000", MAX_UNITS))


def _object(
    value: Any, field: str, names: set[str], optional: frozenset[str] | set[str] = frozenset()
) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TermsInvalid(field, "must be an object")
    if missing := names - set(value):
        raise TermsInvalid(field, f"lacks {', '.join(sorted(missing))}")
    if unknown := {str(name) for name in value} - names - optional:
        raise TermsInvalid(field, f"has unknown fields {', '.join(sorted(unknown))}")
    return value


def _whole(value: Any, field: str, most: int) -> int:
    """A whole number: an int, or a decimal string (units travel as strings)."""
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise TermsInvalid(field, f"must be a whole number from 0 to {most}")
    return value
