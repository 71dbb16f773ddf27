"""Forms of what stands and lies on the beach: trees, shades, buildings, furniture. One function a form.

`kinds` names them. A form draws with a pen and its kind's colours; `kind.size` and `kind.turn` vary it.
"""

import math
from typing import TYPE_CHECKING

from orchestrator.models.beach.pen import Pen, arc, curve

if TYPE_CHECKING:
    from orchestrator.models.beach.kinds import Kind

WOOD, WHITE, DARK = (134, 94, 58), (246, 244, 238), (52, 48, 52)


def palm(pen: Pen, kind: "Kind") -> None:
    top = (0.34 * kind.turn + 0.03 * pen.sway, 0.86 * kind.size)
    pen.shadow(0.05, 0.3)
    pen.band(curve((0, 0), (-0.12 * kind.turn, 0.5), top), (0.055, 0.03), kind.first)
    for n in range(9):
        angle = math.tau * (n / 9 + 0.03) + 0.08 * pen.sway
        reach, drop = 0.42 * kind.size, 0.16 + 0.12 * math.cos(angle * 2)
        tip = (top[0] + reach * math.cos(angle), top[1] + reach * 0.62 * math.sin(angle) - drop)
        bend = (top[0] + reach * 0.55 * math.cos(angle), top[1] + reach * 0.7 * math.sin(angle) + 0.1)
        under = (bend[0] + 0.03, bend[1] - 0.11)
        pen.poly([*curve(top, bend, tip), *curve(tip, under, top)], kind.second, math.cos(angle))
    for n in range(3):
        pen.round(top[0] + 0.06 * (n - 1), top[1] - 0.04, 0.038, 0.038, kind.third, 4)


def parasol(pen: Pen, kind: "Kind") -> None:
    lean = 0.16 * kind.turn + 0.01 * pen.sway
    pen.shadow(0, 0.42)
    pen.line([(0, 0), (lean, 0.9)], 0.022, WHITE)
    base, count = 0.56, 8
    for n in range(count):
        left, right = (math.cos(math.pi * (1 - part / count)) for part in (n, n + 1))
        edge = [
            (lean + 0.52 * left, base),
            (lean + 0.52 * (left + right) / 2, base - 0.03),
            (lean + 0.52 * right, base),
        ]
        crown = [(lean + 0.38 * right, base + 0.22), (lean, 0.9), (lean + 0.38 * left, base + 0.22)]
        pen.poly([*edge, *crown], kind.first if n % 2 else kind.second, (left + right) / 2)
    pen.ball(lean, 0.905, 0.022, 0.022, kind.third)


def lighthouse(pen: Pen, kind: "Kind") -> None:
    pen.shadow(0, 0.3)
    pen.poly([(-0.34, 0), (-0.2, 0.11), (0.22, 0.12), (0.36, 0)], (120, 112, 104))
    for n in range(6):
        low, high = 0.1 + 0.12 * n, 0.22 + 0.12 * n
        wide, slim = 0.17 - 0.012 * n, 0.158 - 0.012 * n
        colour = kind.first if n % 2 == 0 else kind.second
        pen.poly([(-wide, low), (0, low), (0, high), (-slim, high)], colour, -1)
        pen.poly([(0, low), (wide, low), (slim, high), (0, high)], colour, 1)
    pen.poly([(-0.14, 0.82), (0.14, 0.82), (0.14, 0.85), (-0.14, 0.85)], DARK)
    pen.poly([(-0.08, 0.85), (0.08, 0.85), (0.08, 0.96), (-0.08, 0.96)], (255, 238, 150))
    pen.poly([(-0.11, 0.96), (0.11, 0.96), (0, 1.06)], kind.third)
    pen.poly([(-0.03, 0.1), (0.03, 0.1), (0.03, 0.2), (-0.03, 0.2)], DARK)


