"""Forms of what lives in and by the sea, floats on it, or is played with: one function a form.

`kinds` names them. A form draws with a pen and its kind's colours; `kind.size` and `kind.turn` vary it.
"""

import math
from typing import TYPE_CHECKING

from orchestrator.models.beach.pen import Pen, arc, curve

if TYPE_CHECKING:
    from orchestrator.models.beach.kinds import Kind

WOOD, WHITE, DARK, WATER = (134, 94, 58), (246, 244, 238), (52, 48, 52), (96, 176, 196)


def scallop(pen: Pen, kind: "Kind") -> None:
    pen.shadow(0, 0.4)
    for n in range(9):
        a, b = 0.04 + 0.42 * n / 9, 0.04 + 0.42 * (n + 1) / 9
        edge = arc(0, 0.1, 0.44 * kind.size, 0.5 * kind.size, a, b, 4)
        pen.poly([(0, 0.03), *edge], kind.first if n % 2 else kind.second, math.cos(math.tau * a))
    pen.poly([(-0.13, 0.0), (0.13, 0.0), (0.08, 0.1), (-0.08, 0.1)], kind.third)


def conch(pen: Pen, kind: "Kind") -> None:
    pen.shadow(0, 0.42)
    for n in range(7):
        part = n / 7
        pen.round(
            -0.3 + 0.66 * part * kind.turn,
            0.2 - 0.05 * part,
            0.25 * (1 - part) + 0.03,
            0.22 * (1 - part) + 0.03,
            kind.first if n % 2 else kind.second,
            5,
        )
    pen.poly([*curve((-0.52, 0.12), (-0.4, 0.36), (-0.14, 0.3)), (-0.2, 0.06)], kind.third)


def starfish(pen: Pen, kind: "Kind") -> None:
    pen.shadow(0, 0.38)
    centre = (0.0, 0.3)
    for n in range(5):
        angle = math.tau * (n / 5 + 0.05 * kind.turn) + math.pi / 2
        tip = (0.42 * math.cos(angle) * kind.size, centre[1] + 0.36 * math.sin(angle) * kind.size)
        for side in (-1, 1):
            hollow = angle + side * math.pi / 5
            inner = (0.15 * math.cos(hollow), centre[1] + 0.13 * math.sin(hollow))
            pen.poly([centre, inner, tip], kind.first if side < 0 else kind.second, math.cos(angle))
        for step in (0.3, 0.5, 0.7):
            pen.ball(tip[0] * step, centre[1] + (tip[1] - centre[1]) * step, 0.016, 0.014, kind.third)


def crab(pen: Pen, kind: "Kind") -> None:
    pen.shadow(0, 0.5)
    for side in (-1, 1):
        for n in range(3):
            knee = (side * (0.4 + 0.05 * n), 0.26 - 0.06 * n)
            pen.line([(side * 0.22, 0.18), knee, (side * (0.5 + 0.03 * n), 0.0)], 0.03, kind.second)
        claw = (side * 0.48, 0.44 + 0.03 * pen.sway * side)
        pen.line([(side * 0.26, 0.26), (side * 0.42, 0.3), claw], 0.045, kind.first)
        pen.poly([*arc(*claw, 0.13, 0.12, 0.3, 1.2), claw], kind.first, side)
    pen.round(0, 0.22, 0.34 * kind.size, 0.19 * kind.size, kind.first)
    for side in (-1, 1):
        pen.line([(side * 0.1, 0.36), (side * 0.11, 0.48)], 0.02, kind.second)
        pen.ball(side * 0.11, 0.5, 0.04, 0.04, WHITE)
        pen.ball(side * 0.11, 0.5, 0.018, 0.018, DARK)


def sailboat(pen: Pen, kind: "Kind") -> None:
    bob, lean = 0.02 * pen.sway, 0.05 * pen.sway
    pen.ball(0, 0.02, 0.6, 0.05, WATER)
    pen.poly([(-0.5, 0.2 + bob), (0.54, 0.22 + bob), (0.4, 0.02), (-0.36, 0.02)], kind.first)
    pen.poly([(-0.5, 0.2 + bob), (0.54, 0.22 + bob), (0.52, 0.17 + bob), (-0.48, 0.15 + bob)], kind.third)
    mast = (0.02 + lean, 1.04 * kind.size)
    pen.line([(0, 0.2), mast], 0.022, WOOD)
    pen.poly([(0.04, 0.27), mast, *curve(mast, (0.44, 0.6), (0.46, 0.28))], kind.second, 0.6)
    pen.poly([(-0.03, 0.27), mast, *curve(mast, (-0.26, 0.5), (-0.36, 0.28))], WHITE, -0.6)


