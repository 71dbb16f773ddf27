"""A local controller on a live house: a traveller's link falls, and his neighbour on the server gets the rendering."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from core_house import SERVICE, CoreHouse
from core_wait import wait_for

from ledger.values import SubscriptionId, from_hex, to_hex
from marketplace.wallet.use import Agreement, UsageSession
from orchestrator.models.manifests import service_named

OBJECTS = 14
SUPPLY_K = 4_000
PARTY = 14
"""Travellers of a subscription that looks at nothing: they leave 500 K of the server to the two who do."""


@dataclass
class Traveller:
    """Looks at frames without a pause; his device reports what its radio gives."""

    subscription: SubscriptionId
    session: UsageSession
    rate_mbps: float
    shown_k: float = 0.0
    """of the newest frame"""
    frames: int = 0
    leaving: asyncio.Event = field(default_factory=asyncio.Event)

    async def look(self) -> None:
        while not self.leaving.is_set():
            radio = {"rate_mbps": self.rate_mbps, "snr_db": 60.0}
            use = await self.session.use("frame", {"view": {"x": float(self.frames)}}, radio=radio)
            self.shown_k = sum(tile["w"] * tile["h"] for tile in use.info["tiles"]) / 4608
            self.frames += 1


def request(house: CoreHouse, users: int, rate_mbps: int, attention: int) -> dict[str, Any]:
    qoe = {"immersion_floor": 0, "rate_mbps": rate_mbps, "latency_ms": 1.5, "reliability": 0.9}
    objects = [{"object": number, "attention": attention} for number in range(OBJECTS)]
    return house.request(users=users, qoe=qoe, objects=objects)


def bought(house: CoreHouse, document: dict[str, Any]) -> SubscriptionId:
    """Bought and running."""
    subscription = house.market.buy(house.plan, house.documents.put(document), cap=10**9)
    assert house.wait_state(subscription, "running", "refused")["state"] == "running"
    return subscription


async def arrived(house: CoreHouse, attention: int, rate_mbps: float) -> Traveller:
    """Bought, activated, with a session at the gateway."""
    document = request(house, 1, 1_000, attention)
    subscription = await asyncio.to_thread(bought, house, document)
    service = await asyncio.to_thread(house.service, subscription)
    signature = to_hex(house.market.activation(subscription, from_hex(service["endpointHash"])))
    signed = {"endpointHash": service["endpointHash"], "signature": signature}
    with house.client() as client:
        answer = await asyncio.to_thread(client.post, f"/subscriptions/{subscription}/activation", json=signed)
    assert answer.status_code < 300, answer.text
    await asyncio.to_thread(house.wait_state, subscription, "active")
    spec = service_named(SERVICE)
    agreement = await asyncio.to_thread(
        Agreement.read,
        house.market.contracts,
        subscription,
        spec.terms,
        operations=spec.document["operations"],
        objects=document["objects"],
    )
    session = await UsageSession.open(
        house.url("gateway"), agreement, house.market.sessions[subscription], grace_s=10.0
    )  # fmt: skip
    return Traveller(subscription, session, rate_mbps)


def is_measured(house: CoreHouse) -> bool:
    """VMOF's view has their MSI: its uses, their times and immersion, and that no room is left beside the party."""
    with house.client("orchestrator", "vmof", at="orchestrator") as client:
        (msi,) = client.get("/vmof/instances").json()["instances"]
    seen = msi["performance"]
    if seen is None or not seen["calls"] or seen["immersion"] is None:
        return False
    assert (seen["latencyMs"] > 0, seen["immersion"] > 0, seen["shares"], seen["errorRate"]) == (True, True, 3, 0.0)
    assert seen["freeShares"] == 0  # the party of fourteen and the two have the server's 4,000 K
    return True


def granted(house: CoreHouse) -> dict[str, int]:
    """Subscription → K; in sum never above what the one server has."""
    with house.client("orchestrator", "vmof", at="orchestrator") as client:
        grants = client.get("/vmof/instances", params={"grants": "true"}).json()["grants"]
    found = {name: int(grant.get("rendering_k", 0)) for name, grant in grants.items()}
    assert sum(found.values()) <= SUPPLY_K, found
    return found


async def until(true: Callable[[dict[str, int]], bool], house: CoreHouse, seconds: float = 40) -> float:
    """Waits until it is true of the grants; the seconds that it took."""
    begun = time.monotonic()
    await asyncio.to_thread(wait_for, lambda: true(granted(house)), seconds, house.tail)
    return time.monotonic() - begun


async def test_link_falls_the_neighbour_gets_the_rendering_and_gives_it_back(tmp_path: Path) -> None:
    with CoreHouse.running(tmp_path) as house:
        await asyncio.to_thread(bought, house, request(house, PARTY, 50, 1))
        one, two = await arrived(house, 5, 1_000.0), await arrived(house, 3, 1_000.0)
        first, second = str(one.subscription), str(two.subscription)
        before = await asyncio.to_thread(granted, house)
        assert (before[first], before[second]) == (250, 250)
        looking = [asyncio.create_task(traveller.look()) for traveller in (one, two)]
        try:
            await until(lambda grants: grants[first] > grants[second], house)
            one.rate_mbps = 200.0
            decided_s = await until(lambda grants: grants[second] > 250 > grants[first], house)
            shown_s = await until(lambda _: two.shown_k > 250 > one.shown_k > 0, house)
            print(f"link fell: granted after {decided_s:.2f} s, both frames so {shown_s:.2f} s later")
            one.rate_mbps = 1_000.0
            await asyncio.to_thread(wait_for, lambda: is_measured(house), 20, house.tail)
            back_s = await until(lambda grants: grants[first] > grants[second], house)
            print(f"link rose: granted after {back_s:.2f} s")
        finally:
            for traveller in (one, two):
                traveller.leaving.set()
            await asyncio.gather(*looking)
            for traveller in (one, two):
                await traveller.session.close()
        assert proposals(house)
        decided = [json.loads(line) for line in house.tail().splitlines() if "local.decided" in line]
        assert any(line["noticed"] == [first] and line["version"] == "local-1" for line in decided)


def test_house_where_nobody_looks_proposes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S4M_LOCAL_INTERVAL_S", "0.05")
    with CoreHouse.running(tmp_path) as house:
        bought(house, house.request())
        wait_for(lambda: asked(house) > 0)
        time.sleep(1.0)  # some twenty looks; the journal counts like calls in one row
        assert not proposals(house)


def asked(house: CoreHouse) -> int:
    """How often the gateway was asked for measures."""
    return (house.home / "journal" / "gateway.jsonl").read_text().count('"path":"/measures"')


def proposals(house: CoreHouse) -> int:
    """How often VMOF was asked for other grants."""
    return (house.home / "journal" / "orchestrator.jsonl").read_text().count('"path":"/grants"')
