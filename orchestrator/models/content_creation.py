"""Content creation: holograms of avatars as point clouds, and textures for worlds; made, not fetched.

hologram {"seed": who, "t": seconds, "gesture": "wave"|"nod"|"walk"|"rest", "points": 100..60000}   binary PLY, metres
texture  {"material": "marble"|"wood"|"cloth"|"sand", "seed", "size": 16..1024}            PNG, whose edges join up
A hologram is the surface of a body of ellipsoids that moves with time; points fall evenly on the surface, each with
normal and colour. Points follow the granted computing (100 a millicore) and so do a texture's pixels (1,000 a
millicore): what is asked beyond is made smaller, S4M-Info says so. Same words, same bytes: they can be minted.
Quantity: thousand points, thousand pixels.
"""

import io
import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from orchestrator.models.serving import Answer, Program, Request, run

DEFAULT_MCORES = 100
POINTS_PER_MCORE, PIXELS_PER_MCORE = 100, 1000
LEAST_POINTS, MOST_POINTS = 100, 60_000
LEAST_SIZE, MOST_SIZE = 16, 1024
ENCODERS = (PngImagePlugin,)
Array = NDArray[np.float64]
VERTEX = np.dtype([("place", "<f4", 3), ("normal", "<f4", 3), ("colour", "u1", 3)])
HEAD = (
    "ply\nformat binary_little_endian 1.0\ncomment slicing4meta hologram\nelement vertex {count}\n"
    "property float x\nproperty float y\nproperty float z\nproperty float nx\nproperty float ny\nproperty float nz\n"
    "property uchar red\nproperty uchar green\nproperty uchar blue\nend_header\n"
)
# name: centre and half-axes (m), the joint it turns about, 0 skin, 1 shirt, 2 trousers
BODY: Mapping[str, tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float], int]] = {
    "head": ((0.0, 0.0, 1.62), (0.09, 0.11, 0.13), (0.0, 0.0, 1.48), 0),
    "trunk": ((0.0, 0.0, 1.16), (0.20, 0.12, 0.32), (0.0, 0.0, 1.16), 1),
    "left_arm": ((0.27, 0.0, 1.12), (0.05, 0.05, 0.32), (0.25, 0.0, 1.40), 1),
    "right_arm": ((-0.27, 0.0, 1.12), (0.05, 0.05, 0.32), (-0.25, 0.0, 1.40), 1),
    "left_leg": ((0.10, 0.0, 0.44), (0.08, 0.08, 0.45), (0.10, 0.0, 0.86), 2),
    "right_leg": ((-0.10, 0.0, 0.44), (0.08, 0.08, 0.45), (-0.10, 0.0, 0.86), 2),
}
GOLDEN_TURN = math.pi * (3 - math.sqrt(5))


def hologram(request: Request) -> Answer:
    seed, moment = request.integer("seed", 0, 0, 2**53), request.number("t", 0.0, 0.0, 1e11)
    gesture = request.choice("gesture", "wave", "nod", "walk", "rest")
    asked = request.integer("points", 10_000, LEAST_POINTS, MOST_POINTS)
    granted = max(request.granted("computing_mcores", DEFAULT_MCORES) * POINTS_PER_MCORE, LEAST_POINTS)
    cloud = body(seed, moment, gesture, min(asked, granted))
    head = HEAD.format(count=len(cloud)).encode()
    info = {"points": len(cloud), "asked": asked, "scaled_down": asked > granted}
    return Answer(head + cloud.tobytes(), "application/octet-stream", math.ceil(len(cloud) / 1000), info)


def texture(request: Request) -> Answer:
    seed, asked = request.integer("seed", 0, 0, 2**53), request.integer("size", 256, LEAST_SIZE, MOST_SIZE)
    material = request.choice("material", *MATERIALS)
    granted = math.isqrt(max(request.granted("computing_mcores", DEFAULT_MCORES), 0) * PIXELS_PER_MCORE)
    size = max(min(asked, granted), LEAST_SIZE)
    pixels = MATERIALS[material](size, np.random.default_rng(seed))
    out = io.BytesIO()
    Image.fromarray(np.clip(pixels * 255, 0, 255).astype(np.uint8)).save(out, "PNG", compress_level=3)
    info = {"size": size, "asked": asked, "scaled_down": asked > size}
    return Answer(out.getvalue(), "image/png", math.ceil(size * size / 1000), info)


def body(seed: int, moment: float, gesture: str, count: int) -> NDArray[np.void]:
    """So many points of the body's surface, spread over its parts by their area."""
    source = np.random.default_rng(seed)
    tall, colours = source.uniform(0.9, 1.1), source.integers(40, 220, (3, 3))
    areas = np.asarray([_area(axes) for _, axes, _, _ in BODY.values()])
    ends = np.round(np.cumsum(areas) / areas.sum() * count).astype(int)
    cloud = np.zeros(count, VERTEX)
    for (name, (centre, axes, joint, dress)), end, begin in zip(BODY.items(), ends, [0, *ends[:-1]], strict=True):
        ball = sphere(int(end - begin))
        turn = _turn(_angle(name, gesture, moment))
        place = (ball * axes + np.subtract(centre, joint)) @ turn.T + joint
        normal = (ball / axes) @ turn.T
        cloud["place"][begin:end] = place * tall
        cloud["normal"][begin:end] = normal / np.linalg.norm(normal, axis=1, keepdims=True)
        cloud["colour"][begin:end] = colours[dress]
    return cloud


