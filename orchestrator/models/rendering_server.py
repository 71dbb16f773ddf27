"""Rendering server: draws the beach's objects at the resolution each was given; real pixels out, JPEG or PNG.

frame     {"objects": [{"object": 0..55, "k": 20.0}, …], "view": {"x","y","yaw","t"}, "format": "jpeg"|"png", "quality"}
          one picture of a tile each; never more K than `rendering_k` granted: all tiles shrink alike, S4M-Info says so.
souvenir  {"object", "seed", "size"}: one object to take home, the same PNG bytes for the same parameters.
Quantity of a frame: K delivered, rounded up. The cost is proportional to the pixels.
"""

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from PIL import Image, JpegImagePlugin, PngImagePlugin

from orchestrator.models.beach.kinds import COUNT, KINDS
from orchestrator.models.beach.picture import PIXELS_PER_K, Tile, View, draw_picture, draw_tile, pack, vary
from orchestrator.models.errors import BadCall, OverGrant
from orchestrator.models.serving import Answer, Program, Request, run, shown

DEFAULT_RENDERING_K = 4000
MAX_OBJECTS = 256
LEAST_K = 0.01
FORMATS = {"jpeg": "image/jpeg", "png": "image/png"}
ENCODERS = (JpegImagePlugin, PngImagePlugin)


def frame(request: Request) -> Answer:
    wanted = _objects(request.params.get("objects"))
    granted = request.granted("rendering_k", DEFAULT_RENDERING_K)
    given = within(wanted, granted)
    kind = str(request.params.get("format", "jpeg"))
    if kind not in FORMATS:
        raise BadCall(f"format is {shown(kind)}; ask for jpeg or png")
    quality = request.integer("quality", 80, 1, 95)
    tiles = pack(given)
    body = encode(draw_picture(tiles, _view(request.params.get("view", {}))), kind, quality)
    delivered = sum(tile.w * tile.h for tile in tiles) / PIXELS_PER_K
    return Answer(body, FORMATS[kind], math.ceil(round(delivered, 6)), _info(tiles, wanted, granted, delivered))


def souvenir(request: Request) -> Answer:
    number, seed = request.integer("object", 0, 0, COUNT - 1), request.integer("seed", 0, 0, 2**53)
    size = request.integer("size", 256, 16, 1024)
    image = draw_tile(vary(KINDS[number], seed), size, size, View(t=300 + seed % 601), seed % 97)
    return Answer(
        encode(image, "png", 0), FORMATS["png"], 1, {"object": number, "name": KINDS[number].name, "seed": seed}
    )


def within(objects: Sequence[tuple[int, float]], granted_k: float) -> list[tuple[int, float]]:
    """All shrink by the same factor when they ask for more than was granted."""
    if granted_k <= 0:
        raise OverGrant("no rendering_k is granted; ask for a share first")
    factor = min(granted_k / sum(k for _, k in objects), 1.0)
    return [(number, k * factor) for number, k in objects]


def encode(image: Image.Image, kind: str, quality: int) -> bytes:
    out = io.BytesIO()
    if kind == "jpeg":
        image.save(out, "JPEG", quality=quality, subsampling="4:2:0")
    else:
        image.save(out, "PNG", compress_level=3)
    return out.getvalue()


def _info(tiles: Sequence[Tile], wanted: Sequence[tuple[int, float]], granted: int, delivered: float) -> dict[str, Any]:
    asked = sum(k for _, k in wanted)
    return {
        "tiles": [{**asdict(tile), "name": KINDS[tile.object].name} for tile in tiles],
        "asked_k": round(asked, 6),
        "delivered_k": round(delivered, 6),
        "granted_k": granted,
        "scaled_down": asked > granted,
        "pixels_per_k": PIXELS_PER_K,
    }


def _objects(value: Any) -> list[tuple[int, float]]:
    if not isinstance(value, list) or not 0 < len(value) <= MAX_OBJECTS:
        raise BadCall(f"objects must be a list of 1 to {MAX_OBJECTS} of {{object, k}}")
    return [_object(each) for each in value]


def _object(value: Any) -> tuple[int, float]:
    if not isinstance(value, Mapping):
        raise BadCall(f"{shown(value)} is no object; give {{object, k}}")
    request = Request(value)
    return request.integer("object", -1, 0, COUNT - 1), request.number("k", 0.0, LEAST_K, DEFAULT_RENDERING_K)


def _view(value: Any) -> View:
    if not isinstance(value, Mapping):
        raise BadCall("view must be an object of x, y, yaw, t")
    request = Request(value)
    return View(*(request.number(name, 0.0, -1e10, 1e10) for name in ("x", "y", "yaw", "t")))


def build() -> Program:
    return Program("rendering-server", {"frame": frame, "souvenir": souvenir})


if __name__ == "__main__":
    run(build())
