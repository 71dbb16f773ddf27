"""Device: captures what a traveller's glasses see, hear and feel, and extracts its features.

capture {"seed", "pose": {"x", "y", "yaw"}, "t", "seconds": 0.1..5, "kinds": ["visual", "audio", "motion"]}
Sensors are simulated from the beach (objects before the sea, surf, gulls, steps), the same for the same seed, pose and
time; extraction is real: Harris corners of each frame, spectrum of each tenth of a second. Rates follow the granted
computing: a frame a second per 4 millicores (1 to 30), 200 Hz of sound per millicore (2 to 16 kHz); each session of the
protocol stack carries at most FRAMES_PER_SESSION and AUDIO_PER_SESSION of them. Quantity: samples told.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.models.beach.places import bearing, places
from orchestrator.models.errors import BadCall
from orchestrator.models.serving import Answer, Program, Request, json_answer, run

DEFAULT_MCORES, DEFAULT_SESSIONS = 40, 2
FRAMES_PER_SESSION, AUDIO_PER_SESSION = 20, 8000
WIDTH, HEIGHT = 64, 48
VIEW_ANGLE = math.radians(90)
CORNERS = 12
WINDOW_S = 0.1
KINDS = ("visual", "audio", "motion")
Array = NDArray[np.float64]


def capture(request: Request) -> Answer:
    seed, moment = request.integer("seed", 0, 0, 2**53), request.number("t", 0.0, 0.0, 1e11)
    seconds, pose = request.number("seconds", 1.0, 0.1, 5.0), _pose(request.params.get("pose", {}))
    kinds = _kinds(request.params.get("kinds", list(KINDS)))
    rates = _rates(request)
    source = np.random.default_rng([seed, int(moment * 1000)])
    data: dict[str, list[dict[str, Any]]] = {}
    if "visual" in kinds:
        data["visual"] = _visual(pose, seconds, rates["frames_per_s"], source)
    if "audio" in kinds:
        data["audio"] = _audio(pose, seconds, rates["audio_hz"], source)
    if "motion" in kinds:
        data["motion"] = _motion(moment, seconds, rates["frames_per_s"], source)
    return json_answer({"t": moment, "seconds": seconds, **data}, sum(len(rows) for rows in data.values()), rates)


def _rates(request: Request) -> dict[str, int]:
    mcores = request.granted("computing_mcores", DEFAULT_MCORES)
    sessions = max(request.granted("protocol_stack_sessions", DEFAULT_SESSIONS), 1)
    return {
        "frames_per_s": min(max(mcores // 4, 1), 30, sessions * FRAMES_PER_SESSION),
        "audio_hz": min(max(mcores * 200, 2000), 16_000, sessions * AUDIO_PER_SESSION),
    }


def view_of(pose: tuple[float, float, float], noise: Array) -> Array:
    """A grey frame from 0 to 1: sky, sea and sand, and a block for each object in view, nearer ones larger."""
    x, y, yaw = pose
    frame = np.empty((HEIGHT, WIDTH))
    frame[: HEIGHT // 2], frame[HEIGHT // 2 : HEIGHT * 5 // 8], frame[HEIGHT * 5 // 8 :] = 0.8, 0.35, 0.65
    seen = [(place, *bearing(x, y, yaw, place)) for place in places()]
    for place, distance, angle in sorted(seen, key=lambda found: -found[1]):
        if abs(angle) < VIEW_ANGLE / 2 and distance > 0.5:
            size = min(max(int(90 / distance), 1), HEIGHT // 2)
            column, foot = int((0.5 + angle / VIEW_ANGLE) * WIDTH), min(HEIGHT // 2 + int(120 / distance), HEIGHT)
            frame[max(foot - 2 * size, 0) : foot, max(column - size // 2, 0) : column + size // 2 + 1] = (
                place.object * 37 % 100
            ) / 100
    return frame + noise


def corners(frame: Array, count: int = CORNERS) -> list[list[float]]:
    """Harris corners: column, row and strength of the strongest, one in each 5×5 neighbourhood."""
    dy, dx = (np.asarray(slope) for slope in np.gradient(frame))
    xx, yy, xy = _smooth(dx * dx), _smooth(dy * dy), _smooth(dx * dy)
    strength = xx * yy - xy * xy - 0.05 * (xx + yy) ** 2
    peak = strength == _most(strength)
    rows, columns = np.nonzero(peak & (strength > 1e-4))
    best = np.argsort(-strength[rows, columns], kind="stable")[:count]
    return [[int(columns[n]), int(rows[n]), round(float(strength[rows[n], columns[n]]), 5)] for n in best]


def _visual(
    pose: tuple[float, float, float], seconds: float, rate: int, source: np.random.Generator
) -> list[dict[str, Any]]:
    rows = []
    for n in range(max(int(seconds * rate), 1)):
        noise = source.normal(0, 0.01, (HEIGHT, WIDTH))
        frame = view_of((pose[0], pose[1], pose[2] + 0.02 * math.sin(n / rate * 2)), noise)
        rows.append({"at": round(n / rate, 4), "brightness": round(float(frame.mean()), 4), "corners": corners(frame)})
    return rows


def _audio(
    pose: tuple[float, float, float], seconds: float, rate: int, source: np.random.Generator
) -> list[dict[str, Any]]:
    """Surf: noise that swells and fades, the louder the nearer the water; gulls: chirps now and then."""
    time = np.arange(int(seconds * rate)) / rate
    swell = 0.5 + 0.5 * np.sin(math.tau * time / 4.5)
    low = np.cumsum(source.normal(0, 1, time.size) - 0.0)
    surf = (low - np.convolve(low, np.ones(32) / 32, "same")) * swell / (1 + pose[1] / 30)
    gull = 0.4 * np.sin(math.tau * (900 + 200 * np.sin(20 * time)) * time) * (source.random() < np.sin(time * 3))
    window = int(rate * WINDOW_S)
    return [
        _sound(surf[n : n + window] + gull[n : n + window], rate, n / rate)
        for n in range(0, time.size - window + 1, window)
    ]


def _sound(samples: Array, rate: int, at: float) -> dict[str, Any]:
    power = np.abs(np.fft.rfft(samples * np.hanning(samples.size))) ** 2
    pitch = np.fft.rfftfreq(samples.size, 1 / rate)
    total = float(power.sum()) or 1.0
    return {
        "at": round(at, 4),
        "rms": round(float(np.sqrt(np.mean(samples**2))), 5),
        "centroid_hz": round(float((pitch * power).sum()) / total, 1),
        "surf_part": round(float(power[pitch < 500].sum()) / total, 4),
    }


def _motion(moment: float, seconds: float, rate: int, source: np.random.Generator) -> list[dict[str, Any]]:
    """Acceleration (m/s²) of somebody who walks at two steps a second, and steps found in it."""
    time = moment % 1000 + np.arange(max(int(seconds * rate), 1)) / rate
    up = 9.81 + 2.2 * np.sin(math.tau * 2 * time) + source.normal(0, 0.1, time.size)
    return [
        {"at": round(n / rate, 4), "up_ms2": round(float(value), 3), "step": bool(value > 11.2)}
        for n, value in enumerate(up)
    ]


def _smooth(values: Array) -> Array:
    padded = np.pad(values, 1, mode="edge")
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    return np.asarray((rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) / 9)


def _most(values: Array) -> Array:
    return np.asarray(np.lib.stride_tricks.sliding_window_view(np.pad(values, 2, mode="edge"), (5, 5)).max(axis=(2, 3)))


def _pose(value: Any) -> tuple[float, float, float]:
    if not isinstance(value, Mapping):
        raise BadCall("pose must be an object of x, y, yaw")
    request = Request(value)
    return (
        request.number("x", 200.0, -1e4, 1e4),
        request.number("y", 20.0, 0.0, 1e4),
        request.number("yaw", 0.0, -1e6, 1e6),
    )


def _kinds(value: Any) -> set[str]:
    if not isinstance(value, list) or not value or not all(kind in KINDS for kind in value):
        raise BadCall(f"kinds must be some of {', '.join(KINDS)}")
    return set(value)


def build() -> Program:
    return Program("device", {"capture": capture})


if __name__ == "__main__":
    run(build())