def sphere(count: int) -> Array:
    """Evenly spread points of the unit sphere (Fibonacci)."""
    number = np.arange(count) + 0.5
    height, turn = 1 - 2 * number / max(count, 1), GOLDEN_TURN * number
    wide = np.sqrt(1 - height * height)
    return np.asarray(np.column_stack((wide * np.cos(turn), wide * np.sin(turn), height)))


def noise(size: int, source: np.random.Generator, roughness: float) -> Array:
    """Chance that joins up at the edges: power falls as frequency^-roughness; from 0 to 1. Coarse forms are the same
    at every size, so that a smaller texture is the same picture."""
    row, column = np.fft.fftfreq(MOST_SIZE, 1 / MOST_SIZE), np.fft.rfftfreq(MOST_SIZE, 1 / MOST_SIZE)
    keep = np.abs(row) < size / 2
    phases = source.uniform(0, math.tau, (MOST_SIZE, 64))[keep]
    frequency = np.hypot(row[keep][:, None], column[None, : min(size // 2, 64)])
    frequency[0, 0] = np.inf
    spectrum = np.zeros((size, size // 2 + 1), complex)
    where = row[keep].astype(int)
    spectrum[where, : frequency.shape[1]] = frequency**-roughness * np.exp(1j * phases[:, : frequency.shape[1]])
    field = np.fft.irfft2(spectrum, s=(size, size))
    return np.asarray((field - field.min()) / max(float(np.ptp(field)), 1e-12))


def _marble(size: int, source: np.random.Generator) -> Array:
    across = np.arange(size) / size
    veins = np.abs(np.sin(math.pi * (4 * across[None] + 3 * noise(size, source, 1.6))))
    return _between(veins[..., None] ** 0.4, (0.35, 0.36, 0.42), (0.95, 0.94, 0.92))


def _wood(size: int, source: np.random.Generator) -> Array:
    along = np.arange(size) / size
    rings = (10 * (along[:, None] + 0.15 * noise(size, source, 2.0))) % 1.0
    return _between(np.abs(2 * rings - 1)[..., None], (0.36, 0.20, 0.09), (0.72, 0.48, 0.26))


def _cloth(size: int, source: np.random.Generator) -> Array:
    thread = np.sin(math.tau * 16 * np.arange(size) / size)
    weave = 0.5 + 0.25 * (thread[:, None] + thread[None]) + 0.2 * (noise(size, source, 1.0) - 0.5)
    colour = source.uniform(0.2, 0.9, 3)
    return _between(weave[..., None], tuple(0.4 * colour), tuple(colour))


def _sand(size: int, source: np.random.Generator) -> Array:
    ripples = 0.5 + 0.5 * np.sin(math.tau * (6 * np.arange(size)[:, None] / size + 1.5 * noise(size, source, 1.8)))
    return _between((0.7 * ripples + 0.3 * noise(size, source, 0.8))[..., None], (0.68, 0.55, 0.36), (0.96, 0.88, 0.70))


MATERIALS: Mapping[str, Callable[[int, np.random.Generator], Array]] = {
    "marble": _marble,
    "wood": _wood,
    "cloth": _cloth,
    "sand": _sand,
}


def _between(part: Array, dark: tuple[float, ...], light: tuple[float, ...]) -> Array:
    return np.asarray(np.asarray(dark) + part * (np.asarray(light) - np.asarray(dark)))


def _area(axes: tuple[float, float, float]) -> float:
    """An ellipsoid's surface (Thomsen's formula)."""
    a, b, c = (axis**1.6075 for axis in axes)
    return float(4 * math.pi * ((a * b + a * c + b * c) / 3) ** (1 / 1.6075))


def _angle(part: str, gesture: str, moment: float) -> tuple[float, float]:
    """How far a part is turned about the x axis (forwards) and the y axis (sideways), radians."""
    swing = math.sin(math.tau * (moment % 1000))
    match gesture, part:
        case "wave", "right_arm":
            return 0.0, 2.6 + 0.4 * swing
        case "nod", "head":
            return 0.3 * swing, 0.0
        case "walk", "left_leg" | "right_arm":
            return 0.5 * swing, 0.0
        case "walk", "right_leg" | "left_arm":
            return -0.5 * swing, 0.0
    return 0.0, 0.0


def _turn(angles: tuple[float, float]) -> Array:
    x, y = angles
    forwards = [[1, 0, 0], [0, math.cos(x), -math.sin(x)], [0, math.sin(x), math.cos(x)]]
    sideways = [[math.cos(y), 0, math.sin(y)], [0, 1, 0], [-math.sin(y), 0, math.cos(y)]]
    return np.asarray(np.asarray(sideways) @ np.asarray(forwards))


def build() -> Program:
    return Program("content-creation", {"hologram": hologram, "texture": texture})


if __name__ == "__main__":
    run(build())
