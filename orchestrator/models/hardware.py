"""Hardware: an accelerator for dense number work: heat in a part, and products of matrices.

heat     {"size_m": [width, height], "conductivity": W/(m·K), "thickness_m", "cells": along the longer side, 8..256,
          "sources": [{"x", "y", "radius", "watts"}, …], "edges": {"left"|"right"|"bottom"|"top": °C; others insulate}}
          the part's steady temperature: finite differences, solved by conjugate gradients
multiply {"a": [[numbers]], "b": [[numbers]]}
The granted computing carries MFLOP_PER_MCORE million operations a millicore: `heat` stops there and says how far it was
from balance (`residual`), `multiply` refuses. Quantity: million operations done.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.models.errors import BadCall, OverGrant
from orchestrator.models.serving import Answer, Program, Request, json_answer, run

DEFAULT_MCORES = 200
MFLOP_PER_MCORE = 0.25
LEAST_CELLS, MOST_CELLS, MOST_SOURCES, MOST_SIDE = 8, 256, 32, 512
SHOWN = 32
"""Cells of the picture's longer side that are told."""
FLOPS_PER_CELL = 22
TOLERANCE = 1e-6
EDGES = ("left", "right", "bottom", "top")
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Plate:
    """A grid of square cells; `fixed` are the temperatures of its edges, `watts` what each cell is heated by."""

    rows: int
    columns: int
    coupling: float
    watts: Array
    fixed: dict[str, float]

    def flow(self, temperature: Array) -> Array:
        """Watts that leave each cell for its neighbours and for edges at 0 °C."""
        out = np.zeros_like(temperature)
        down, right = np.diff(temperature, axis=0), np.diff(temperature, axis=1)
        out[:-1] -= down
        out[1:] += down
        out[:, :-1] -= right
        out[:, 1:] += right
        for edge in self.fixed:
            out[_border(edge)] += 2 * temperature[_border(edge)]
        return out * self.coupling

    def heating(self) -> Array:
        """Watts that come into each cell from sources and from the edges."""
        into = self.watts.copy()
        for edge, temperature in self.fixed.items():
            into[_border(edge)] += 2 * self.coupling * temperature
        return into


def heat(request: Request) -> Answer:
    plate, cell_m = _plate(request)
    budget = request.granted("computing_mcores", DEFAULT_MCORES) * MFLOP_PER_MCORE * 1e6
    sweep = plate.rows * plate.columns * FLOPS_PER_CELL
    temperature, residual, sweeps = solve(plate, max(int(budget // sweep), 1))
    step = math.ceil(max(plate.rows, plate.columns) / SHOWN)
    hottest = np.unravel_index(int(temperature.argmax()), temperature.shape)
    value = {
        "hottest_c": round(float(temperature.max()), 4),
        "hottest_at": [round((int(hottest[1]) + 0.5) * cell_m, 6), round((int(hottest[0]) + 0.5) * cell_m, 6)],
        "mean_c": round(float(temperature.mean()), 4),
        "residual": float(f"{residual:.3e}"),
        "balanced": residual <= TOLERANCE,
        "picture_c": np.round(temperature[::step, ::step], 2).tolist(),
    }
    info = {"cells": plate.rows * plate.columns, "sweeps": sweeps}
    return json_answer(value, math.ceil(sweeps * sweep / 1e6), info)


def multiply(request: Request) -> Answer:
    a, b = _matrix(request, "a"), _matrix(request, "b")
    if a.shape[1] != b.shape[0]:
        raise BadCall(f"a has {a.shape[1]} columns, b {b.shape[0]} rows; they must be as many")
    mflop = 2 * a.shape[0] * a.shape[1] * b.shape[1] / 1e6
    granted = request.granted("computing_mcores", DEFAULT_MCORES) * MFLOP_PER_MCORE
    if mflop > granted:
        raise OverGrant(f"{mflop:.1f} million operations are due where {granted:.1f} are granted; grant more computing")
    return json_answer({"product": np.round(a @ b, 9).tolist()}, math.ceil(mflop), {"mflop": round(mflop, 6)})


def solve(plate: Plate, most: int) -> tuple[Array, float, int]:
    """Conjugate gradients: temperature, imbalance relative to what comes in, and sweeps done."""
    into = plate.heating()
    start = sum(plate.fixed.values()) / len(plate.fixed)
    temperature = np.full(into.shape, start)
    left = into - plate.flow(temperature)
    direction, size = left.copy(), float((left * left).sum())
    bound = TOLERANCE * max(float(np.linalg.norm(into)), 1e-30)
    sweeps = 0
    while math.sqrt(size) > bound and sweeps < most:
        turned = plate.flow(direction)
        step = size / float((direction * turned).sum())
        temperature += step * direction
        left -= step * turned
        before, size = size, float((left * left).sum())
        direction = left + size / before * direction
        sweeps += 1
    return temperature, math.sqrt(size) / max(float(np.linalg.norm(into)), 1e-30), max(sweeps, 1)


def _plate(request: Request) -> tuple[Plate, float]:
    width, height = request.numbers("size_m", 2, 2, 1e-4, 1e3)
    cell = max(width, height) / request.integer("cells", 48, LEAST_CELLS, MOST_CELLS)
    columns, rows = max(round(width / cell), 1), max(round(height / cell), 1)
    edges = request.part("edges")
    fixed = {edge: edges.number(edge, 20.0, -273.15, 5000.0) for edge in EDGES if edge in edges.params}
    if not fixed or set(edges.params) - set(EDGES):
        raise BadCall(f"edges must fix the temperature of one or more of {', '.join(EDGES)}, else heat piles up")
    watts = np.zeros((rows, columns))
    x, y = (np.arange(columns)[None] + 0.5) * cell, (np.arange(rows)[:, None] + 0.5) * cell
    for source in request.parts("sources", 0, MOST_SOURCES):
        at = source.number("x", 0.0, 0.0, width), source.number("y", 0.0, 0.0, height)
        apart = np.hypot(x - at[0], y - at[1])
        under = (apart <= source.number("radius", 0.0, 0.0, 1e3)) | (apart == apart.min())
        watts[under] += source.number("watts", 1.0, 0.0, 1e9) / int(under.sum())
    coupling = request.number("conductivity", 50.0, 1e-3, 5000.0) * request.number("thickness_m", 0.01, 1e-5, 10.0)
    return Plate(rows, columns, coupling, watts, fixed), cell


def _border(edge: str) -> Any:
    return {"left": np.s_[:, 0], "right": np.s_[:, -1], "bottom": np.s_[0, :], "top": np.s_[-1, :]}[edge]


def _matrix(request: Request, name: str) -> Array:
    rows = request.listed(name, 1, MOST_SIDE)
    columns = len(rows[0]) if isinstance(rows[0], list) else 0
    if not 1 <= columns <= MOST_SIDE:
        raise BadCall(f"{name} must be rows of 1 to {MOST_SIDE} numbers")
    return np.asarray([Request({name: row}).numbers(name, columns, columns) for row in rows])


def build() -> Program:
    return Program("hardware", {"heat": heat, "multiply": multiply})


if __name__ == "__main__":
    run(build())
