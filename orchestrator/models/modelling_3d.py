"""3D modelling: solid parts and assemblies of them from parameters, as glTF 2.0.

model {"parts": [{"shape": "box"|"cylinder"|"gear"|"revolve"|"extrude", "name", "at": [x, y, z], "turn_deg": about z,
                  "colour": [r, g, b] 0..1, …the shape's own measures, metres}], "format": "glb"|"gltf"}
  box: width, depth, height    cylinder: radius, height    gear: teeth, radius, height
  revolve: profile [[radius, z], …] from the bottom up    extrude: outline [[x, y], …] anticlockwise, height
Every solid is a stack of rings, closed by two caps; round ones get as many sides as the granted computing carries
(100 triangles a millicore, shared by all parts): the more, the closer to the ideal form.
Quantity: thousand triangles.
"""

import json
import math
import struct
from base64 import b64encode
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.models.errors import BadCall, OverGrant
from orchestrator.models.serving import Answer, Program, Request, run

DEFAULT_MCORES = 100
TRIANGLES_PER_MCORE = 100
MAX_PARTS, MAX_POINTS = 32, 128
LEAST_SIDES, MOST_SIDES = 8, 4096
LEAST_M, MOST_M = 1e-4, 1e4
GLB_MAGIC, GLB_VERSION, JSON_CHUNK, BINARY_CHUNK = 0x46546C67, 2, 0x4E4F534A, 0x004E4942
FLOAT, UNSIGNED_INT, ARRAY_BUFFER, ELEMENT_BUFFER = 5126, 5125, 34962, 34963
Y_UP = [-math.sqrt(0.5), 0.0, 0.0, math.sqrt(0.5)]
CONTENT_TYPES = {"glb": "model/gltf-binary", "gltf": "model/gltf+json"}
Points = NDArray[np.float64]


@dataclass(frozen=True)
class Solid:
    """Rings of equally many points from the bottom up, shape (rings, points, 3); `smooth` where its sides are round."""

    rings: Points
    smooth: bool


@dataclass(frozen=True)
class Mesh:
    """Vertices with normals, and triangles that name them anticlockwise."""

    positions: Points
    normals: Points
    triangles: NDArray[np.uint32]


