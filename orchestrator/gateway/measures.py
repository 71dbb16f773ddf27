"""The newest measure of each subscription that looked at frames in the last few seconds. In memory only, bounded.

Noted by `work.py` when a frame was delivered; the orchestrator's local controllers read it at `GET /measures`.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final

from orchestrator.gateway.frames import tile_resolutions
from orchestrator.gateway.link import DEVNET_SCALE
from orchestrator.measures import Measure, MeasuredObject, Measures

WINDOW_S: Final = 5.0
"""Whoever was delivered no frame for so long does not look any more, seconds."""
MOST_MEASURES: Final = 10_000


class MeasureBoard:
    """Notes frames as they are delivered. The oldest make room."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._newest: OrderedDict[str, Measure] = OrderedDict()

    def note(
        self, subscription_id: str, floor: float, attended: Mapping[int, float], info: Mapping[str, Any], size: int
    ) -> None:
        """A frame of `size` bytes was delivered: what it shows and how it was carried is in its `info`.

        A frame that took no time, or shows nothing, measures nothing.
        """
        shown = tile_resolutions(info)
        delivered_k = sum(shown.values())
        if not info["rate_bps"] or not delivered_k:
            return
        self._newest.pop(subscription_id, None)
        self._newest[subscription_id] = Measure(
            subscription_id=subscription_id,
            at=self._clock(),
            rate_bps=info["rate_bps"],
            bit_error=info["bep"],
            bits_per_k=size * 8 * DEVNET_SCALE / delivered_k,
            floor=floor,
            objects=tuple(
                MeasuredObject(object=kind, attention=weight, k=shown.get(kind, 0.0))
                for kind, weight in attended.items()
            ),
        )
        if len(self._newest) > MOST_MEASURES:
            self._newest.popitem(last=False)

    def recent(self) -> Measures:
        """Those of the last few seconds; older ones are forgotten."""
        since = self._clock() - WINDOW_S
        while self._newest and next(iter(self._newest.values())).at < since:
            self._newest.popitem(last=False)
        return Measures(measures=tuple(self._newest.values()))

    def forget(self, subscription_id: str) -> None:
        """Drop what was measured, when a route goes."""
        self._newest.pop(subscription_id, None)
