"""3D modelling, content creation and the accelerator: valid files, as fine as computing was granted."""

import io
import json
import math
import struct
from base64 import b64decode
from typing import Any

import numpy as np
import pytest
from model_calls import ask, cpu_seconds, value
from PIL import Image

from orchestrator.models.content_creation import VERTEX, hologram, texture
from orchestrator.models.errors import BadCall, OverGrant
from orchestrator.models.hardware import heat, multiply
from orchestrator.models.modelling_3d import model
from orchestrator.models.serving import Answer

COMPONENTS = {5126: "<f4", 5125: "<u4"}
CYLINDER = {"shape": "cylinder", "radius": 0.5, "height": 2}


def parse(answer: Answer) -> tuple[dict[str, Any], list[Any]]:
    """A glTF 2.0 file read by its specification: the document and its accessors' arrays."""
    if answer.content_type == "model/gltf+json":
        document = json.loads(answer.body)
        blob = b64decode(document["buffers"][0]["uri"].split("base64,")[1])
    else:
        magic, version, length = struct.unpack_from("<III", answer.body)
        assert (magic, version, length) == (0x46546C67, 2, len(answer.body))
        head, kind = struct.unpack_from("<II", answer.body, 12)
        assert (kind, head % 4) == (0x4E4F534A, 0)
        document = json.loads(answer.body[20 : 20 + head])
        size, binary = struct.unpack_from("<II", answer.body, 20 + head)
        assert (binary, size % 4) == (0x004E4942, 0)
        blob = answer.body[28 + head :]
        assert len(blob) == size
    assert document["asset"]["version"] == "2.0"
    assert document["buffers"][0]["byteLength"] == len(blob)
    return document, [_array(document, accessor, blob) for accessor in document["accessors"]]


