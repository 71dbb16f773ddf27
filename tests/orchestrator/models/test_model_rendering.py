"""The rendering server: real pixels at the resolution given, never above the grant, at a cost that follows them."""

import io
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from orchestrator.models.beach.kinds import COUNT, KINDS
from orchestrator.models.beach.light import light_at
from orchestrator.models.beach.picture import PIXELS_PER_K, View, draw_tile, pack, tile_size
from orchestrator.models.errors import BadCall, OverGrant
from orchestrator.models.rendering_server import frame, souvenir
from orchestrator.models.serving import Answer, Request

NS_PER_PIXEL_BAR = 40


def ask(objects: list[tuple[int, float]], granted: int = 4000, **params: Any) -> Answer:
    wanted = [{"object": number, "k": k} for number, k in objects]
    return frame(Request({"objects": wanted, "view": {"t": 400}, **params}, {"rendering_k": granted}))


def picture(answer: Answer) -> Image.Image:
    return Image.open(io.BytesIO(answer.body)).convert("RGB")


def cpu_seconds(work: Callable[[], object], times: int = 3) -> float:
    return min(_once(work) for _ in range(times))


def _once(work: Callable[[], object]) -> float:
    start = time.thread_time()
    work()
    return time.thread_time() - start


def test_there_are_56_kinds_and_each_looks_different() -> None:
    tiles = {draw_tile(kind, 96, 48, View(t=400), 0).tobytes() for kind in KINDS}
    assert len(KINDS) == COUNT == 56
    assert len(tiles) == 56
    assert len({kind.name for kind in KINDS}) == 56


@pytest.mark.parametrize("k", [0.5, 1, 7.3, 20, 250])
def test_tile_has_the_pixels_it_was_given_at_two_to_one(k: float) -> None:
    width, height = tile_size(k)
    assert k * PIXELS_PER_K * 0.95 <= width * height <= k * PIXELS_PER_K
    assert width / height == pytest.approx(2.0, rel=0.1)


def test_tiles_lie_inside_the_picture_and_never_overlap() -> None:
    tiles = pack([(n % 56, 1 + n % 17) for n in range(60)])
    width, height = max(t.x + t.w for t in tiles), max(t.y + t.h for t in tiles)
    covered = np.zeros((height, width), np.int32)
    for tile in tiles:
        covered[tile.y : tile.y + tile.h, tile.x : tile.x + tile.w] += 1
    assert covered.max() == 1
    assert covered.sum() / covered.size > 0.7


def test_frame_tells_where_each_object_was_drawn_and_counts_k_rounded_up() -> None:
    answer = ask([(0, 10), (36, 5.2)])
    tiles = answer.info["tiles"]
    assert [tile["object"] for tile in tiles] == [0, 36]
    assert picture(answer).size == (max(t["x"] + t["w"] for t in tiles), max(t["y"] + t["h"] for t in tiles))
    assert answer.quantity == 16
    assert answer.info["delivered_k"] == pytest.approx(15.2, rel=0.02)
    assert answer.info["scaled_down"] is False


def test_frame_never_passes_the_grant_and_shrinks_all_alike() -> None:
    answer = ask([(n, 20) for n in range(20)], granted=100)
    assert answer.info["scaled_down"] is True
    assert answer.info["asked_k"] == 400
    assert answer.info["delivered_k"] <= 100
    assert answer.quantity <= 100
    assert len({(tile["w"], tile["h"]) for tile in answer.info["tiles"]}) == 1


def test_without_a_grant_of_rendering_nothing_is_drawn() -> None:
    with pytest.raises(OverGrant, match="rendering_k"):
        ask([(0, 10)], granted=0)


def test_view_changes_the_picture_and_the_same_view_repeats_it() -> None:
    still, same = ask([(3, 20)]), ask([(3, 20)])
    assert still.body == same.body
    for view in ({"t": 401}, {"t": 400, "yaw": 0.4}, {"t": 400, "x": 30}, {"t": 400, "y": 60}, {"t": 1150}):
        assert ask([(3, 20)], view=view).body != still.body


def test_it_looks_like_a_beach_blue_above_sandy_below() -> None:
    pixels = np.asarray(picture(ask([(28, 40)], format="png")), np.float64)
    height = pixels.shape[0]
    sky, sand = pixels[: height // 4].mean((0, 1)), pixels[height * 3 // 4 :].mean((0, 1))
    assert sky[2] > sky[0]
    assert sand[0] > sand[2]


def test_dusk_is_darker_than_noon() -> None:
    noon, dusk = (np.asarray(draw_tile(KINDS[0], 192, 96, View(t=t), 0)).mean() for t in (600, 1195))
    assert dusk < noon
    assert light_at(600).height > light_at(1195).height


def test_png_and_jpeg_are_what_they_say() -> None:
    for kind in ("png", "jpeg"):
        answer = ask([(0, 4)], format=kind)
        assert answer.content_type == f"image/{kind}"
        assert Image.open(io.BytesIO(answer.body)).format == kind.upper()


def test_more_quality_more_bytes() -> None:
    assert len(ask([(0, 40)], quality=95).body) > len(ask([(0, 40)], quality=30).body)


def test_cost_follows_the_resolution() -> None:
    objects = list(range(12))
    small = cpu_seconds(lambda: ask([(n, 10) for n in objects]))
    large = cpu_seconds(lambda: ask([(n, 80) for n in objects]))
    assert 2.5 * small < large < 16 * small


def test_a_pixel_costs_at_most_the_bar_so_that_two_cores_carry_4000_k() -> None:
    objects = [(n % 56, 20.0) for n in range(100)]
    seconds = cpu_seconds(lambda: ask(objects), times=2)
    assert seconds / (2000 * PIXELS_PER_K) * 1e9 < NS_PER_PIXEL_BAR


def test_grant_limits_the_cost() -> None:
    objects = [(n, 60.0) for n in range(20)]
    assert cpu_seconds(lambda: ask(objects, granted=60)) * 2 < cpu_seconds(lambda: ask(objects, granted=1200))


def test_souvenir_is_deterministic_and_each_seed_its_own() -> None:
    def make(seed: int) -> bytes:
        return souvenir(Request({"object": 36, "seed": seed, "size": 128})).body

    assert make(7) == make(7)
    assert len({make(seed) for seed in (7, 8, 70_000, 2**40)}) == 4
    assert Image.open(io.BytesIO(make(7))).size == (128, 128)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"objects": []},
        {"objects": "palm"},
        {"objects": [{"object": 56, "k": 1}]},
        {"objects": [{"object": 0, "k": -1}]},
        {"objects": [{"object": 0, "k": True}]},
        {"objects": [{"object": 0, "k": 1}], "format": "gif"},
        {"objects": [{"object": 0, "k": 1}], "view": {"x": "far"}},
        {"objects": [{"object": 0, "k": 1}] * 257},
    ],
)
def test_bad_frames_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(BadCall):
        frame(Request(params))
