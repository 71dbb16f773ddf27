"""A live run before, during and after two disturbances: a link halved behind the gateway's back, a killed renderer.

A whole house runs; a few visitors of the virtual beach fetch frames through the gateway. What is drawn is what the
records say: Meta-Immersion of frames that were delivered, R measured on their links, and what the plan's discount left
of the price. `python -m scripts.figures.disturbance` writes disturbance.{png,svg,json}; it fails where the halved link
does not halve R or the killed renderer does not come back.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
GAP_S = 0.5
"""Without a frame for so long, nobody sees anything: all visitors together fetch one each eighth of a second."""
ON_ITS_WAY_S = 0.5
"""A frame rendered before the kill may still be on its link for so long."""
LEAST_PHASE_S = 5.0


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


def buy(house: House, visitors: int) -> list[Any]:
    """So many subscriptions of one wallet, active; each with what both sides agreed."""
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
        for _ in range(visitors):
            document = request_document()
            purchase = market.buy(wallet, plan_id, document, 100_000, periods, store=store, timeout_s=60)
            agreement = Agreement.read(
                house.contracts, SubscriptionId(purchase.subscription_id), plan["terms"],
                operations=spec["operations"], objects=document["objects"],
            )  # fmt: skip
            bought.append((agreement, purchase.session))
    return bought


def request_document() -> dict[str, Any]:
    """What a visitor asks for: the two objects that it attends to, at the link's full rate."""
    return {
        "schema": "s4m/request/1", "scenario": "virtual_travelling", "service": SERVICE, "users": 1, "isolation": 0,
        "qoe": {"immersion_floor": 0.3, "rate_mbps": 1000, "latency_ms": 1.5, "reliability": 0.99},
        "objects": [{"object": kind, "attention": 5} for kind in OBJECTS],
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

    bought = await asyncio.to_thread(buy, house, visitors)
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
    return {"phases": [asdict(p) for p in plan], "done_s": done, **judged(frames, plan, done),
            "frames": [asdict(frame) for frame in frames]}  # fmt: skip


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


def as_delivered(frames: Sequence[dict[str, Any]], field: str) -> tuple[list[float], list[float]]:
    """Times and values, frame by frame; while none comes for `GAP_S`, immersion is 0 and all else unknown."""
    none = 0.0 if field == "immersion" else math.nan
    times, values = [frames[0]["t"]], [frames[0][field]]
    for before, frame in pairwise(frames):
        if frame["t"] - before["t"] > GAP_S:
            times += [before["t"], frame["t"]]
            values += [none, none]
        times.append(frame["t"])
        values.append(frame[field])
    return times, values


def draw(data: dict[str, Any], folder: Path) -> list[Path]:
    """Immersion, R and price over time, one above the other; dots are frames."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    frames, end = data["frames"], data["phases"][-1]["end"]
    for frame in frames:
        frame |= {"rate_mbps": frame["rate_bps"] / 1e6, "price": frame["units"] / frame["quantity"]}
    rows = (
        ("immersion", "Meta-Immersion\nof a delivered frame"),
        ("rate_mbps", "R measured, Mb/s"),
        ("price", "units billed\nfor a K"),
    )
    figure, panels = plt.subplots(3, 1, figsize=(8, 7.5), sharex=True, layout="constrained")
    for panel, (field, label) in zip(panels, rows, strict=True):
        panel.plot([f["t"] for f in frames], [f[field] for f in frames], ".", ms=5, color="0.55", label="a frame")
        panel.plot(*as_delivered(frames, field), color="black", lw=1.2, label="as delivered to all visitors")
        panel.set(ylabel=label, ylim=(0, 1.15 * max(frame[field] for frame in frames)))
        panel.grid(alpha=0.3)
        shade(panel, data)
    panels[0].axhline(0.5, ls="--", color="black", lw=1, label="the plan's floor")
    panels[0].legend(fontsize=8, loc="lower left")
    for phase in data["phases"]:
        middle = (phase["start"] + phase["end"]) / 2
        panels[0].text(middle, 1.03, phase["name"], ha="center", transform=panels[0].get_xaxis_transform(), fontsize=8)
    panels[-1].set(
        xlabel="seconds since the first frame (no frame for over half a second: immersion is 0)", xlim=(0, end)
    )
    names = [folder / f"disturbance.{ending}" for ending in ("png", "svg")]
    for name in names:
        figure.savefig(name, dpi=150)
    plt.close(figure)
    return names


def shade(panel: Any, data: dict[str, Any]) -> None:
    """Hatch the disturbances, so that they are seen in black and white; the kill until the first frame after it."""
    done, end = data["done_s"], data["phases"][-1]["end"]
    back = end if data["first_frame_after_kill_s"] is None else done["killed"] + data["first_frame_after_kill_s"]
    for span in ((done["halved"], done["whole_again"]), (done["killed"], back)):
        panel.axvspan(*span, facecolor="0.93", edgecolor="0.8", hatch="//", lw=0, zorder=0)


def main(arguments: list[str] | None = None) -> int:
    """Runs, writes and says where; 1 where what should hold did not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visitors", type=int, default=3, help="1 to 8 (default 3)")
    parser.add_argument("--phase", type=float, default=10.0, help="length of each of the four phases, seconds")
    parser.add_argument("--out", type=Path, default=Path("out/figures"))
    options = parser.parse_args(arguments)
    if not 1 <= options.visitors <= 8 or options.phase < LEAST_PHASE_S:
        parser.error(f"--visitors must be 1 to 8 and --phase at least {LEAST_PHASE_S:g} s")
    from s4m.supervisor import House

    with (
        tempfile.TemporaryDirectory(prefix="s4m-figure-", ignore_cleanup_errors=True) as home,
        House.start(Path(home), port_base=0) as house,
    ):
        data = asyncio.run(run(house, options.visitors, phases(options.phase)))
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "disturbance.json").write_text(json.dumps(data, indent=1) + "\n")
    for name in draw(data, options.out):
        print(f"wrote {name}")
    print(json.dumps({name: data[name] for name in ("means", "rate_halved_over_whole", "first_frame_after_kill_s")}))
    if not data["holds"]:
        print("the link did not halve R, or the renderer did not come back in time", file=sys.stderr)
    return 0 if data["holds"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