def hut(pen: Pen, kind: "Kind") -> None:
    pen.shadow(0, 0.5)
    pen.poly([(-0.4, 0), (0.4, 0), (0.4, 0.45), (-0.4, 0.45)], kind.first)
    for n in range(9):
        x = -0.4 + 0.1 * n
        pen.line([(x, 0), (x, 0.45)], 0.008, DARK)
    pen.poly([(-0.1, 0), (0.1, 0), (0.1, 0.32), (-0.1, 0.32)], kind.third)
    pen.poly([(-0.54, 0.42), (0, 0.86 * kind.size), (0, 0.42)], kind.second, -1)
    pen.poly([(0, 0.42), (0, 0.86 * kind.size), (0.54, 0.42)], kind.second, 1)
    for n in range(7):
        x = -0.48 + 0.16 * n
        pen.line([(x, 0.42), (x * 0.1, 0.84 * kind.size)], 0.006, kind.first)


def tower(pen: Pen, kind: "Kind") -> None:
    pen.shadow(0, 0.36)
    for x in (-0.3, 0.3):
        pen.line([(x, 0), (x * 0.75, 0.5)], 0.03, WOOD)
    pen.line([(-0.28, 0.05), (0.24, 0.45)], 0.018, WOOD)
    pen.poly([(-0.34, 0.48), (0.34, 0.48), (0.34, 0.53), (-0.34, 0.53)], WOOD)
    pen.poly([(-0.25, 0.53), (0.25, 0.53), (0.25, 0.82), (-0.25, 0.82)], kind.first)
    pen.poly([(-0.15, 0.6), (0.15, 0.6), (0.15, 0.76), (-0.15, 0.76)], (150, 206, 226))
    pen.poly([(-0.33, 0.82), (0.33, 0.82), (0.2, 0.95), (-0.2, 0.95)], kind.second)
    pen.line([(0.28, 0.82), (0.28, 1.1)], 0.012, DARK)
    pen.poly([(0.28, 1.1), (0.44, 1.05 + 0.02 * pen.sway), (0.28, 0.99)], kind.third)


def castle(pen: Pen, kind: "Kind") -> None:
    pen.shadow(0, 0.5)
    pen.poly([(-0.5, 0), (0.5, 0), (0.42, 0.2), (-0.42, 0.2)], kind.first)
    for x, high in ((-0.34, 0.46), (0.34, 0.46), (0, 0.64 * kind.size)):
        pen.poly([(x - 0.12, 0.1), (x, 0.1), (x, high), (x - 0.1, high)], kind.first, -1)
        pen.poly([(x, 0.1), (x + 0.12, 0.1), (x + 0.1, high), (x, high)], kind.first, 1)
        for n in (-1, 0, 1):
            pen.poly(
                [(x + 0.08 * n - 0.025, high), (x + 0.08 * n + 0.025, high), (x + 0.08 * n, high + 0.06)], kind.second
            )
    pen.poly(arc(0, 0.05, 0.08, 0.16, 0, 0.5), DARK)
    pen.line([(0, 0.64 * kind.size), (0, 0.9 * kind.size)], 0.012, WOOD)
    pen.poly([(0, 0.9 * kind.size), (0.17, 0.84 * kind.size + 0.02 * pen.sway), (0, 0.78 * kind.size)], kind.third)


def chair(pen: Pen, kind: "Kind") -> None:
    pen.shadow(0, 0.5)
    back, seat, foot = (-0.42, 0.62), (-0.12, 0.2), (0.46, 0.26)
    for n in range(7):
        a, b = n / 7, (n + 1) / 7
        colour = kind.first if n % 2 else kind.second
        for start, end in ((back, seat), (seat, foot)):
            (x0, y0), (x1, y1) = start, end
            low, high = (x0 + (x1 - x0) * a, y0 + (y1 - y0) * a), (x0 + (x1 - x0) * b, y0 + (y1 - y0) * b)
            pen.poly([low, high, (high[0] + 0.12, high[1] + 0.08), (low[0] + 0.12, low[1] + 0.08)], colour)
    for x0, x1 in ((-0.3, 0.3), (0.34, -0.26)):
        pen.line([(x0, 0), (x1, 0.3)], 0.03, WOOD)
    pen.line([back, seat, foot], 0.028, WOOD)


