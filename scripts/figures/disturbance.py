"""A live run before, during and after two disturbances: a link halved behind the gateway's back, a killed renderer.

A whole house runs; a few visitors of the virtual beach fetch frames through the gateway. What is drawn is what the
records say: Meta-Immersion of frames that were delivered, R measured on their links, and what the plan's discount left
of the price. It fails where the halved link does not halve R or the killed renderer does not come back.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import signal
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from scripts.figures.style import save

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from marketplace.wallet.use import UsageSession
    from s4m.supervisor import House

SERVICE = "virtual-beach-travel"
LINK, RENDERER = "terahertz_link", "rendering_server"
RATE_MBPS = 300.0
"""What the air carries before; the halved link then puts these frames under the plan's floor of 0.5."""
OBJECTS = (4, 9)
FRAME = {"budget_k": 40.0, "objects": list(OBJECTS)}
"""Two objects of attention 5 at 20 K each."""
PAUSE_S = 0.4
"""Between the starts of two frames of one visitor."""
GAP_S = 2 * PAUSE_S
"""Without a frame of any visitor for so long, seconds, nobody sees anything."""
VISITORS = 3
PHASE_S = 10.0
ON_ITS_WAY_S = 0.5
"""A frame rendered before the kill may still be on its link for so long."""


class DisturbanceFailed(Exception):
    """The run showed something else than it must."""

    def __init__(self, data: dict[str, Any]) -> None:
        told = {name: data[name] for name in ("means", "rate_halved_over_whole", "first_frame_after_kill_s")}
        super().__init__(f"the link did not halve R, or the renderer did not come back: {json.dumps(told)}")


@dataclass(frozen=True)
class Phase:
    """A stretch of the run, in seconds since the first frame."""

    name: str
    start: float
    end: float


@dataclass(frozen=True)
class Frame:
    """One delivered frame as its record and its measurements tell it. `t` is when it came, seconds; R in bit/s."""

    visitor: int
    t: float
    immersion: float
    rate_bps: float
    bep: float
    units: int
    quantity: int


def phases(phase_s: float) -> list[Phase]:
    """The run's plan: link whole, halved, whole again; then the renderer is killed, and is back."""
    names = ("link at 300 Mb/s", "link halved", "link whole again", "renderer killed, and back")
    return [Phase(name, n * phase_s, (n + 1) * phase_s) for n, name in enumerate(names)]


def instances(home: Path, module: str) -> list[dict[str, Any]]:
    """pid and socket of each sandbox that runs this model now."""
    found = []
    for intent in sorted((home / "instances").glob("*/intent.json")):
        process = intent.with_name("process.json")
        if json.loads(intent.read_text())["program"].endswith(f".{module}") and process.exists():
            found.append(json.loads(process.read_text()))
    return found


def set_links(home: Path, tenants: Sequence[int], rate_mbps: float) -> None:
    """Tell the link model itself what the air carries: neither gateway nor orchestrator hears of it."""
    import httpx

    for link in instances(home, LINK):
        with httpx.Client(transport=httpx.HTTPTransport(uds=link["socket"])) as client:
            for tenant in tenants:
                body = {"tenant": str(tenant), "rate_mbps": rate_mbps, "snr_db": 60.0}
                client.post("http://model/configure", json=body).raise_for_status()


def kill_renderers(home: Path) -> None:
    """SIGKILL to every sandboxed rendering server."""
    for renderer in instances(home, RENDERER):
        os.kill(int(renderer["pid"]), signal.SIGKILL)


def buy(house: House, documents: Sequence[dict[str, Any]]) -> list[Any]:
    """Subscriptions of one wallet with these request documents, active; each with what both sides agreed."""
    from ledger.devnet import Devnet
    from ledger.sender import Sender
    from ledger.values import SubscriptionId
    from marketplace.wallet.client import MarketClient
    from marketplace.wallet.keystore import WalletStore
    from marketplace.wallet.receipts import Agreement

    store = WalletStore(house.home / "visitors", scrypt_n=1 << 12)
    wallet = store.create("visitors", "of a house that lives for a minute")
    Devnet.attach(house.urls.chain).fund(wallet.address)
    bought = []
    with (
        Sender(house.chain, wallet, house.home / "visitors" / "sends.db") as sender,
        MarketClient(house.urls.marketplace, house.chain, house.deployment) as market,
    ):
        sender.send(house.contracts.credit.faucet(wallet.address, 10**9), key="purse")
        plan_id = market.plan_of_service(SERVICE)
        plan, spec = market.plan(plan_id), market.model(plan_id >> 32)["spec"]
        periods = 1 if int(plan["period"]) else 0
        for document in documents:
            purchase = market.buy(wallet, plan_id, document, 100_000, periods, store=store, timeout_s=60)
            agreement = Agreement.read(
                house.contracts, SubscriptionId(purchase.subscription_id), plan["terms"] or {},
                operations=(spec or {}).get("operations"), objects=document["objects"],
            )  # fmt: skip
            bought.append((agreement, purchase.session))
    return bought


