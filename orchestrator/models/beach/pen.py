"""Draws shapes in an object's own coordinates: x from -1 to 1, y from 0 (the ground) up to about 1, in the day's light.

The forms use it; `picture` sets it up over a piece of backdrop at SMOOTHING times the resolution, for smooth edges.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.models.beach.light import Colour, Light

if TYPE_CHECKING:
    from PIL import ImageDraw

Point = tuple[float, float]


@dataclass(frozen=True)
class Pen:
    """`origin` and `unit` in pixels of the drawn piece; `sway` runs from -1 to 1 with wind and waves."""

    draw: "ImageDraw.ImageDraw"
    origin: Point
    unit: float
    light: Light
    sway: float

    def poly(self, points: Iterable[Point], colour: Colour, facing: float = 0.0) -> None:
        self.draw.polygon([self._at(point) for point in points], self.light.on(colour, facing))

    def ball(self, x: float, y: float, rx: float, ry: float, colour: Colour, facing: float = 0.0) -> None:
        self.draw.ellipse(self._box(x, y, rx, ry), self.light.on(colour, facing))

    def round(self, x: float, y: float, rx: float, ry: float, colour: Colour, steps: int = 7) -> None:
        """A ball with a lit side: ever smaller, brighter ellipses towards the sun."""
        for step in range(steps):
            part, lift = step / steps, 0.35 * step / steps
            shade = tuple(min(int(c * (0.72 + 0.4 * part)), 255) for c in colour)
            at_x = x + rx * lift * self.light.sun_x * 0.9
            self.ball(at_x, y + ry * lift * 0.8, rx * (1 - part), ry * (1 - part), (shade[0], shade[1], shade[2]))

    def line(self, points: Sequence[Point], width: float, colour: Colour) -> None:
        pixels = max(int(width * self.unit), 1)
        self.draw.line([self._at(point) for point in points], self.light.on(colour), pixels, "curve")

    def band(self, points: Sequence[Point], widths: tuple[float, float], colour: Colour) -> None:
        """A strip along points whose half width runs from the first to the second width; its sides are lit."""
        count = len(points) - 1
        half = [widths[0] + (widths[1] - widths[0]) * n / count for n in range(count + 1)]
        left = [(x - w, y) for (x, y), w in zip(points, half, strict=True)]
        right = [(x + w, y) for (x, y), w in zip(points, half, strict=True)]
        self.poly([*left, *reversed(points)], colour, -1)
        self.poly([*points, *reversed(right)], colour, 1)

    def shadow(self, x: float, rx: float, ry: float = 0.05) -> None:
        """Lies on the ground, away from the sun."""
        away = x - self.light.sun_x * rx * 0.5
        self.draw.ellipse(self._box(away, 0.0, rx, ry), (40, 30, 30, 70))

    def _at(self, point: Point) -> Point:
        return self.origin[0] + point[0] * self.unit, self.origin[1] - point[1] * self.unit

    def _box(self, x: float, y: float, rx: float, ry: float) -> tuple[float, float, float, float]:
        left, top = self._at((x - abs(rx), y + abs(ry)))
        right, bottom = self._at((x + abs(rx), y - abs(ry)))
        return left, top, right, bottom


def arc(x: float, y: float, rx: float, ry: float, start: float, end: float, steps: int = 16) -> list[Point]:
    """Points of an ellipse's arc; angles in turns, anticlockwise from the right."""
    angles = (math.tau * (start + (end - start) * n / steps) for n in range(steps + 1))
    return [(x + rx * math.cos(angle), y + ry * math.sin(angle)) for angle in angles]


def curve(start: Point, bend: Point, end: Point, steps: int = 10) -> list[Point]:
    """A quadratic Bézier curve."""
    points = []
    for n in range(steps + 1):
        t = n / steps
        a, b, c = (1 - t) ** 2, 2 * t * (1 - t), t * t
        points.append((a * start[0] + b * bend[0] + c * end[0], a * start[1] + b * bend[1] + c * end[1]))
    return points