def rowboat(pen: Pen, kind: "Kind") -> None:
    pen.shadow(0, 0.62)
    pen.poly([(-0.62, 0.32), *curve((-0.5, 0.04), (0, -0.04), (0.5, 0.04)), (0.66, 0.34)], kind.first)
    pen.poly([(-0.62, 0.32), (0.66, 0.34), *curve((0.5, 0.22), (0, 0.14), (-0.5, 0.22))], kind.second)
    for x in (-0.24, 0.06, 0.34):
        pen.line([(x, 0.19), (x + 0.02, 0.32)], 0.05, WOOD)
    pen.line([(-0.34, 0.5), (0.16, 0.08)], 0.025, kind.third)
    pen.poly([(0.12, 0.14), (0.26, 0.06), (0.22, -0.02), (0.1, 0.06)], kind.third)


def surfboard(pen: Pen, kind: "Kind") -> None:
    pen.shadow(0.02, 0.22)
    lean = 0.14 * kind.turn
    for wide, colour in ((0.19, kind.first), (0.13, kind.second), (0.03, kind.third)):
        top, low = (lean, 1.0 * kind.size if wide > 0.15 else 0.9 * kind.size), (0, 0.0 if wide > 0.15 else 0.1)
        pen.poly([*curve(low, (-wide * 2 + lean / 2, 0.5), top), *curve(top, (wide * 2 + lean / 2, 0.5), low)], colour)
    pen.poly([(0.0, 0.12), (0.05, 0.12), (0.02, 0.22)], DARK)


def beach_ball(pen: Pen, kind: "Kind") -> None:
    pen.shadow(0, 0.34)
    x, y, r = 0.0, 0.34 + 0.05 * abs(pen.sway), 0.32 * kind.size
    colours = (kind.first, WHITE, kind.second, WHITE, kind.third, WHITE)
    for n, colour in enumerate(colours):
        a, b = math.cos(math.pi * n / 6), math.cos(math.pi * (n + 1) / 6)
        left, right = arc(x, y, r * a, r, 0.25, -0.25), arc(x, y, r * b, r, -0.25, 0.25)
        pen.poly([*left, *right], colour, (a + b) / 2)
    pen.ball(x + r * 0.35 * pen.light.sun_x, y + r * 0.45, r * 0.16, r * 0.11, (255, 255, 255))


def volleyball(pen: Pen, kind: "Kind") -> None:
    pen.shadow(0, 0.34)
    r = 0.32 * kind.size
    pen.round(0, r, r, r, kind.first, 9)
    for a in (-0.7, 0.0, 0.7):
        pen.line(arc(0, r, r * a, r, 0.25, -0.25), 0.014, kind.second)
        pen.line(arc(0, r, r, r * a, 0.0, 0.5), 0.014, kind.third)


def gull(pen: Pen, kind: "Kind") -> None:
    flap, y = 0.12 * pen.sway, 0.6
    for side in (-1, 1):
        wrist, tip = (side * 0.28, y + 0.2 + flap), (side * 0.62, y + 0.06 + flap * 1.6)
        pen.poly(
            [
                (0, y + 0.05),
                *curve((0.04 * side, y + 0.08), wrist, tip),
                *curve(tip, (side * 0.3, y + 0.06), (0, y - 0.02)),
            ],
            kind.second,
            side,
        )
        pen.poly([tip, (side * 0.5, y + 0.09 + flap * 1.4), (side * 0.48, y + 0.04 + flap * 1.2)], DARK)
    pen.round(0, y, 0.13, 0.09, kind.first, 5)
    pen.round(0.12 * kind.turn, y + 0.05, 0.065, 0.06, kind.first, 4)
    pen.poly([(0.17 * kind.turn, y + 0.06), (0.27 * kind.turn, y + 0.03), (0.17 * kind.turn, y + 0.02)], kind.third)
    pen.ball(0.14 * kind.turn, y + 0.07, 0.011, 0.011, DARK)