def model(request: Request) -> Answer:
    parts, kind = request.parts("parts", 1, MAX_PARTS), request.choice("format", *CONTENT_TYPES)
    budget = request.granted("computing_mcores", DEFAULT_MCORES) * TRIANGLES_PER_MCORE
    meshes = [mesh(solid(part, budget // len(parts))) for part in parts]
    count = sum(len(each.triangles) for each in meshes)
    if count > budget:
        raise OverGrant(f"{count} triangles are due where {budget} are granted; give fewer parts or grant more")
    document, blob = gltf(list(zip(parts, meshes, strict=True)))
    info = {"triangles": count, "parts": len(parts), "volume_m3": round(sum(map(volume, meshes)), 12)}
    return Answer(pack(document, blob, kind), CONTENT_TYPES[kind], math.ceil(count / 1000), info)


def solid(part: Request, budget: int) -> Solid:
    """The part's rings; `budget` triangles are what it may have."""
    shape, height = part.choice("shape", "box", "cylinder", "gear", "revolve", "extrude"), _measure(part, "height")
    if shape == "box":
        x, y = _measure(part, "width") / 2, _measure(part, "depth") / 2
        return Solid(_stack([[-x, -y], [x, -y], [x, y], [-x, y]], height), smooth=False)
    if shape == "extrude":
        return Solid(_stack(_outline(part), height), smooth=False)
    if shape == "gear":
        return Solid(_stack(_gear(part, budget), height), smooth=False)
    profile = _profile(part) if shape == "revolve" else [(_measure(part, "radius"), z) for z in (0.0, height)]
    sides = min(max(budget // (2 * len(profile)), LEAST_SIDES), MOST_SIDES)
    turn = np.arange(sides) * math.tau / sides
    rings = [np.stack((r * np.cos(turn), r * np.sin(turn), np.full(sides, z)), axis=-1) for r, z in profile]
    return Solid(np.stack(rings), smooth=True)


def mesh(form: Solid) -> Mesh:
    """Sides as quads of two triangles, with their own vertices where they meet at an edge; caps as fans."""
    rings = form.rings
    count, points = rings.shape[:2]
    after = np.roll(rings, -1, axis=1)
    corners = np.stack((rings[:-1], after[:-1], after[1:], rings[1:]), axis=2)
    flat = _unit(np.cross(corners[:, :, 2] - corners[:, :, 0], corners[:, :, 3] - corners[:, :, 1]))
    if form.smooth:
        here, there = _unit(flat + np.roll(flat, 1, axis=1)), _unit(flat + np.roll(flat, -1, axis=1))
        normals = np.stack((here, there, there, here), axis=2)
    else:
        normals = np.repeat(flat[:, :, None], 4, axis=2)
    quads = np.arange((count - 1) * points)[:, None] * 4
    sides = np.concatenate([quads + np.array(corner) for corner in ((0, 1, 2), (0, 2, 3))])
    caps = [_cap(rings[0, ::-1], -1.0), _cap(rings[-1], 1.0)]
    start = [corners.size // 3, corners.size // 3 + points + 1]
    return Mesh(
        np.concatenate((corners.reshape(-1, 3), *(cap[0] for cap in caps))),
        np.concatenate((normals.reshape(-1, 3), *(cap[1] for cap in caps))),
        np.concatenate((sides, *(cap[2] + at for cap, at in zip(caps, start, strict=True)))).astype(np.uint32),
    )


def volume(form: Mesh) -> float:
    """m³ that a closed mesh encloses (divergence theorem)."""
    a, b, c = (form.positions[form.triangles[:, corner]] for corner in range(3))
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6)


def gltf(parts: list[tuple[Request, Mesh]]) -> tuple[dict[str, Any], bytes]:
    """The document and its one buffer: a node, mesh and material a part, under a root that turns z up into y up."""
    blob, views, accessors = bytearray(), [], []
    for _, form in parts:
        indices = form.triangles.reshape(-1)
        for data, target, kind, component in (
            (form.positions.astype("<f4"), ARRAY_BUFFER, "VEC3", FLOAT),
            (form.normals.astype("<f4"), ARRAY_BUFFER, "VEC3", FLOAT),
            (indices.astype("<u4"), ELEMENT_BUFFER, "SCALAR", UNSIGNED_INT),
        ):
            raw = data.tobytes()
            views.append({"buffer": 0, "byteOffset": len(blob), "byteLength": len(raw), "target": target})
            bounds = {"min": data.min(axis=0).tolist(), "max": data.max(axis=0).tolist()} if kind == "VEC3" else {}
            view = len(views) - 1
            accessors.append(
                {"bufferView": view, "componentType": component, "count": len(data), "type": kind, **bounds}
            )
            blob += raw
    document = {
        "asset": {"version": "2.0", "generator": "slicing4meta 3d-modelling"},
        "scene": 0,
        "scenes": [{"nodes": [len(parts)]}],
        "nodes": [
            *(_node(part, number) for number, (part, _) in enumerate(parts)),
            {"name": "assembly", "rotation": Y_UP, "children": list(range(len(parts)))},
        ],
        "meshes": [_mesh_entry(number) for number in range(len(parts))],
        "materials": [_material(part) for part, _ in parts],
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": len(blob)}],
    }
    return document, bytes(blob)


def pack(document: dict[str, Any], blob: bytes, kind: str) -> bytes:
    """GLB, or one JSON file with the buffer inside."""
    if kind == "gltf":
        uri = "data:application/octet-stream;base64," + b64encode(blob).decode()
        return json.dumps({**document, "buffers": [{**document["buffers"][0], "uri": uri}]}).encode()
    head = json.dumps(document, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 4)
    whole = 12 + 8 + len(head) + 8 + len(blob)
    return b"".join(
        (
            struct.pack("<III", GLB_MAGIC, GLB_VERSION, whole),
            struct.pack("<II", len(head), JSON_CHUNK),
            head,
            struct.pack("<II", len(blob), BINARY_CHUNK),
            blob,
        )
    )


def _stack(outline: list[list[float]], height: float) -> Points:
    flat = np.asarray(outline, np.float64)
    return np.stack([np.column_stack((flat, np.full(len(flat), z))) for z in (0.0, height)])


def _cap(ring: Points, up: float) -> tuple[Points, Points, NDArray[np.int64]]:
    """A fan around the ring's middle: positions, normals, triangles."""
    points = len(ring)
    number = np.arange(points)
    fan = np.column_stack((number, (number + 1) % points, np.full(points, points)))
    positions = np.concatenate((ring, ring.mean(axis=0)[None]))
    return positions, np.tile([0.0, 0.0, up], (points + 1, 1)), fan


def _gear(part: Request, budget: int) -> list[list[float]]:
    """A spur gear: teeth with rounded flanks, as many points a tooth as the budget has (4 sides a tooth at least)."""
    teeth, radius = part.integer("teeth", 20, 4, 400), _measure(part, "radius")
    steps = min(max(budget // (4 * teeth), 4), 64)
    depth = 2.25 * radius / (teeth + 2)
    turn = np.arange(teeth * steps) * math.tau / (teeth * steps)
    out = radius - depth * (0.5 - 0.5 * np.tanh(2.5 * np.cos(teeth * turn)) / math.tanh(2.5))
    return [[x, y] for x, y in zip((out * np.cos(turn)).tolist(), (out * np.sin(turn)).tolist(), strict=True)]


def _outline(part: Request) -> list[list[float]]:
    """Points whose fan around their middle covers the area once: what a cap can be made of."""
    points = [_pair(point, "outline") for point in part.listed("outline", 3, MAX_POINTS)]
    flat = np.asarray(points) - np.mean(points, axis=0)
    area = flat[:, 0] * np.roll(flat[:, 1], -1) - flat[:, 1] * np.roll(flat[:, 0], -1)
    turned = np.arctan2(area, (flat * np.roll(flat, -1, axis=0)).sum(axis=1)).sum()
    if (area <= 0).any() or not math.isclose(turned, math.tau, rel_tol=1e-6):
        raise BadCall("outline must run anticlockwise and be seen whole from its middle; split it into several parts")
    return points


def _profile(part: Request) -> list[tuple[float, float]]:
    points = [_pair(point, "profile") for point in part.listed("profile", 2, MAX_POINTS)]
    if any(radius < LEAST_M for radius, _ in points) or any(b[1] < a[1] for a, b in pairwise(points)):
        raise BadCall(f"profile must be [radius, z] from the bottom up, each radius at least {LEAST_M} m")
    return [(radius, z) for radius, z in points]


def _pair(value: Any, name: str) -> list[float]:
    return Request({name: value}).numbers(name, 2, 2, -MOST_M, MOST_M)


def _measure(part: Request, name: str) -> float:
    return part.number(name, 1.0, LEAST_M, MOST_M)


def _unit(vectors: Points) -> Points:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(np.where(length > 0, vectors / np.maximum(length, 1e-300), [0.0, 0.0, 1.0]))


def _node(part: Request, number: int) -> dict[str, Any]:
    half = math.radians(part.number("turn_deg", 0.0, -360.0, 360.0)) / 2
    at = part.numbers("at", 3, 3, -MOST_M, MOST_M) if "at" in part.params else [0.0, 0.0, 0.0]
    return {
        "mesh": number,
        "name": part.text("name", f"part-{number + 1}"),
        "translation": at,
        "rotation": [0.0, 0.0, math.sin(half), math.cos(half)],
    }


def _mesh_entry(number: int) -> dict[str, Any]:
    attributes = {"POSITION": 3 * number, "NORMAL": 3 * number + 1}
    return {"primitives": [{"attributes": attributes, "indices": 3 * number + 2, "material": number, "mode": 4}]}


def _material(part: Request) -> dict[str, Any]:
    colour = part.numbers("colour", 3, 3, 0.0, 1.0) if "colour" in part.params else [0.6, 0.6, 0.65]
    return {"pbrMetallicRoughness": {"baseColorFactor": [*colour, 1.0], "metallicFactor": 0.4, "roughnessFactor": 0.6}}


def build() -> Program:
    return Program("3d-modelling", {"model": model})


if __name__ == "__main__":
    run(build())
