"""AR navigation: routes over the beach's map, and overlays for what is near a position.

navigate {"x", "y", "yaw", "to": {"x", "y"} | {"object": n}, "radius": metres, "map": bool}
A* over a grid whose fineness follows the granted computing (20·√mcores columns, 50 to 400): finer is dearer and passes
closer to what stands in the way. Wet sand is quick, the sea and solid objects are closed. Quantity: thousand cells that
the search went through, at least one.
"""

import heapq
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

from orchestrator.models.beach.places import DEPTH, LENGTH, bearing, places
from orchestrator.models.errors import BadCall, NotThere
from orchestrator.models.serving import Answer, Program, Request, json_answer, run

DEFAULT_MCORES = 100
LEAST_COLUMNS, MOST_COLUMNS = 50, 400
WALK_MS = 1.3
WET_SAND_M, SOFT_SAND = 12.0, 1.35
MARGIN_M = 0.5
VIEW_ANGLE = math.radians(100)
Cell = tuple[int, int]


@dataclass(frozen=True)
class Chart:
    """The beach as cells: `cost[row][column]` a metre's effort, infinite where nobody can walk."""

    cell_m: float
    cost: tuple[tuple[float, ...], ...]

    def cell(self, x: float, y: float) -> Cell:
        rows, columns = len(self.cost), len(self.cost[0])
        return min(int(y / self.cell_m), rows - 1), min(int(x / self.cell_m), columns - 1)

    def centre(self, cell: Cell) -> tuple[float, float]:
        return (cell[1] + 0.5) * self.cell_m, (cell[0] + 0.5) * self.cell_m


def navigate(request: Request) -> Answer:
    x, y = request.number("x", 0.0, 0.0, LENGTH), request.number("y", 0.0, 0.0, DEPTH)
    yaw, radius = request.number("yaw", 0.0, -1e6, 1e6), request.number("radius", 60.0, 0.0, LENGTH)
    chart = chart_of(columns_for(request.granted("computing_mcores", DEFAULT_MCORES)))
    value: dict[str, Any] = {"overlays": overlays(x, y, yaw, radius)}
    expanded = 0
    if request.params.get("to") is not None:
        path, expanded = route(chart, chart.cell(x, y), chart.cell(*_goal(request.params["to"])))
        value["route"] = _described(chart, path)
    if request.params.get("map") is True:
        value["map"] = ["".join("#" if math.isinf(cost) else "." for cost in row) for row in chart.cost]
    return json_answer(
        value, max(math.ceil(expanded / 1000), 1), {"cell_m": round(chart.cell_m, 3), "expanded": expanded}
    )


def columns_for(mcores: int) -> int:
    return min(max(20 * math.isqrt(max(mcores, 0)), LEAST_COLUMNS), MOST_COLUMNS)


@lru_cache(maxsize=8)
def chart_of(columns: int) -> Chart:
    cell = LENGTH / columns
    rows = math.ceil(DEPTH / cell)
    effort = [[1.0 if (row + 0.5) * cell < WET_SAND_M else SOFT_SAND] * columns for row in range(rows)]
    for place in places():
        if place.radius > 0:
            _close(effort, cell, place.x, place.y, place.radius + MARGIN_M)
    return Chart(cell, tuple(tuple(row) for row in effort))


def route(chart: Chart, start: Cell, goal: Cell) -> tuple[list[Cell], int]:
    """The cheapest way (A*, octile distance) and how many cells were expanded. Closed ends move to the nearest open."""
    start, goal = nearest_open(chart, start), nearest_open(chart, goal)
    came: dict[Cell, Cell] = {}
    spent, done = {start: 0.0}, set[Cell]()
    queue = [(_octile(start, goal), start)]
    while queue:
        _, here = heapq.heappop(queue)
        if here == goal:
            return _way_back(came, goal), len(done)
        if here in done:
            continue
        done.add(here)
        for there, effort in _steps(chart, here):
            cost = spent[here] + effort
            if cost < spent.get(there, math.inf):
                spent[there], came[there] = cost, here
                heapq.heappush(queue, (cost + _octile(there, goal), there))
    raise NotThere("no way leads there on foot; ask for another goal")


