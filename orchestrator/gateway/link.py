"""The link in front of a service, and what the gateway measures on it: rate R and uplink bit errors E.

R is of the bytes that really went down: bytes × 8 × 100 ÷ link seconds (a devnet scales pixels and link bits by 1/100).
E is of the flipped bits of a known 1 KiB uplink pilot, sent at most once a second per subscription. Request bytes take
their time on the uplink and are then taken as repaired by the upper layer, as a transport protocol would; the pilot is
not. Used by `use.py`; it knows no units.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import shake_256
from typing import Any, Final

from orchestrator.gateway.errors import ModelUnavailable
from orchestrator.gateway.models import ModelClients, Tenant
from orchestrator.gateway.shapes import Radio

PILOT: Final = shake_256(b"slicing4meta uplink pilot").digest(1024)
DEVNET_SCALE: Final = 100
Clock = Callable[[], float]


@dataclass
class _State:
    radio: Radio | None = None
    bep: float = 0.0
    piloted_at: float = float("-inf")


@dataclass(frozen=True)
class Path:
    """One subscription's way through one link."""

    socket: str
    tenant: Tenant


class Links:
    """What is known of each subscription's link. Kept in memory: a fresh gateway measures afresh."""

    def __init__(self, models: ModelClients, pilot_interval_s: float, clock: Clock = time.monotonic) -> None:
        self._models = models
        self._pilot_interval_s = pilot_interval_s
        self._clock = clock
        self._states: dict[str, _State] = {}

    async def uplink(self, path: Path, request: bytes, radio: Radio | None) -> float:
        """Send a request's bytes up, a pilot first when one is due; returns E as last measured."""
        state = self._states.setdefault(path.tenant.subscription, _State())
        try:
            await self._tune(path, state, radio)
            await self._pilot(path, state)
            await self._models.carry(path.socket, "uplink", path.tenant, request)
        except ModelUnavailable:
            self._states.pop(path.tenant.subscription, None)
            raise
        return state.bep

    async def downlink(self, path: Path, body: bytes) -> tuple[bytes, float]:
        """Bring an answer's bytes down; returns them and R in bits per second (scaled)."""
        answer = await self._models.carry(path.socket, "downlink", path.tenant, body)
        return answer.body, measured_rate(len(body), float(answer.headers.get("s4m-link-seconds", "0")))

    def forget(self, subscription: str) -> None:
        """Drop what was measured, when a route goes."""
        self._states.pop(subscription, None)

    async def _tune(self, path: Path, state: _State, radio: Radio | None) -> None:
        if radio is None or radio == state.radio:
            return
        fields: dict[str, Any] = {"tenant": path.tenant.subscription, **radio.model_dump(exclude_none=True)}
        await self._models.configure(path.socket, fields)
        state.radio = radio

    async def _pilot(self, path: Path, state: _State) -> None:
        now = self._clock()
        if now - state.piloted_at < self._pilot_interval_s:
            return
        state.piloted_at = now
        heard = await self._models.carry(path.socket, "uplink", path.tenant, PILOT)
        state.bep = flipped_bits(PILOT, heard.body) / (8 * len(PILOT))


def measured_rate(size: int, seconds: float) -> float:
    """Bits per second at the paper's scale; 0 where nothing was carried."""
    return size * 8 * DEVNET_SCALE / seconds if seconds > 0 else 0.0


def flipped_bits(sent: bytes, heard: bytes) -> int:
    """How many bits differ; what is missing counts as flipped."""
    if len(sent) != len(heard):
        return 8 * len(sent)
    return (int.from_bytes(sent, "big") ^ int.from_bytes(heard, "big")).bit_count()