def towel(pen: Pen, kind: "Kind") -> None:
    pen.shadow(0.02, 0.6, 0.12)
    for n in range(8):
        a, b = n / 8, (n + 1) / 8
        colour = (kind.first, kind.second, kind.first, kind.third)[n % 4]
        pen.poly([(1.02 * a - 0.62, -0.03), (1.02 * b - 0.62, -0.03), (b - 0.34, 0.22), (a - 0.34, 0.22)], colour)
    pen.round(0.3, 0.2, 0.14, 0.08, kind.third, 5)


def bucket(pen: Pen, kind: "Kind") -> None:
    pen.shadow(0, 0.34)
    pen.poly([(-0.2, 0), (0, 0), (0, 0.44), (-0.29, 0.44)], kind.first, -1)
    pen.poly([(0, 0), (0.2, 0), (0.29, 0.44), (0, 0.44)], kind.first, 1)
    pen.ball(0, 0.44, 0.29, 0.07, kind.second)
    pen.ball(0, 0.45, 0.24, 0.05, (214, 184, 132))
    pen.line(arc(0, 0.44, 0.28, 0.34, 0, 0.5), 0.02, WHITE)
    pen.line([(0.44, 0.02), (0.32, 0.42 * kind.size)], 0.03, kind.third)
    pen.poly([(0.38, 0.0), (0.5, 0.0), (0.49, 0.16), (0.41, 0.18)], kind.third)


def fire(pen: Pen, kind: "Kind") -> None:
    pen.shadow(0, 0.36)
    for x0, x1 in ((-0.34, 0.26), (0.34, -0.26), (-0.1, 0.2)):
        pen.line([(x0, 0.02), (x1, 0.16)], 0.06, WOOD)
    for wide, high, colour in ((0.22, 0.66, kind.first), (0.15, 0.48, kind.second), (0.08, 0.3, kind.third)):
        tip = (0.06 * pen.sway, 0.1 + high * kind.size)
        pen.poly([*curve((-wide, 0.1), (-wide * 1.2, 0.3), tip), *curve(tip, (wide * 1.2, 0.3), (wide, 0.1))], colour)


def rock(pen: Pen, kind: "Kind") -> None:
    pen.shadow(0, 0.5)
    for x, wide, high in ((-0.2, 0.3, 0.4 * kind.size), (0.22, 0.26, 0.28 * kind.size), (0.02, 0.2, 0.16)):
        pen.poly([(x - wide, 0), (x - wide * 0.7, high * 0.7), (x - 0.02, high), (x, 0)], kind.first, -1)
        pen.poly([(x, 0), (x - 0.02, high), (x + wide * 0.6, high * 0.75), (x + wide, 0)], kind.second, 1)
    pen.poly([(-0.4, 0), (-0.34, 0.05), (0.3, 0.04), (0.46, 0)], kind.third)


def flower(pen: Pen, kind: "Kind") -> None:
    pen.shadow(0, 0.26)
    head = (0.03 * pen.sway, 0.6 * kind.size)
    pen.line(curve((0, 0), (-0.08, 0.3), head), 0.028, (66, 132, 66))
    for side in (-1, 1):
        leaf_tip = (0.28 * side, 0.3)
        pen.poly(
            [*curve((0, 0.12), (0.1 * side, 0.3), leaf_tip), *curve(leaf_tip, (0.2 * side, 0.14), (0, 0.12))],
            (74, 150, 74),
            side,
        )
    for n in range(5):
        angle = math.tau * n / 5 + 0.3
        x, y = head[0] + 0.13 * math.cos(angle), head[1] + 0.13 * math.sin(angle)
        pen.ball(x, y, 0.11, 0.11, kind.first, math.cos(angle))
        pen.ball(x * 0.6 + head[0] * 0.4, y * 0.6 + head[1] * 0.4, 0.06, 0.06, kind.second)
    pen.round(*head, 0.06, 0.06, kind.third, 4)
