"""Sun and colours of the sky at a moment: a beach day of DAY_SECONDS from seven in the morning to seven in the evening.

`backdrop` and `pen` use it. Pure functions of the time in seconds.
"""

import math
from dataclasses import dataclass

DAY_SECONDS = 1200.0
Colour = tuple[int, int, int]

_NOON = {"zenith": (46, 128, 214), "skyline": (176, 222, 242), "deep": (16, 96, 158), "shallow": (74, 196, 200)}
_DUSK = {"zenith": (58, 72, 138), "skyline": (250, 176, 110), "deep": (42, 66, 116), "shallow": (176, 132, 122)}
_NOON_LIGHT, _DUSK_LIGHT = (1.0, 1.0, 0.98), (1.0, 0.80, 0.66)


@dataclass(frozen=True)
class Light:
    """`sun_x` runs from -1 (left) to 1, `height` from 0 (skyline) to 1; `tint` multiplies what stands in this light."""

    sun_x: float
    height: float
    tint: tuple[float, float, float]
    zenith: Colour
    skyline: Colour
    deep: Colour
    shallow: Colour

    def on(self, colour: Colour, facing: float = 0.0) -> Colour:
        """A surface's colour; `facing` is -1 for its left side, 1 for its right, 0 for towards the viewer."""
        shade = 0.86 + 0.2 * facing * self.sun_x
        red, green, blue = (min(int(part * shade * tint), 255) for part, tint in zip(colour, self.tint, strict=True))
        return red, green, blue


def light_at(seconds: float) -> Light:
    part = (seconds % DAY_SECONDS) / DAY_SECONDS
    height = math.sin(math.pi * (0.06 + 0.88 * part))
    day = min(height * 1.25, 1.0)
    mixed = {name: mix(_DUSK[name], _NOON[name], day) for name in _NOON}
    red, green, blue = (low + (high - low) * day for low, high in zip(_DUSK_LIGHT, _NOON_LIGHT, strict=True))
    return Light(2 * part - 1, height, (red, green, blue), **mixed)


def mix(one: Colour, other: Colour, part: float) -> Colour:
    """`part` of the other colour."""
    red, green, blue = (int(a + (b - a) * part) for a, b in zip(one, other, strict=True))
    return red, green, blue
