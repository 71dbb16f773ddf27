"""Sky, sun, sea and sand behind an object, drawn at the tile's own resolution.

`picture` calls it. Planes of whole numbers, a few passes each, so that the cost is a small constant a pixel.
"""

import math
from functools import cache
from hashlib import shake_256

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from orchestrator.models.beach.light import Colour, Light, mix

Plane = NDArray[np.uint8]
SKYLINE, SHORE = 0.40, 0.63
SAND_FAR, SAND_NEAR = (226, 200, 152), (238, 214, 170)
WET_SAND = (182, 152, 112)
BAND_PIXELS = 1 << 18
CLOUDS = ((0.12, 0.10, 0.10), (0.38, 0.20, 0.07), (0.66, 0.08, 0.12), (0.90, 0.24, 0.06))


def backdrop(width: int, height: int, light: Light, yaw: float, seconds: float) -> Image.Image:
    """An RGB image of exactly this size."""
    skyline, shore = max(int(height * SKYLINE), 1), max(int(height * SHORE), 2)
    planes = [np.empty((height, width), np.uint8) for _ in range(3)]
    _sky(planes, skyline, light, yaw)
    _sea(planes, skyline, shore, light, yaw, seconds)
    _sand(planes, shore, light, yaw)
    image = Image.merge("RGB", [Image.fromarray(plane) for plane in planes])
    _clouds_and_foam(image, light, yaw, seconds, shore)
    return image


def sun_place(light: Light, yaw: float) -> tuple[float, float]:
    """Where the sun stands in a tile, as parts of its width and height."""
    return 0.5 + 0.42 * light.sun_x - 0.35 * math.sin(yaw), SKYLINE * (0.92 - 0.75 * light.height)


def _sky(planes: list[Plane], skyline: int, light: Light, yaw: float) -> None:
    width = planes[0].shape[1]
    sun_x, sun_y = sun_place(light, yaw)
    across = np.exp(-(((np.arange(width) / width - sun_x) / 0.22) ** 2)) * 255
    down = np.exp(-(((np.arange(skyline) / skyline * SKYLINE - sun_y) / 0.16) ** 2)) * 255
    glow = (down.astype(np.uint16)[:, None] * across.astype(np.uint16)[None, :]) >> 8
    rows = _gradient(light.zenith, light.skyline, skyline)
    for plane, row, strength in zip(planes, rows, (90, 76, 40), strict=True):
        lit = ((glow * np.uint16(strength)) >> 8) + row.astype(np.uint16)[:, None]
        np.minimum(lit, 255, out=lit)
        plane[:skyline] = lit


def _sea(planes: list[Plane], skyline: int, shore: int, light: Light, yaw: float, seconds: float) -> None:
    """Waves get longer towards the shore; the phase runs in sixteenths of bits so that it wraps by itself."""
    rows, width = shore - skyline, planes[0].shape[1]
    if rows <= 0:
        return
    near = (np.arange(rows) + 1) / rows
    step = (65536 * (3 + 11 * (1 - near)) / width).astype(np.uint16)
    start = ((9.0 / (near + 0.25) * 4 + seconds * 0.35 + yaw * 2) % 1 * 65535).astype(np.uint16)
    phase = np.arange(width, dtype=np.uint16)[None, :] * step[:, None] + start[:, None]
    crest = _crests()[phase >> 8]
    far, close = light.deep, light.shallow
    for plane, row in zip(planes, _gradient(far, close, rows), strict=True):
        np.add(np.minimum(row, 255 - 34)[:, None], crest, out=plane[skyline:shore])


def _sand(planes: list[Plane], shore: int, light: Light, yaw: float) -> None:
    height, width = planes[0].shape
    rows = _gradient(light.on(SAND_FAR), light.on(SAND_NEAR), height - shore)
    wet = _gradient(light.on(WET_SAND), light.on(SAND_FAR), height - shore)
    dry = np.minimum(np.arange(height - shore) / max((height - shore) * 0.22, 1), 1)
    band = max(BAND_PIXELS // width, 1)
    grain, offset = _grain(), int(abs(yaw) * 977) % 251
    for top in range(shore, height, band):
        bottom = min(top + band, height)
        noise = np.resize(grain[offset:], (bottom - top, width))
        for plane, row, damp in zip(planes, rows, wet, strict=True):
            part = slice(top - shore, bottom - shore)
            tone = damp[part] + (row[part].astype(np.float32) - damp[part]) * dry[part]
            np.add(np.minimum(tone, 239).astype(np.uint8)[:, None], noise, out=plane[top:bottom])


def _clouds_and_foam(image: Image.Image, light: Light, yaw: float, seconds: float, shore: int) -> None:
    width, height = image.size
    draw = ImageDraw.Draw(image, "RGBA")
    sun_x, sun_y = sun_place(light, yaw)
    radius = max(height * 0.035, 1)
    sun = (int(sun_x * width), int(sun_y * height))
    draw.ellipse((sun[0] - radius, sun[1] - radius, sun[0] + radius, sun[1] + radius), (255, 246, 206, 235))
    white = (*mix(light.skyline, (255, 255, 255), 0.75), 150)
    for place, top, size in CLOUDS:
        x = ((place - yaw / math.tau * 2 + seconds * 0.0006) % 1.2 - 0.1) * width
        for part in (-0.9, -0.3, 0.35, 0.9):
            rx, ry = size * width * (0.6 - 0.25 * abs(part)), size * height * (0.55 - 0.25 * abs(part))
            cx, cy = x + part * size * width * 0.6, top * height + abs(part) * ry * 0.5
            draw.ellipse((cx - rx, cy - ry, cx + rx, cy + ry), white)
    for line, alpha in ((0, 215), (1, 120)):
        points = [
            (
                width * n / 24,
                shore + height * (0.012 * math.sin(n * 0.9 + seconds * 0.8 + line * 2 + yaw * 3) - 0.03 * line),
            )
            for n in range(25)
        ]
        draw.line(points, (255, 255, 255, alpha), max(int(height * 0.014), 1))


def _gradient(top: Colour, bottom: Colour, rows: int) -> list[Plane]:
    return [np.linspace(a, b, max(rows, 0)).astype(np.uint8) for a, b in zip(top, bottom, strict=True)]


@cache
def _crests() -> Plane:
    """Brightness of a wave over its phase: a long trough and a narrow crest with a glint."""
    turn = np.sin(np.arange(256) / 256 * math.tau) * 0.5 + 0.5
    return (turn**5 * 34).astype(np.uint8)


@cache
def _grain() -> Plane:
    """Sand's grain: always the same."""
    return np.frombuffer(shake_256(b"sand").digest(BAND_PIXELS + 256), np.uint8) & np.uint8(15)
