"""What the gateway measured of a user's newest frame: the answer's shape of its `GET /measures`, and how it is read.

Written by `orchestrator.gateway.measures`, read by the local controllers. R and bits are at the paper's scale (a devnet
draws and carries a hundredth).
"""

from pydantic import BaseModel, Field

from orchestrator.requirements import Shape


class MeasuredObject(BaseModel, frozen=True, extra="forbid"):
    """An object that the user asked to see; 0 K where the frame had no room for it."""

    object: int = Field(ge=0)
    attention: float = Field(ge=0, le=5)
    k: float = Field(ge=0)


class Measure(Shape):
    """One user's newest frame."""

    subscription_id: str
    at: float
    """when it was delivered, UTC seconds"""
    rate_bps: float = Field(gt=0)
    """R: bits per second of the downlink"""
    bit_error: float = Field(ge=0, le=1)
    """E: uplink bit error probability"""
    bits_per_k: float = Field(gt=0)
    """bits of the frame for each K in it"""
    floor: float = Field(ge=0)
    """Meta-Immersion under which the plan's terms take from the price; 0: they promise none"""
    objects: tuple[MeasuredObject, ...]

    @property
    def delivered_k(self) -> float:
        """K of the whole frame."""
        return sum(one.k for one in self.objects)


class Measures(Shape):
    """GET /measures of the gateway: who fetched a frame in the last few seconds, in the order of delivery."""

    measures: tuple[Measure, ...]