def turtle(pen: Pen, kind: "Kind") -> None:
    pen.shadow(0, 0.5)
    for x, reach in ((-0.3, -0.22), (0.26, 0.2)):
        pen.poly(
            [(x, 0.16), *curve((x + reach * 0.4, 0.14), (x + reach, 0.1), (x + reach, 0.0)), (x - 0.02, 0.06)],
            kind.second,
        )
    pen.round(0.46 * kind.turn, 0.22, 0.12, 0.09, kind.second, 5)
    pen.ball(0.5 * kind.turn, 0.25, 0.016, 0.016, DARK)
    pen.poly(arc(0, 0.12, 0.4, 0.32 * kind.size, 0, 0.5), kind.first)
    for x, y in ((-0.2, 0.22), (0, 0.24), (0.2, 0.22), (-0.1, 0.34), (0.1, 0.34)):
        pen.poly(arc(x, y, 0.085, 0.05, 0, 1, 6), kind.third)


def dolphin(pen: Pen, kind: "Kind") -> None:
    pen.ball(-0.42, 0.03, 0.3, 0.05, WATER)
    pen.ball(0.46, 0.02, 0.22, 0.04, WATER)
    lift = 0.05 * pen.sway
    nose, tail = (0.56, 0.3 + lift), (-0.48, 0.1)
    pen.poly([*curve(tail, (-0.1, 1.02 + lift), nose), *curve(nose, (0.06, 0.6), tail)], kind.first)
    pen.poly([*curve(nose, (0.16, 0.66), (-0.2, 0.4)), *curve((-0.2, 0.4), (0.1, 0.52), nose)], kind.second)
    pen.poly([(-0.04, 0.6 + lift), (-0.14, 0.82 + lift), (0.1, 0.62 + lift)], kind.first, -0.6)
    pen.poly([(-0.44, 0.14), (-0.68, 0.24), (-0.56, 0.08), (-0.62, -0.04)], kind.first, -0.4)
    pen.ball(0.4, 0.42 + lift, 0.016, 0.016, DARK)


def fish(pen: Pen, kind: "Kind") -> None:
    y, wag = 0.42 + 0.04 * pen.sway, 0.05 * pen.sway
    pen.ball(0, 0.04, 0.4, 0.05, WATER)
    pen.poly([(-0.26, y), (-0.52, y + 0.2 + wag), (-0.46, y), (-0.52, y - 0.2 + wag)], kind.third)
    pen.round(0, y, 0.36, 0.22 * kind.size, kind.first)
    for x in (-0.1, 0.06):
        pen.poly(
            [
                *arc(x, y, 0.03, 0.19 * kind.size, 0.25, 0.75, 8),
                *arc(x + 0.07, y, 0.03, 0.18 * kind.size, 0.75, 0.25, 8),
            ],
            kind.second,
        )
    pen.poly([(-0.16, y + 0.18 * kind.size), (0.0, y + 0.36 * kind.size), (0.14, y + 0.18 * kind.size)], kind.third)
    pen.ball(0.24, y + 0.05, 0.04, 0.04, WHITE)
    pen.ball(0.25, y + 0.05, 0.02, 0.02, DARK)


def buoy(pen: Pen, kind: "Kind") -> None:
    lean = 0.08 * pen.sway
    pen.ball(0, 0.03, 0.4, 0.06, WATER)
    pen.poly(arc(0, 0.14, 0.28, 0.13, 0, 1), kind.first)
    pen.poly([(-0.2, 0.2), (0, 0.2), (lean, 0.72 * kind.size), (lean - 0.06, 0.72 * kind.size)], kind.second, -1)
    pen.poly([(0, 0.2), (0.2, 0.2), (lean + 0.06, 0.72 * kind.size), (lean, 0.72 * kind.size)], kind.second, 1)
    pen.poly([(-0.14, 0.36), (0.15, 0.36), (0.12 + lean / 2, 0.5), (-0.1 + lean / 2, 0.5)], WHITE)
    pen.round(lean, 0.8 * kind.size, 0.07, 0.07, kind.third, 5)


