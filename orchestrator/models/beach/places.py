"""Where the 56 objects stand on the beach: the same for the map, the overlays and the eyes of a device.

Metres: x along the shore from 0 to LENGTH, y from the waterline (0) up to the dunes (DEPTH). No numpy, no pictures.
"""

import math
from dataclasses import dataclass
from functools import cache

from orchestrator.models.beach.kinds import KINDS

LENGTH, DEPTH = 400.0, 120.0
GOLDEN = (math.sqrt(5) - 1) / 2
SOLID_RADIUS = {"palm": 2.0, "hut": 6.0, "lighthouse": 8.0, "tower": 5.0, "rock": 7.0, "castle": 3.0, "fire": 3.0}


@dataclass(frozen=True)
class Place:
    """`radius` is what one cannot walk through; 0 for what lies flat or floats."""

    object: int
    name: str
    x: float
    y: float
    radius: float


@cache
def places() -> tuple[Place, ...]:
    """A low-discrepancy scatter, so that every part of the beach has something to see."""
    return tuple(
        Place(
            number,
            kind.name,
            round(12 + (LENGTH - 24) * ((number + 0.5) * GOLDEN % 1), 2),
            round(8 + (DEPTH - 20) * ((number + 0.5) * GOLDEN * GOLDEN % 1 * 7 % 1), 2),
            SOLID_RADIUS.get(kind.form.__name__, 0.0),
        )
        for number, kind in enumerate(KINDS)
    )


def bearing(from_x: float, from_y: float, yaw: float, place: Place) -> tuple[float, float]:
    """Distance in metres and angle in radians off the line of sight (positive to the right), -π to π."""
    dx, dy = place.x - from_x, place.y - from_y
    angle = math.atan2(dx, dy) - yaw
    return math.hypot(dx, dy), (angle + math.pi) % math.tau - math.pi