def request_document(objects: Sequence[int] = OBJECTS, attention: int = 5, users: int = 1) -> dict[str, Any]:
    """What visitors ask for: the objects that they attend to, at the link's full rate."""
    return {
        "schema": "s4m/request/1", "scenario": "virtual_travelling", "service": SERVICE, "users": users, "isolation": 0,
        "qoe": {"immersion_floor": 0.3, "rate_mbps": 1000, "latency_ms": 1.5, "reliability": 0.99},
        "objects": [{"object": kind, "attention": attention} for kind in objects],
    }  # fmt: skip


async def visit(visitor: int, session: UsageSession, begun: float, end: float) -> list[Frame]:
    """Frames one after the other until `end`; a frame that a killed renderer owes is asked for until it comes."""
    frames: list[Frame] = []
    while (started := time.monotonic() - begun) < end:
        view = {"x": round(started, 3), "y": float(visitor)}
        use = await session.use("frame", {**FRAME, "view": view})
        at, info, record = time.monotonic() - begun, use.info, use.record
        frames.append(
            Frame(
                visitor, round(at, 3), record.immersion / 1000, info["rate_bps"], info["bep"],
                record.units, record.quantity,
            )
        )  # fmt: skip
        await asyncio.sleep(max(0.0, started + PAUSE_S - at))
    return frames


async def disturb(home: Path, tenants: Sequence[int], plan: Sequence[Phase], begun: float) -> dict[str, float]:
    """Carry out the plan; when each disturbance was done, in seconds."""
    steps = {
        "halved": (plan[1].start, lambda: set_links(home, tenants, RATE_MBPS / 2)),
        "whole_again": (plan[2].start, lambda: set_links(home, tenants, RATE_MBPS)),
        "killed": (plan[3].start, lambda: kill_renderers(home)),
    }
    done = {}
    for name, (at, act) in steps.items():
        await asyncio.sleep(begun + at - time.monotonic())
        await asyncio.to_thread(act)
        done[name] = round(time.monotonic() - begun, 3)
    return done


async def run(house: House, visitors: int, plan: Sequence[Phase]) -> dict[str, Any]:
    """The whole live run; the figure's data."""
    from marketplace.wallet.use import UsageSession

    bought = await asyncio.to_thread(buy, house, [request_document()] * visitors)
    tenants = [int(agreement.subscription_id) for agreement, _ in bought]
    await asyncio.to_thread(set_links, house.home, tenants, RATE_MBPS)
    sessions = [await UsageSession.open(house.urls.gateway, agreement, key) for agreement, key in bought]
    for session in sessions:
        await session.use("frame", FRAME)  # the first frame of all warms the models up
    begun = time.monotonic()
    visits = [visit(number, session, begun, plan[-1].end) for number, session in enumerate(sessions)]
    disturbing = asyncio.create_task(disturb(house.home, tenants, plan, begun))
    seen = await asyncio.gather(*visits)
    done = await disturbing
    for session in sessions:
        await session.close()
    frames = sorted((frame for each in seen for frame in each), key=lambda frame: frame.t)
    return {
        "phases": [asdict(phase) for phase in plan],
        "floor": bought[0][0].terms.floor_milli / 1000,
        "done_s": done,
        **judged(frames, plan, done),
        "frames": [asdict(frame) for frame in frames],
    }