def ring(pen: Pen, kind: "Kind") -> None:
    pen.shadow(0, 0.4)
    for n in range(8):
        outer = arc(0, 0.4, 0.38 * kind.size, 0.38 * kind.size, n / 8, (n + 1) / 8, 5)
        inner = arc(0, 0.4, 0.2 * kind.size, 0.2 * kind.size, (n + 1) / 8, n / 8, 5)
        pen.poly([*outer, *inner], kind.first if n % 2 else kind.second, math.cos(math.tau * n / 8))
    pen.line(arc(0, 0.4, 0.29 * kind.size, 0.29 * kind.size, 0.1, 0.4), 0.02, kind.third)


def kite(pen: Pen, kind: "Kind") -> None:
    x, y = 0.2 + 0.05 * pen.sway, 0.74
    pen.line(curve((x, y - 0.3), (-0.3, 0.4), (-0.5, 0)), 0.007, WHITE)
    quarters = (
        ((0, 0.3), (-0.22, 0.05)),
        ((-0.22, 0.05), (0, -0.3)),
        ((0, -0.3), (0.22, 0.05)),
        ((0.22, 0.05), (0, 0.3)),
    )
    for n, (one, other) in enumerate(quarters):
        colour = (kind.first, kind.second, kind.third, kind.second)[n]
        pen.poly([(x, y + 0.05), (x + one[0], y + one[1]), (x + other[0], y + other[1])], colour)
    tail = [(x + 0.05 * math.sin(n * 1.6 + pen.sway), y - 0.3 - 0.05 * n) for n in range(7)]
    pen.line(tail, 0.016, kind.third)


def drink(pen: Pen, kind: "Kind") -> None:
    pen.shadow(0, 0.26)
    pen.line([(0.06, 0.2), (0.2, 0.74)], 0.026, kind.third)
    pen.round(0, 0.24, 0.26, 0.24, kind.first)
    pen.ball(0, 0.4, 0.19, 0.06, WHITE)
    pen.ball(0, 0.4, 0.15, 0.042, kind.second)
    for n in range(6):
        a, b = n / 12, (n + 1) / 12
        pen.poly([(-0.14, 0.68 * kind.size), *arc(-0.14, 0.5, 0.2, 0.11, a, b, 3)], kind.third if n % 2 else WHITE)
    pen.line([(-0.14, 0.68 * kind.size), (-0.06, 0.38)], 0.012, WOOD)


def chest(pen: Pen, kind: "Kind") -> None:
    pen.shadow(0, 0.5)
    pen.poly([(-0.4, 0), (0.4, 0), (0.4, 0.3), (-0.4, 0.3)], kind.first)
    pen.poly([(-0.4, 0.42), *arc(0, 0.42, 0.4, 0.26 * kind.size, 0.5, 0, 12)], kind.first, 0.5)
    for n in range(7):
        pen.round(-0.3 + 0.1 * n, 0.33 + 0.03 * (n % 3), 0.07, 0.06, kind.second, 3)
    for x in (-0.34, 0.34):
        pen.line([(x, 0), (x, 0.3)], 0.045, kind.third)
    pen.poly([(-0.06, 0.14), (0.06, 0.14), (0.06, 0.3), (-0.06, 0.3)], kind.second)


def bottle(pen: Pen, kind: "Kind") -> None:
    pen.shadow(0, 0.42)
    pen.poly(
        [
            (-0.44, 0.08),
            *curve((-0.44, 0.3), (-0.1, 0.4), (0.16, 0.28)),
            (0.42, 0.3),
            (0.42, 0.18),
            (0.16, 0.16),
            (0.0, 0.06),
        ],
        kind.first,
    )
    pen.poly([(-0.32, 0.14), (-0.3, 0.27), (0.02, 0.27), (0.0, 0.14)], kind.second)
    pen.line([(-0.28, 0.31), (0.04, 0.32)], 0.018, WHITE)
    pen.poly([(0.42, 0.19), (0.5, 0.2), (0.5, 0.29), (0.42, 0.29)], kind.third)
