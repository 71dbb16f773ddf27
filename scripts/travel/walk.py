"""A second on the beach: which operations a traveller asks of its service, and with what. Used by traveller.py.

A frame a second, as large as the second's demand and the link as last measured allow; between frames a gesture, a look
at the weather, a route, a note to the data store. It decides nothing about money.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from typing import Any

from marketplace.wallet.use import UsageSession, Use
from scripts.travel.brief import Brief

FULL_RATE_MBPS = 1000.0
"""The terahertz link's peak (Table I); a trace's factor is of this."""
NOMINAL_K = 250.0
"""What a second of mean demand asks for; the gateway clips it to the grant."""
BUSY_SHARE = 0.7
"""A frame may take this share of its second on the link, so that the next one is not late."""
DEVNET_SCALE = 100
CIRCLE = [[round(math.cos(a / 10), 3), round(math.sin(a / 10), 3)] for a in range(63)]
"""A gesture: select."""
VISUAL = {"virtual-beach-travel": "frame", "ar-beach-guide": "overlay"}


@dataclass
class Walk:
    """One trip's way over the beach, and what was last seen of its link."""

    brief: Brief
    service: str
    usage: UsageSession
    bytes_per_k: float = 900.0
    rate_bps: float = 100e6
    last_picture: bytes = b""
    souvenir_seconds: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        if self.service != "virtual-beach-travel":
            return
        last = min(self.brief.seconds, self.brief.leave_after_s or self.brief.seconds)
        for number in range(self.brief.souvenirs):
            self.souvenir_seconds.add(max(1, (number + 1) * last // (self.brief.souvenirs + 1)))

    async def second(self, second: int) -> dict[str, Any]:
        """One frame and one other operation; returns what was measured."""
        frame = await self._frame(second)
        operation, params = self._aside(second)
        await self.usage.use(operation, params)
        info = frame.info
        return {
            "frames": 1,
            "k": frame.record.quantity,
            "units": self.usage.receipts.total,
            "immersion": frame.record.immersion / 1000,
            "rate_mbps": round(float(info.get("rate_bps", 0.0)) / 1e6, 2),
            "bep": float(info.get("bep", 0.0)),
            "cache": info.get("cache", "miss"),
        }

    async def souvenir(self, second: int) -> tuple[bytes, dict[str, Any]]:
        """A thing made here: its file and the service's word where it was made."""
        kind = self.brief.objects[second % len(self.brief.objects)][0]
        params = {"object": kind, "seed": self.brief.seed * 1000 + second, "size": 256}
        made = await self.usage.use("souvenir", params)
        if made.provenance is None:
            raise SystemExit("the souvenir came without its provenance")
        return made.body, dict(made.provenance)

    async def _frame(self, second: int) -> Use:
        factor, snr_db = self.brief.radio[second % len(self.brief.radio)]
        rate = factor * FULL_RATE_MBPS
        demand = self.brief.demand[second % len(self.brief.demand)]
        fits = self.rate_bps * BUSY_SHARE / (8 * DEVNET_SCALE) / self.bytes_per_k
        params = {"budget_k": round(max(16.0, min(NOMINAL_K * demand, fits)), 1), "view": self._view(second)}
        seen = await self.usage.use(
            VISUAL[self.service], params, radio={"rate_mbps": round(rate, 1), "snr_db": round(snr_db, 1)}
        )
        if seen.record.quantity:
            self.bytes_per_k = len(seen.body) / seen.record.quantity
        self.last_picture = seen.body
        self.rate_bps = float(seen.info.get("rate_bps") or self.rate_bps)
        return seen

    def _view(self, second: int) -> dict[str, float]:
        x, y = self._position(second)
        return {"x": x, "y": y, "yaw": round(0.1 * second % math.tau, 2), "t": float(second)}

    def _position(self, second: int) -> tuple[float, float]:
        """A loop over the beach, metres; its phase is the traveller's own."""
        phase = random.Random(f"{self.brief.seed}:way").uniform(0, math.tau) + second / 9
        return round(200 + 60 * math.cos(phase), 1), round(30 + 15 * math.sin(phase), 1)

    def _aside(self, second: int) -> tuple[str, dict[str, Any]]:
        """What else is asked this second."""
        x, y = self._position(second)
        place = {"x": x, "y": y, "yaw": 0.0}
        if self.service == "ar-beach-guide" and second % 2 == 0:
            return "navigate", {**place, "to": {"object": self.brief.objects[second % len(self.brief.objects)][0]}}
        turns: list[tuple[str, dict[str, Any]]] = [
            ("weather", {"t": float(second)}),
            ("capture", {"pose": place, "seed": self.brief.seed, "t": float(second), "seconds": 0.5}),
            ("remember", {"source": "walk", "kind": "position", "t": float(second), "values": {"x": x, "y": y}}),
            ("query", {"kind": "position"}),
        ]
        if self.service == "virtual-beach-travel":
            turns.append(("gesture", {"strokes": [CIRCLE]}))
        return turns[second % len(turns)]