def _array(document: dict[str, Any], accessor: dict[str, Any], blob: bytes) -> Any:
    view = document["bufferViews"][accessor["bufferView"]]
    assert view["byteOffset"] % 4 == 0
    assert view["byteOffset"] + view["byteLength"] <= len(blob)
    raw = blob[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
    array = np.frombuffer(raw, COMPONENTS[accessor["componentType"]])
    array = array.reshape(-1, 3) if accessor["type"] == "VEC3" else array
    assert len(array) == accessor["count"]
    if "min" in accessor:
        assert array.min(axis=0).tolist() == accessor["min"]
        assert array.max(axis=0).tolist() == accessor["max"]
    return array


def solid(answer: Answer, part: int = 0) -> tuple[Any, Any, Any]:
    """Positions, normals and triangles of a part, checked to be one closed surface that faces outwards."""
    document, arrays = parse(answer)
    primitive = document["meshes"][part]["primitives"][0]
    places, normals = (arrays[primitive["attributes"][name]].astype(float) for name in ("POSITION", "NORMAL"))
    triangles = arrays[primitive["indices"]].reshape(-1, 3)
    assert triangles.max() < len(places)
    assert np.linalg.norm(normals, axis=1) == pytest.approx(1.0, abs=1e-5)
    a, b, c = (places[triangles[:, corner]] for corner in range(3))
    facing = np.einsum("ij,ij->i", np.cross(b - a, c - a), normals[triangles[:, 0]])
    assert (facing >= -1e-9).all()
    _, joined = np.unique(np.round(places, 6), axis=0, return_inverse=True)
    edges = joined.reshape(-1)[triangles][:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    there, back = ({tuple(edge) for edge in each.tolist()} for each in (edges, edges[:, ::-1]))
    assert there == back
    assert len(there) == len(edges)
    return places, normals, triangles


def volume(places: Any, triangles: Any) -> float:
    a, b, c = (places[triangles[:, corner]] for corner in range(3))
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6)


@pytest.mark.parametrize("kind", ["glb", "gltf"])
@pytest.mark.parametrize(
    ("part", "ideal"),
    [
        ({"shape": "box", "width": 2, "depth": 3, "height": 4}, 24.0),
        (CYLINDER, math.pi * 0.5),
        ({"shape": "revolve", "profile": [[1, 0], [2, 3]]}, math.pi * 7),
        ({"shape": "extrude", "outline": [[0, 0], [4, 0], [4, 1], [1, 2]], "height": 2}, 11.0),
        ({"shape": "gear", "teeth": 12, "radius": 1, "height": 1}, None),
    ],
)
def test_every_shape_is_a_closed_solid_of_its_volume(part: dict[str, Any], ideal: float | None, kind: str) -> None:
    answer = ask(model, {"parts": [part], "format": kind}, computing_mcores=60)
    places, _, triangles = solid(answer)
    assert answer.info["volume_m3"] == pytest.approx(volume(places, triangles), rel=1e-4)
    if ideal is not None:
        assert answer.info["volume_m3"] == pytest.approx(ideal, rel=1e-3)
    else:
        assert 2.0 < answer.info["volume_m3"] < math.pi
        assert len(triangles) > 4 * 12 * 4


def test_an_assembly_has_a_node_mesh_and_material_a_part_standing_upright() -> None:
    parts = [
        {"shape": "box", "name": "bed", "colour": [1, 0, 0]},
        {**CYLINDER, "name": "spindle", "at": [0, 0, 1], "turn_deg": 90},
    ]
    document, _ = parse(ask(model, {"parts": parts}))
    root = document["nodes"][document["scenes"][document["scene"]]["nodes"][0]]
    names = [document["nodes"][child]["name"] for child in root["children"]]
    assert names == ["bed", "spindle"]
    assert document["nodes"][1]["translation"] == [0, 0, 1]
    assert document["nodes"][1]["rotation"] == pytest.approx([0, 0, math.sqrt(0.5), math.sqrt(0.5)])
    assert document["materials"][0]["pbrMetallicRoughness"]["baseColorFactor"] == [1, 0, 0, 1]
    assert root["rotation"] == pytest.approx([-math.sqrt(0.5), 0, 0, math.sqrt(0.5)])


def test_granted_computing_is_the_level_of_detail_the_quantity_and_the_cost() -> None:
    coarse, fine = (ask(model, {"parts": [CYLINDER]}, computing_mcores=mcores) for mcores in (1, 100))
    wrong = [abs(each.info["volume_m3"] - math.pi / 2) for each in (coarse, fine)]
    assert wrong[1] < wrong[0] / 1000
    assert (coarse.quantity, fine.quantity) == (1, 10)
    assert coarse.info["triangles"] <= 100
    assert len(fine.body) > 50 * len(coarse.body)
    many = {"parts": [CYLINDER] * 16}
    assert ask(model, many, computing_mcores=100).info["triangles"] <= 10_000
    dear = cpu_seconds(lambda: ask(model, many, computing_mcores=1000))
    assert dear > 3 * cpu_seconds(lambda: ask(model, many, computing_mcores=10))


def test_more_parts_than_computing_carries_are_refused() -> None:
    with pytest.raises(OverGrant, match="triangles"):
        ask(model, {"parts": [CYLINDER] * 16}, computing_mcores=1)


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({}, "parts"),
        ({"parts": [{"shape": "torus"}]}, "shape"),
        ({"parts": [{"shape": "box", "width": 0}]}, "width"),
        ({"parts": [CYLINDER], "format": "obj"}, "format"),
        ({"parts": [{"shape": "extrude", "outline": [[0, 0], [0, 1], [1, 1]]}]}, "anticlockwise"),
        ({"parts": [{"shape": "extrude", "outline": [[0, 0], [9, 0], [9, 9], [8, 9], [8, 1], [0, 1]]}]}, "outline"),
        ({"parts": [{"shape": "revolve", "profile": [[1, 1], [1, 0]]}]}, "profile"),
        ({"parts": [{"shape": "gear", "teeth": 2}]}, "teeth"),
        ({"parts": [{**CYLINDER, "at": [0, 0]}]}, "at"),
    ],
)
def test_bad_parts_are_refused_by_name(params: dict[str, Any], named: str) -> None:
    with pytest.raises(BadCall, match=named):
        ask(model, params)