def judged(frames: Sequence[Frame], plan: Sequence[Phase], done: dict[str, float]) -> dict[str, Any]:
    """Means of each phase, how long the kill was felt, and whether it all held."""
    settled = [[f for f in frames if p.start + 1 <= f.t < p.end] for p in plan]  # a frame may straddle the change
    means = [mean_of(phase, of) for phase, of in zip(plan, settled, strict=True) if of]
    back = next((f.t for f in frames if f.t > done["killed"] + ON_ITS_WAY_S), None)
    recovered = None if back is None else round(back - done["killed"], 3)
    ratio = means[1]["rate_mbps"] / means[0]["rate_mbps"] if len(means) == len(plan) else 0.0
    whole = len(means) == len(plan) and means[-1]["immersion"] > 0.9 * means[0]["immersion"]
    holds = whole and abs(ratio - 0.5) < 0.05 and recovered is not None
    return {"means": means, "rate_halved_over_whole": ratio, "first_frame_after_kill_s": recovered, "holds": holds}


def mean_of(phase: Phase, frames: Sequence[Frame]) -> dict[str, Any]:
    """One phase in figures: R in Mb/s, units over K."""
    return {
        "phase": phase.name,
        "frames": len(frames),
        "immersion": fmean(frame.immersion for frame in frames),
        "rate_mbps": fmean(frame.rate_bps for frame in frames) / 1e6,
        "units_per_k": sum(frame.units for frame in frames) / sum(frame.quantity for frame in frames),
    }


def as_delivered(times: Sequence[float], values: Sequence[float], none: float) -> tuple[list[float], list[float]]:
    """The line through the frames; `none` while no frame comes for `GAP_S`."""
    line = [(times[0], values[0])]
    for (before, _), (now, value) in pairwise(zip(times, values, strict=True)):
        if now - before > GAP_S:
            line += [(before, none), (now, none)]
        line.append((now, value))
    return [at for at, _ in line], [value for _, value in line]


def plotted(data: dict[str, Any]) -> Figure:
    """Immersion, R and price over time, one above the other; dots are frames."""
    import matplotlib.pyplot as plt

    frames, end = data["frames"], data["phases"][-1]["end"]
    shown = {
        "immersion": ("Meta-Immersion\nof a delivered frame", [frame["immersion"] for frame in frames]),
        "rate": ("R measured, Mb/s", [frame["rate_bps"] / 1e6 for frame in frames]),
        "price": ("units billed\nfor a K", [frame["units"] / frame["quantity"] for frame in frames]),
    }
    times = [frame["t"] for frame in frames]
    figure, panels = plt.subplots(3, 1, figsize=(8, 7.5), sharex=True)
    for panel, (name, (label, values)) in zip(panels, shown.items(), strict=True):
        panel.plot(times, values, ".", ms=5, color="0.55", label="a frame")
        none = 0.0 if name == "immersion" else math.nan
        panel.plot(*as_delivered(times, values, none), color="black", lw=1.2, label="as delivered to all visitors")
        panel.set(ylabel=label, ylim=(0, 1.15 * max(values)))
        shade(panel, data)
    panels[0].axhline(data["floor"], ls="--", color="black", lw=1, label="the plan's floor")
    panels[0].legend(fontsize=8, loc="lower left")
    for phase in data["phases"]:
        middle = (phase["start"] + phase["end"]) / 2
        panels[0].text(middle, 1.03, phase["name"], ha="center", transform=panels[0].get_xaxis_transform(), fontsize=9)
    panels[-1].set(xlabel=f"seconds since the first frame (no frame for {GAP_S} s: immersion is 0)", xlim=(0, end))
    return figure


def shade(panel: Any, data: dict[str, Any]) -> None:
    """Hatch the disturbances, so that they are seen in black and white; the kill until the first frame after it."""
    done, end = data["done_s"], data["phases"][-1]["end"]
    back = end if data["first_frame_after_kill_s"] is None else done["killed"] + data["first_frame_after_kill_s"]
    for span in ((done["halved"], done["whole_again"]), (done["killed"], back)):
        panel.axvspan(*span, facecolor="0.93", edgecolor="0.8", hatch="//", lw=0, zorder=0)


def draw(folder: Path, _seed: int) -> list[Path]:
    """Runs a house for about a minute and writes disturbance.{png,svg,pdf,json}; nothing in it is random."""
    from s4m.supervisor import House

    with (
        tempfile.TemporaryDirectory(prefix="s4m-figure-", ignore_cleanup_errors=True) as home,
        House.start(Path(home), port_base=0) as house,
    ):
        data = asyncio.run(run(house, VISITORS, phases(PHASE_S)))
    files = save(plotted(data), data, folder, "disturbance")
    if not data["holds"]:
        raise DisturbanceFailed(data)
    return files
