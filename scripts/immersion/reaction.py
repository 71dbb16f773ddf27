"""How soon a live house answers a step of a link: from the link model's new rate to VMOF's new grants, in seconds.

A whole house runs. A party that looks at nothing leaves two visitors 500 K of a rendering server; they fetch frames of
more than they have without a pause. The link of the one who looks more falls, behind everybody's back, and rises
again. Nobody tells the controller: it must see it in delivered frames, the first of which is still under way. The
grants before and after are in reaction-raw.json.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.figures.disturbance import buy, request_document, set_links

if TYPE_CHECKING:
    from marketplace.wallet.use import UsageSession

OBJECTS = tuple(range(14))
PARTY = 14
"""users of the subscription that looks at nothing"""
WHOLE_MBPS, FALLEN_MBPS = 1_000.0, 200.0
SETTLED_S, PATIENCE_S, POLL_S = 3.0, 15.0, 0.02
BAR_S = 2.0
Grants = dict[str, int]


def measure(figure: Callable[..., dict[str, Any]], out: Path, _seed: int, _data: Path | None) -> list[dict[str, Any]]:
    """A fall and a rise."""
    from s4m.supervisor import House

    with (
        tempfile.TemporaryDirectory(prefix="s4m-reaction-", ignore_cleanup_errors=True) as home,
        House.start(Path(home), port_base=0) as house,
    ):
        seen = asyncio.run(_run(house))
    (out / "reaction-raw.json").write_text(json.dumps(seen, indent=2) + "\n")
    load = f"live house, 2 visitors of {len(OBJECTS)} objects, {WHOLE_MBPS:.0f} and {FALLEN_MBPS:.0f} Mb/s"
    return [
        figure(f"react_to_{step}_s", round(seen[step]["seconds"], 3), "s", load, ("<=", BAR_S))
        for step in ("fall", "rise")
    ]


async def _run(house: Any) -> dict[str, Any]:
    from marketplace.wallet.use import UsageSession

    wanted = [(1, PARTY), (5, 1), (3, 1)]
    documents = [request_document(OBJECTS, attention, users) for attention, users in wanted]
    _, *bought = await asyncio.to_thread(buy, house, documents)
    tenants = [int(agreement.subscription_id) for agreement, _ in bought]
    await asyncio.to_thread(set_links, house.home, tenants, WHOLE_MBPS)
    sessions = [await UsageSession.open(house.urls.gateway, agreement, key) for agreement, key in bought]
    leaving = asyncio.Event()
    looking = [asyncio.create_task(_look(session, leaving)) for session in sessions]
    try:
        await asyncio.sleep(SETTLED_S)
        fall = await _step(house.home, tenants[0], FALLEN_MBPS)
        await asyncio.sleep(SETTLED_S)
        rise = await _step(house.home, tenants[0], WHOLE_MBPS)
    finally:
        leaving.set()
        await asyncio.gather(*looking)
        for session in sessions:
            await session.close()
    return {"fall": fall, "rise": rise}


async def _look(session: UsageSession, leaving: asyncio.Event) -> None:
    while not leaving.is_set():
        await session.use("frame", {"view": {"x": time.monotonic() % 1000}})


async def _step(home: Path, tenant: int, rate_mbps: float) -> dict[str, Any]:
    """Change one link; the seconds until its visitor's grant is another, and the grants before and after."""
    before = _granted(home)
    begun = time.monotonic()
    await asyncio.to_thread(set_links, home, [tenant], rate_mbps)
    while (after := _granted(home))[str(tenant)] == before[str(tenant)]:
        if time.monotonic() - begun > PATIENCE_S:
            raise TimeoutError(
                f"The grants stayed {before} for {PATIENCE_S} s after a link's step to {rate_mbps} Mb/s."
            )
        await asyncio.sleep(POLL_S)
    return {"seconds": time.monotonic() - begun, "before": before, "after": after}


def _granted(home: Path) -> Grants:
    """Subscription → K of rendering, as VMOF's rows have it."""
    with sqlite3.connect(f"file:{home / 'db' / 'engine.db'}?mode=ro", uri=True) as rows:
        found = rows.execute("SELECT subscription_id, \"grant\" FROM shares WHERE state = 'running'").fetchall()
    return {name: int(json.loads(grant).get("rendering_k", 0)) for name, grant in found}