def cloud(**params: Any) -> Any:
    """The points of a binary PLY file."""
    answer = ask(hologram, params, computing_mcores=1000)
    head, _, body = answer.body.partition(b"end_header\n")
    lines = head.decode().splitlines()
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    assert [line.split()[1] for line in lines if line.startswith("property")] == ["float"] * 6 + ["uchar"] * 3
    points = np.frombuffer(body, VERTEX)
    assert f"element vertex {len(points)}" in lines
    return points


def test_a_hologram_is_a_body_whose_points_lie_evenly_on_its_surface() -> None:
    points = cloud(seed=1, points=20_000, gesture="rest")
    assert len(points) == 20_000
    assert 1.5 < np.ptp(points["place"][:, 2]) < 2.1
    assert np.linalg.norm(points["normal"], axis=1) == pytest.approx(1.0, abs=1e-5)
    some = points["place"][::250].astype(float)
    apart = np.linalg.norm(points["place"].astype(float)[None] - some[:, None], axis=2)
    nearest = np.sort(apart, axis=1)[:, 1]
    assert np.median(nearest) < 0.02
    assert nearest.max() < 0.06


def test_avatars_differ_and_gestures_move_what_they_move() -> None:
    def at(t: float, **params: Any) -> Any:
        return cloud(seed=1, points=2000, t=t, **params)["place"]

    assert (cloud(seed=1, points=500) == cloud(seed=1, points=500)).all()
    assert (cloud(seed=1, points=500)["colour"] != cloud(seed=2, points=500)["colour"]).any()
    assert (at(0, gesture="rest") == at(0.25, gesture="rest")).all()
    moved = {
        gesture: (at(0, gesture=gesture) != at(0.25, gesture=gesture)).any(axis=1).mean()
        for gesture in ("wave", "nod", "walk")
    }
    assert 0.02 < moved["nod"] < 0.2
    assert 0.05 < moved["wave"] < 0.3
    assert 0.4 < moved["walk"] < 0.8


def test_points_and_pixels_follow_the_grant_and_so_do_quantity_and_cost() -> None:
    coarse, fine = (ask(hologram, {"points": 50_000}, computing_mcores=mcores) for mcores in (10, 500))
    assert (coarse.quantity, fine.quantity) == (1, 50)
    assert coarse.info["scaled_down"]
    assert not fine.info["scaled_down"]
    small, large = (ask(texture, {"size": 512}, computing_mcores=mcores) for mcores in (16, 300))
    assert Image.open(io.BytesIO(small.body)).size == (126, 126)
    assert Image.open(io.BytesIO(large.body)).size == (512, 512)
    assert (small.quantity, large.quantity) == (16, 263)
    dear = cpu_seconds(lambda: ask(texture, {"size": 512}, computing_mcores=300))
    assert dear > 3 * cpu_seconds(lambda: ask(texture, {"size": 512}, computing_mcores=16))


@pytest.mark.parametrize("material", ["marble", "wood", "cloth", "sand"])
def test_textures_repeat_differ_by_seed_and_join_up_at_their_edges(material: str) -> None:
    def pixels(seed: int, size: int = 128) -> Any:
        answer = ask(texture, {"material": material, "seed": seed, "size": size}, computing_mcores=300)
        return np.asarray(Image.open(io.BytesIO(answer.body)), float)

    picture = pixels(1)
    assert (picture == pixels(1)).all()
    assert (picture != pixels(2)).any()
    for axis in (0, 1):
        rolled = np.roll(picture, 1, axis=axis)
        steps = np.abs(picture - rolled).mean(axis=(1 - axis, 2))
        assert steps[0] < 2.5 * np.median(steps) + 3


