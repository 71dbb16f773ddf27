"""The immersion floor in an admission: how much rendering a user must have for it, or why no rendering is enough. Pure.

Planned with the rate that is asked for, the terahertz link's own SNR, and the attention of the request's objects; users
who name none see all kinds alike.
"""

from math import ceil, floor, inf

from orchestrator.errors import Refusal
from orchestrator.models.terahertz_link import DEFAULT_SNR_DB
from orchestrator.qoe.floors import highest_floor, least_rendering, planned_quality
from orchestrator.requirements import Lack, ServiceRequirements

BEACH_OBJECTS = 56
"""Kinds of objects on the beach: what a traveller who names none may look at (section IV-B)."""
WHOLE_PIXELS = 0.99
"""What is left of an object's worth at the cap: its tile has whole pixels, some three thousandths less than its K."""


class FloorOutOfReach(Refusal):
    """No rendering reaches the immersion floor at the rate that is asked for; `needed` says what would do."""

    code = "infeasible"
    title = "The immersion floor cannot be reached"


def rendering_for_floor(wanted: ServiceRequirements, role: str) -> int:
    """K of rendering for each user of the role that renders; raises FloorOutOfReach."""
    asked = wanted.qoe.immersion_floor
    attention = _attention(wanted)
    quality = WHOLE_PIXELS * planned_quality(wanted.qoe.rate_mbps, DEFAULT_SNR_DB)
    least = least_rendering(attention, quality, asked)
    if least == inf:
        raise out_of_reach(role, asked, floor(1000 * highest_floor(attention, quality)) / 1000)
    return ceil(least)


def out_of_reach(role: str, asked: float, most: float) -> FloorOutOfReach:
    """The refusal, with the highest floor that there can be; 0 where the service renders nothing."""
    lack = Lack(kind="immersion", name="immersion_floor", needed=asked, available=most)
    remedy = f"Ask for at most {most:g}, for more Mb/s, or for more objects" if most else "Leave it out"
    cause = f"{role} reaches {most:g} with all objects at the cap" if most else "the service renders nothing"
    return FloorOutOfReach(
        f"An immersion floor of {asked:g} cannot be reached: {cause}. {remedy}.", needed={role: [lack.to_json()]}
    )


def objects_seen(wanted: ServiceRequirements) -> int:
    """How many objects each user may look at."""
    return len(wanted.objects) or BEACH_OBJECTS


def _attention(wanted: ServiceRequirements) -> tuple[float, ...]:
    named = tuple(float(one.attention) for one in wanted.objects)
    return named or (1.0,) * BEACH_OBJECTS
