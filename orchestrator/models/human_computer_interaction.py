"""Human-computer interaction: turns gesture strokes and gaze rays into commands.

interpret {"strokes": [[[x, y], …], …], "gaze": [{"t", "origin": [x,y,z], "direction": [x,y,z]}, …],
           "objects": [{"object", "x", "y", "z", "r"}, …]}
Strokes: the $1 unistroke recogniser (Wobbrock, Wilson, Li 2007) with as many points a stroke as the granted computing
carries (1.6 a millicore, 16 to 128); straight strokes are swipes. Gaze: the object whose sphere the rays rest on for
DWELL_S. A gesture is meant for what is looked at. Each granted session of the protocol stack carries POINTS_PER_SESSION
points of strokes and gaze a call: of more, only every second, third, … is heard. Quantity: commands, at least one.
"""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, TypeVar

from orchestrator.models.errors import BadCall
from orchestrator.models.serving import Answer, Program, Request, json_answer, run, shown

Point = tuple[float, float]
T = TypeVar("T")
DEFAULT_MCORES, DEFAULT_SESSIONS = 40, 1
POINTS_PER_SESSION = 1000
LEAST_POINTS, MOST_POINTS = 16, 128
MAX_STROKES, MAX_STROKE_POINTS, MAX_GAZE, MAX_OBJECTS = 8, 2000, 2000, 256
DWELL_S = 0.5
SQUARE = 1.0
STRAIGHT = 0.96
LEAST_SCORE = 0.72
ANGLE_RANGE, ANGLE_STEP = math.radians(45), math.radians(2)
GOLDEN = (math.sqrt(5) - 1) / 2
COMMANDS = {
    "circle": "select",
    "rectangle": "take_picture",
    "triangle": "place_flag",
    "check": "confirm",
    "star": "make_souvenir",
    "zigzag": "undo",
    "spiral": "zoom",
}


def interpret(request: Request) -> Answer:
    points = points_a_stroke(request.granted("computing_mcores", DEFAULT_MCORES))
    strokes, gaze = _strokes(request.params.get("strokes", [])), _gaze(request.params.get("gaze", []))
    every = _every(request, sum(map(len, strokes)) + len(gaze))
    looked_at = dwell(thinned(gaze, every), _objects(request.params.get("objects", [])))
    commands = [_command(_heard(stroke, every), points, looked_at) for stroke in strokes]
    if not commands and looked_at is not None:
        commands = [{"command": "look_at", **looked_at}]
    return json_answer(
        {"commands": commands, "looked_at": looked_at}, max(len(commands), 1), {"points": points, "every": every}
    )


