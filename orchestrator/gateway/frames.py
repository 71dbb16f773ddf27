"""Which resolution each object of a frame gets, and what the delivered picture is worth. Pure functions.

The buyer asks for objects and at most a budget; the gateway decides k per object (orchestrator.qoe) within the grant.
"""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from ledger.measured import Measured
from orchestrator.gateway.errors import MalformedUse
from orchestrator.qoe import allocate_attention, allocate_even

PIXELS_PER_K: Final = 4608
"""One K on a devnet: 96×48 pixels, a hundredth of 960×480."""
MOST_OBJECTS: Final = 256
GRANT: Final = "rendering_k"


def frame_params(
    params: Mapping[str, Any], attention: Mapping[int, float], grant: Mapping[str, int]
) -> tuple[dict[str, Any], int]:
    """What the rendering model is asked, and the most K that it may count.

    `params.objects` (ids, or objects with `object`) narrows the route's objects, `params.budget_k` the grant; all else
    passes through. Resolutions are rounded down to thousandths of a K.
    """
    weights = _weights(params.get("objects"), attention)
    budget = _budget(params.get("budget_k"), grant)
    shares = _split(tuple(weights.values()), budget)
    objects = [{"object": o, "k": k} for o, k in zip(weights, shares, strict=True) if k > 0]
    if not objects:
        raise MalformedUse("The frame shows no object: name objects of your request document and a budget above 0.")
    passed = {name: value for name, value in params.items() if name not in ("objects", "budget_k")}
    return {**passed, "objects": objects}, math.ceil(sum(shares))


def tile_resolutions(info: Mapping[str, Any]) -> dict[int, float]:
    """x per object in K, from the tile layout of the picture that was delivered."""
    tiles = info.get("tiles", [])
    return {int(tile["object"]): int(tile["w"]) * int(tile["h"]) / PIXELS_PER_K for tile in tiles}


def measured(info: Mapping[str, Any]) -> Measured:
    """What an answer's immersion is computed from: rate and errors of its link, attention and tiles of its picture."""
    weights = {int(kind): float(weight) for kind, weight in info["attention"].items()}
    objects = tuple((kind, weights[kind], x) for kind, x in tile_resolutions(info).items())
    return Measured(float(info["rate_bps"]), float(info["bep"]), objects)


def _weights(asked: Any, attention: Mapping[int, float]) -> dict[int, float]:
    if asked is None:
        return dict(attention)
    if not isinstance(asked, Sequence) or isinstance(asked, str) or len(asked) > MOST_OBJECTS:
        raise MalformedUse(f"params.objects must be a list of at most {MOST_OBJECTS} object ids.")
    ids: list[Any] = [item.get("object") if isinstance(item, dict) else item for item in asked]
    if not all(type(item) is int and item >= 0 for item in ids):
        raise MalformedUse("params.objects must hold whole, non-negative object ids.")
    known = attention or dict.fromkeys(ids, 1.0)
    return {item: known[item] for item in ids if item in known}


def _budget(asked: Any, grant: Mapping[str, int]) -> float:
    granted = float(grant.get(GRANT, 0))
    if asked is None:
        return granted
    if isinstance(asked, bool) or not isinstance(asked, int | float) or not 0 < asked < math.inf:
        raise MalformedUse("params.budget_k must be a number of K above 0.")
    return min(float(asked), granted)


@lru_cache(maxsize=4096)
def _split(attention: tuple[float, ...], budget_k: float) -> tuple[float, ...]:
    shares = allocate_attention(attention, budget_k)
    if not shares.any():  # not even one object reaches the threshold: show what can be shown
        shares = allocate_even(budget_k, len(attention))
    return tuple(math.floor(1000 * share) / 1000 for share in shares.tolist())
