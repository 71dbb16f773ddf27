"""Erases users' behaviour when its time is over. Started by `app.py`; money records stay for ever.

A day's data key is destroyed once the day lies `days` whole days back, so behaviour is kept for `days` to `days` + 1.
"""

import asyncio
import time
from typing import Final

from orchestrator.gateway.sealing import day_of
from orchestrator.gateway.store import UsageStore

LOOK_S: Final = 3600.0
"""Pause between looks, seconds: a day's end is noticed within the hour."""


class Retention:
    """Keeps one store's promise of how long behaviour is kept."""

    def __init__(self, store: UsageStore, days: int) -> None:
        self._store = store
        self._days = days

    async def run(self) -> None:
        """Look now and every hour, until cancelled."""
        while True:
            await asyncio.to_thread(self.look, time.time_ns() // 1_000_000)
            await asyncio.sleep(LOOK_S)

    def look(self, now_ms: int) -> int:
        """Erase what is older than promised at `now_ms` (UTC); of how many records."""
        return self._store.erase_before(day_of(now_ms) - self._days)