def points_a_stroke(mcores: int) -> int:
    return min(max(mcores * 8 // 5, LEAST_POINTS), MOST_POINTS)


def _every(request: Request, sent: int) -> int:
    """Each how manyth of the points sent the granted sessions carry."""
    sessions = max(request.granted("protocol_stack_sessions", DEFAULT_SESSIONS), 1)
    return max(math.ceil(sent / (sessions * POINTS_PER_SESSION)), 1)


def thinned(points: Sequence[T], every: int) -> list[T]:
    """Every such one of them, and the last."""
    return [*points[:-1:every], *points[-1:]]


def _heard(stroke: Sequence[Point], every: int) -> Sequence[Point]:
    """A stroke as the sessions carry it; whole where it would not move any more."""
    carried = thinned(stroke, every)
    return carried if _length(carried) else stroke


def recognise(stroke: Sequence[Point], points: int) -> tuple[str, float]:
    """The most similar shape and its score from 0 to 1."""
    candidate = normalise(stroke, points)
    scored = {shape: _least_distance(candidate, template) for shape, template in _templates(points)}
    best = min(scored, key=lambda shape: scored[shape])
    return best.removesuffix("'"), 1 - scored[best] / (0.5 * math.sqrt(2) * SQUARE)


def swipe(stroke: Sequence[Point]) -> str | None:
    """Left, right, up or down for a straight stroke; y grows downwards, as on a screen."""
    (x0, y0), (x1, y1) = stroke[0], stroke[-1]
    dx, dy = x1 - x0, y1 - y0
    if math.hypot(dx, dy) < STRAIGHT * max(_length(stroke), 1e-12):
        return None
    if abs(dx) >= abs(dy):
        return "swipe_right" if dx > 0 else "swipe_left"
    return "swipe_down" if dy > 0 else "swipe_up"


def normalise(stroke: Sequence[Point], points: int) -> list[Point]:
    """Evenly spaced, turned to the angle of its first point, scaled to a square, around the origin."""
    even = resample(stroke, points)
    cx, cy = _centroid(even)
    turned = _turn(even, -math.atan2(cy - even[0][1], cx - even[0][0]))
    width = max(x for x, _ in turned) - min(x for x, _ in turned) or 1e-9
    height = max(y for _, y in turned) - min(y for _, y in turned) or 1e-9
    scaled = [(x * SQUARE / width, y * SQUARE / height) for x, y in turned]
    cx, cy = _centroid(scaled)
    return [(x - cx, y - cy) for x, y in scaled]


def resample(stroke: Sequence[Point], points: int) -> list[Point]:
    step = _length(stroke) / (points - 1)
    even, travelled, before = [stroke[0]], 0.0, stroke[0]
    for after in stroke[1:]:
        gap = math.dist(before, after)
        while gap > 0 and travelled + gap >= step and len(even) < points:
            part = (step - travelled) / gap
            before = (before[0] + part * (after[0] - before[0]), before[1] + part * (after[1] - before[1]))
            even.append(before)
            gap, travelled = math.dist(before, after), 0.0
        travelled, before = travelled + gap, after
    return even + [stroke[-1]] * (points - len(even))


def dwell(
    gaze: Sequence[tuple[float, Sequence[float], Sequence[float]]],
    objects: Sequence[tuple[int, Sequence[float], float]],
) -> dict[str, Any] | None:
    """The object that the rays last rested on for DWELL_S without a break, and for how long."""
    found, current, since = None, None, 0.0
    for t, origin, direction in gaze:
        hit = _hit(origin, direction, objects)
        if hit != current:
            current, since = hit, t
        if hit is not None and t - since >= DWELL_S:
            found = {"object": hit, "dwell_s": round(t - since, 3)}
    return found


def _command(stroke: Sequence[Point], points: int, looked_at: Mapping[str, Any] | None) -> dict[str, Any]:
    target = {"object": looked_at["object"]} if looked_at else {}
    straight = swipe(stroke)
    if straight is not None:
        return {"command": straight, "score": 1.0, **target}
    shape, score = recognise(stroke, points)
    command = COMMANDS[shape] if score >= LEAST_SCORE else "unknown"
    return {"command": command, "shape": shape, "score": round(score, 4), **target}


def _hit(
    origin: Sequence[float], direction: Sequence[float], objects: Sequence[tuple[int, Sequence[float], float]]
) -> int | None:
    """The nearest sphere on the ray."""
    norm = math.hypot(*direction) or 1.0
    nearest, best = None, math.inf
    for number, centre, radius in objects:
        away = [c - o for c, o in zip(centre, origin, strict=True)]
        along = sum(a * d for a, d in zip(away, direction, strict=True)) / norm
        aside = sum(a * a for a in away) - along * along
        if 0 < along < best and aside <= radius * radius:
            nearest, best = number, along
    return nearest


def _least_distance(candidate: Sequence[Point], template: Sequence[Point]) -> float:
    """Golden section search over the turning angle."""
    low, high = -ANGLE_RANGE, ANGLE_RANGE
    one, other = GOLDEN * low + (1 - GOLDEN) * high, (1 - GOLDEN) * low + GOLDEN * high
    at_one, at_other = _distance(candidate, template, one), _distance(candidate, template, other)
    while high - low > ANGLE_STEP:
        if at_one < at_other:
            high, other, at_other = other, one, at_one
            one = GOLDEN * low + (1 - GOLDEN) * high
            at_one = _distance(candidate, template, one)
        else:
            low, one, at_one = one, other, at_other
            other = (1 - GOLDEN) * low + GOLDEN * high
            at_other = _distance(candidate, template, other)
    return min(at_one, at_other)


def _distance(candidate: Sequence[Point], template: Sequence[Point], angle: float) -> float:
    return sum(math.dist(a, b) for a, b in zip(_turn(candidate, angle), template, strict=True)) / len(template)


def _turn(points: Sequence[Point], angle: float) -> list[Point]:
    cx, cy = _centroid(points)
    cos, sin = math.cos(angle), math.sin(angle)
    return [((x - cx) * cos - (y - cy) * sin + cx, (x - cx) * sin + (y - cy) * cos + cy) for x, y in points]


def _centroid(points: Sequence[Point]) -> Point:
    return sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)


def _length(stroke: Sequence[Point]) -> float:
    return sum(math.dist(a, b) for a, b in pairwise(stroke))


@lru_cache(maxsize=8)
def _templates(points: int) -> list[tuple[str, list[Point]]]:
    """Each shape in both directions of drawing; a dash marks the reversed one."""
    ways = [(name + mark, way) for name, shape in _shapes().items() for mark, way in (("", shape), ("'", shape[::-1]))]
    return [(name, normalise(way, points)) for name, way in ways]


def _shapes() -> dict[str, list[Point]]:
    ring = [math.tau * n / 32 for n in range(33)]
    star = [math.tau * (n * 2 / 5) - math.pi / 2 for n in range(6)]
    return {
        "circle": [(math.cos(angle), math.sin(angle)) for angle in ring],
        "rectangle": [(0, 0), (0, 1), (1.4, 1), (1.4, 0), (0, 0)],
        "triangle": [(0.5, 0), (0, 0.9), (1, 0.9), (0.5, 0)],
        "check": [(0, 0.6), (0.3, 1), (1, 0)],
        "star": [(math.cos(angle), math.sin(angle)) for angle in star],
        "zigzag": [(0, 0), (0.25, 1), (0.5, 0), (0.75, 1), (1, 0)],
        "spiral": [
            (n / 64 * math.cos(6 * math.pi * n / 64), n / 64 * math.sin(6 * math.pi * n / 64)) for n in range(65)
        ],
    }


def _strokes(value: Any) -> list[list[Point]]:
    if not isinstance(value, list) or len(value) > MAX_STROKES:
        raise BadCall(f"strokes must be a list of at most {MAX_STROKES} strokes")
    strokes = [[(point[0], point[1]) for point in (_numbers(each, 2) for each in _list(stroke))] for stroke in value]
    if any(_length(stroke) == 0 for stroke in strokes):
        raise BadCall("a stroke does not move; give at least two different points")
    return strokes


def _gaze(value: Any) -> list[tuple[float, list[float], list[float]]]:
    if not isinstance(value, list) or len(value) > MAX_GAZE or not all(isinstance(each, Mapping) for each in value):
        raise BadCall(f"gaze must be a list of at most {MAX_GAZE} of {{t, origin, direction}}")
    rays = [(Request(each).number("t", 0.0, 0.0, 1e11), each.get("origin"), each.get("direction")) for each in value]
    return sorted(
        ((t, _numbers(origin, 3), _numbers(direction, 3)) for t, origin, direction in rays), key=lambda ray: ray[0]
    )


def _objects(value: Any) -> list[tuple[int, list[float], float]]:
    if not isinstance(value, list) or len(value) > MAX_OBJECTS or not all(isinstance(each, Mapping) for each in value):
        raise BadCall(f"objects must be a list of at most {MAX_OBJECTS} of {{object, x, y, z, r}}")
    asked = [Request(each) for each in value]
    return [
        (
            each.integer("object", 0, 0, 10_000),
            [each.number(axis, 0.0, -1e6, 1e6) for axis in "xyz"],
            each.number("r", 1.0, 0.0, 1e6),
        )
        for each in asked
    ]


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list) or not 2 <= len(value) <= MAX_STROKE_POINTS:
        raise BadCall(f"a stroke must be a list of 2 to {MAX_STROKE_POINTS} points")
    return value


def _numbers(value: Any, count: int) -> list[float]:
    if not isinstance(value, list) or len(value) != count:
        raise BadCall(f"{shown(value)} is not a list of {count} numbers")
    request = Request({str(n): part for n, part in enumerate(value)})
    return [request.number(str(n), 0.0, -1e6, 1e6) for n in range(count)]


def build() -> Program:
    return Program("human-computer-interaction", {"interpret": interpret})


if __name__ == "__main__":
    run(build())