def nearest_open(chart: Chart, cell: Cell) -> Cell:
    rows, columns = len(chart.cost), len(chart.cost[0])
    for reach in range(max(rows, columns)):
        ring = [
            (row, column)
            for row in range(max(cell[0] - reach, 0), min(cell[0] + reach + 1, rows))
            for column in range(max(cell[1] - reach, 0), min(cell[1] + reach + 1, columns))
            if max(abs(row - cell[0]), abs(column - cell[1])) == reach and math.isfinite(chart.cost[row][column])
        ]
        if ring:
            return min(ring, key=lambda open_cell: math.dist(open_cell, cell))
    raise NotThere("the whole map is closed")


def overlays(x: float, y: float, yaw: float, radius: float) -> list[dict[str, Any]]:
    """What to show: label, distance, angle off the line of sight, place on the screen (0 left, 1 right)."""
    near = [(place, *bearing(x, y, yaw, place)) for place in places()]
    return [
        {
            "object": place.object,
            "label": place.name,
            "distance_m": round(distance, 1),
            "angle_deg": round(math.degrees(angle), 1),
            "screen_x": round(0.5 + angle / VIEW_ANGLE, 3) if abs(angle) <= VIEW_ANGLE / 2 else None,
        }
        for place, distance, angle in sorted(near, key=lambda found: found[1])
        if distance <= radius
    ]


def _described(chart: Chart, path: list[Cell]) -> dict[str, Any]:
    points = [chart.centre(cell) for cell in path]
    length = sum(math.dist(a, b) for a, b in pairwise(points))
    turns = [point for n, point in enumerate(points) if n in (0, len(points) - 1) or _bends(path, n)]
    return {
        "length_m": round(length, 1),
        "seconds": round(length / WALK_MS, 1),
        "points": [[round(px, 2), round(py, 2)] for px, py in turns],
    }


def _bends(path: list[Cell], n: int) -> bool:
    (r0, c0), (r1, c1), (r2, c2) = path[n - 1], path[n], path[n + 1]
    return (r1 - r0, c1 - c0) != (r2 - r1, c2 - c1)


def _steps(chart: Chart, here: Cell) -> list[tuple[Cell, float]]:
    rows, columns = len(chart.cost), len(chart.cost[0])
    found = []
    for dr in (-1, 0, 1):
        for dc in (-1, 0, 1):
            row, column = here[0] + dr, here[1] + dc
            if (dr or dc) and 0 <= row < rows and 0 <= column < columns and math.isfinite(chart.cost[row][column]):
                found.append(
                    ((row, column), math.hypot(dr, dc) * (chart.cost[row][column] + chart.cost[here[0]][here[1]]) / 2)
                )
    return found


def _octile(one: Cell, other: Cell) -> float:
    long, short = sorted((abs(one[0] - other[0]), abs(one[1] - other[1])), reverse=True)
    return long + (math.sqrt(2) - 1) * short


def _way_back(came: Mapping[Cell, Cell], goal: Cell) -> list[Cell]:
    path = [goal]
    while path[-1] in came:
        path.append(came[path[-1]])
    return path[::-1]


def _close(effort: list[list[float]], cell: float, x: float, y: float, radius: float) -> None:
    for row in range(max(int((y - radius) / cell), 0), min(int((y + radius) / cell) + 1, len(effort))):
        for column in range(max(int((x - radius) / cell), 0), min(int((x + radius) / cell) + 1, len(effort[0]))):
            if math.hypot((column + 0.5) * cell - x, (row + 0.5) * cell - y) <= radius:
                effort[row][column] = math.inf


def _goal(value: Any) -> tuple[float, float]:
    if not isinstance(value, Mapping):
        raise BadCall("to must be an object with x and y, or with object")
    wanted = Request(value)
    if "object" in value:
        place = places()[wanted.integer("object", 0, 0, len(places()) - 1)]
        return place.x, place.y
    return wanted.number("x", 0.0, 0.0, LENGTH), wanted.number("y", 0.0, 0.0, DEPTH)


def build() -> Program:
    return Program("ar-navigation", {"navigate": navigate})


if __name__ == "__main__":
    run(build())