@pytest.mark.parametrize(
    ("call", "params", "named"),
    [
        (hologram, {"points": 10}, "points"),
        (hologram, {"gesture": "fly"}, "gesture"),
        (texture, {"material": "gold"}, "material"),
        (texture, {"size": 4096}, "size"),
        (texture, {"seed": -1}, "seed"),
    ],
)
def test_bad_content_is_refused_by_name(call: Any, params: dict[str, Any], named: str) -> None:
    with pytest.raises(BadCall, match=named):
        ask(call, params)


PLATE = {"size_m": [0.2, 0.1], "cells": 64, "edges": {"left": 20}}
SOURCE = {"x": 0.15, "y": 0.05, "radius": 0.01, "watts": 100}


def test_heat_flows_as_fourier_says() -> None:
    both = value(ask(heat, {**PLATE, "edges": {"left": 20, "right": 80}}, computing_mcores=4000))
    assert both["balanced"]
    row = both["picture_c"][0]
    assert row[0] == pytest.approx(20, abs=1.5)
    assert np.diff(row) == pytest.approx(np.diff(row).mean(), abs=0.05)
    hot = value(ask(heat, {**PLATE, "sources": [SOURCE]}, computing_mcores=4000))
    assert hot["hottest_at"][0] == pytest.approx(0.15, abs=0.02)
    far = [line[-1] for line in hot["picture_c"]]
    expected = 20 + 100 * 0.15 / (50 * 0.01 * 0.1)  # all of its watts leave to the left: ΔT = P·l / (λ·A)
    assert float(np.mean(far)) == pytest.approx(expected, rel=0.05)
    twice = value(ask(heat, {**PLATE, "sources": [{**SOURCE, "watts": 200}]}, computing_mcores=4000))
    assert twice["hottest_c"] - 20 == pytest.approx(2 * (hot["hottest_c"] - 20), rel=1e-3)


def test_granted_computing_decides_how_near_to_balance_the_part_comes() -> None:
    params = {**PLATE, "cells": 160, "sources": [SOURCE]}
    poor, rich = (ask(heat, params, computing_mcores=mcores) for mcores in (20, 2000))
    assert value(poor)["residual"] > 1e-3 > value(rich)["residual"]
    assert not value(poor)["balanced"]
    assert value(rich)["balanced"]
    assert value(poor)["hottest_c"] < value(rich)["hottest_c"]
    assert 4 * poor.quantity < rich.quantity
    assert poor.quantity <= 20 * 0.25 + 1
    dear = cpu_seconds(lambda: ask(heat, params, computing_mcores=2000))
    assert dear > 3 * cpu_seconds(lambda: ask(heat, params, computing_mcores=20))


def test_matrices_multiply_within_the_grant() -> None:
    chance = np.random.default_rng(1)
    a, b = chance.normal(size=(40, 60)), chance.normal(size=(60, 50))
    answer = ask(multiply, {"a": a.tolist(), "b": b.tolist()}, computing_mcores=10)
    assert np.asarray(value(answer)["product"]) == pytest.approx(a @ b, abs=1e-8)
    assert answer.quantity == 1
    with pytest.raises(OverGrant, match="million operations"):
        ask(multiply, {"a": [[1.0] * 200] * 200, "b": [[1.0] * 200] * 200}, computing_mcores=10)


@pytest.mark.parametrize(
    ("call", "params", "named"),
    [
        (heat, {}, "size_m"),
        (heat, {"size_m": [1, 1]}, "edges"),
        (heat, {"size_m": [1, 1], "edges": {"middle": 1}}, "edges"),
        (heat, {**PLATE, "sources": [{"x": 5}]}, "x is"),
        (multiply, {"a": [[1]]}, "b is"),
        (multiply, {"a": [[1, 2]], "b": [[1]]}, "columns"),
        (multiply, {"a": [[1, 2], [1]], "b": [[1]]}, "a is"),
    ],
)
def test_bad_work_for_the_accelerator_is_refused_by_name(call: Any, params: dict[str, Any], named: str) -> None:
    with pytest.raises(BadCall, match=named):
        ask(call, params)
