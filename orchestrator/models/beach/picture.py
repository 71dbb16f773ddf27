"""One picture of many tiles: each object drawn at exactly the resolution it was given, shelf-packed.

1 K is 960×480 pixels; a devnet draws a hundredth of that, 96×48 = 4,608 pixels, a K (and says so in its report).
`rendering_server` calls it; it knows pixels, not grants, meters or tenants.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from PIL import Image, ImageDraw

from orchestrator.models.beach.backdrop import backdrop
from orchestrator.models.beach.kinds import COUNT, KINDS, Kind
from orchestrator.models.beach.light import light_at
from orchestrator.models.beach.pen import Pen

PIXELS_PER_K = 96 * 48
SMOOTHING = 2
GROUND, UNIT = 0.90, 0.74
ASPECT = 2.0


@dataclass(frozen=True)
class View:
    """Where the traveller stands (metres along the shore, metres from it), looks (radians), and when (seconds)."""

    x: float = 0.0
    y: float = 0.0
    yaw: float = 0.0
    t: float = 0.0


@dataclass(frozen=True)
class Tile:
    """One object's place in the picture, pixels."""

    object: int
    x: int
    y: int
    w: int
    h: int


def tile_size(k: float) -> tuple[int, int]:
    """Width and height of about k × 4,608 pixels at 2:1, never more than that."""
    pixels = k * PIXELS_PER_K
    height = max(int(math.sqrt(pixels / ASPECT)), 1)
    return max(int(pixels / height), 1), height


def pack(objects: Sequence[tuple[int, float]]) -> list[Tile]:
    """Shelves from the tallest tile down, in a roughly 2:1 picture; answers in the order asked for."""
    sizes = [tile_size(k) for _, k in objects]
    area = sum(w * h for w, h in sizes)
    full_width = max(math.ceil(math.sqrt(area * ASPECT)), *(w for w, _ in sizes))
    tiles: list[Tile | None] = [None] * len(sizes)
    x = y = shelf = 0
    for index in sorted(range(len(sizes)), key=lambda n: (-sizes[n][1], n)):
        w, h = sizes[index]
        if x + w > full_width:
            x, y, shelf = 0, y + shelf, 0
        tiles[index] = Tile(objects[index][0], x, y, w, h)
        x, shelf = x + w, max(shelf, h)
    return [tile for tile in tiles if tile is not None]


def draw_picture(tiles: Sequence[Tile], view: View) -> Image.Image:
    width, height = max(tile.x + tile.w for tile in tiles), max(tile.y + tile.h for tile in tiles)
    picture = Image.new("RGB", (width, height), (214, 232, 240))
    for tile in tiles:
        picture.paste(draw_tile(KINDS[tile.object % COUNT], tile.w, tile.h, view, tile.object), (tile.x, tile.y))
    return picture


def draw_tile(kind: Kind, width: int, height: int, view: View, place: int) -> Image.Image:
    """One object before the sea; `place` tells objects of one view apart (their clouds and phases differ)."""
    light = light_at(view.t)
    image = backdrop(width, height, light, view.yaw + place * 0.37, view.t + place * 3.1)
    aside = 0.16 * math.sin(view.x * 0.11 + place * 1.7 + view.yaw)
    near = 1.0 - 0.12 * math.tanh(view.y * 0.05)
    unit = height * UNIT * near
    box = _piece(width, height, width * (0.5 + aside), unit)
    piece = image.crop(box).resize(
        ((box[2] - box[0]) * SMOOTHING, (box[3] - box[1]) * SMOOTHING), Image.Resampling.NEAREST
    )
    origin = ((width * (0.5 + aside) - box[0]) * SMOOTHING, (height * GROUND - box[1]) * SMOOTHING)
    pen = Pen(ImageDraw.Draw(piece, "RGBA"), origin, unit * SMOOTHING, light, math.sin(view.t * 0.9 + place))
    kind.form(pen, kind)
    image.paste(piece.reduce(SMOOTHING), box)
    return image


def vary(kind: Kind, seed: int) -> Kind:
    """A souvenir is one of its kind: the seed moves its colours, its size and its side."""
    shift = [((seed >> (8 * n)) & 0xFF) / 255 for n in range(4)]
    colours = [_move(colour, shift[n]) for n, colour in enumerate((kind.first, kind.second, kind.third))]
    turn = kind.turn * (0.8 + 0.4 * shift[0])
    return replace(
        kind, first=colours[0], second=colours[1], third=colours[2], size=kind.size * (0.9 + 0.2 * shift[3]), turn=turn
    )


def _move(colour: tuple[int, int, int], part: float) -> tuple[int, int, int]:
    """Turns the colour a little round the wheel by mixing in its own rotation."""
    red, green, blue = (
        int(own + (other - own) * 0.45 * part)
        for own, other in zip(colour, (colour[1], colour[2], colour[0]), strict=True)
    )
    return red, green, blue


def _piece(width: int, height: int, centre: float, unit: float) -> tuple[int, int, int, int]:
    """The part of the tile that an object may cover."""
    left, right = max(int(centre - unit * 0.75), 0), min(int(centre + unit * 0.75) + 1, width)
    return left, max(int(height * GROUND - unit * 1.2), 0), max(right, left + 1), height
