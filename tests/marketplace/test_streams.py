"""Streams of the API: progress of a purchase, activity of the chain; resumed, bounded, slow readers cut off."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from market_yard import Market
from starlette.types import Message

from ledger.devnet import Devnet
from ledger.keys import WalletKey
from marketplace.answers import ServiceSide
from marketplace.places import Place
from marketplace.streams import Event, EventStream, Readers
from marketplace.subscriptions.progress import Mark, told
from marketplace.wallet.client import Purchase

SSE = {"Accept": "text/event-stream"}
TIMES = {"final": 1000, "preparing": 1100, "stepI": 1200, "planning": 1200, "stepII": 1500, "stepIII": 1500,
         "running": 1500}  # fmt: skip


@pytest.fixture(scope="module")
def bought(market: Market, funded_wallet: Any) -> Purchase:
    wallet: WalletKey = funded_wallet(credits=100)
    plan = market.plans["virtual-beach-travel"]
    return market.client.buy_only(wallet, plan, market.request(), 10, 1, store=market.store)


def events(url: str, count: int, **headers: str) -> list[dict[str, Any]]:
    """The first events of a stream."""
    found: list[dict[str, Any]] = []
    with httpx.stream("GET", url, headers=SSE | headers, timeout=20) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for event in frames(answer.iter_lines()):
            found.append(event)
            if len(found) == count:
                break
    return found


def frames(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    event: dict[str, Any] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if line == "" and "data" in event:
            yield event
        if line == "":
            event = {}
        elif name in ("id", "event", "data"):
            event[name] = json.loads(value) if name == "data" else value


def test_progress_tells_the_purchase_and_goes_on_after_it(market: Market, bought: Purchase) -> None:
    path = f"{market.url}/api/v1/subscriptions/{bought.subscription_id}/events"
    first = events(path, 1)[0]
    assert (first["event"], first["data"]["name"]) == ("chain", "Subscribed")
    assert first["data"]["detail"]["txHash"] == bought.tx_hash
    assert httpx.get(path).json()["items"] == [first["data"]]
    assert httpx.get(path, headers={"Last-Event-ID": first["id"]}).json()["items"] == []


@pytest.mark.parametrize("last", ["x", "1", "1.2~", "~5"])
def test_a_foreign_id_is_refused(market: Market, bought: Purchase, last: str) -> None:
    path = f"{market.url}/api/v1/subscriptions/{bought.subscription_id}/events"
    answer = httpx.get(path, headers={"Last-Event-ID": last})
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_cursor")


def test_progress_of_nothing_is_refused(market: Market) -> None:
    assert httpx.get(f"{market.url}/api/v1/subscriptions/5/events").json()["code"] == "unknown_subscription"


def test_steps_are_told_in_order_and_none_is_lost_wherever_a_reader_is_cut() -> None:
    service: ServiceSide = {"state": "running", "times": TIMES}
    whole = told([], service)
    assert [event["name"] for _, event in whole] == list(TIMES)
    for index, (mark, _) in enumerate(whole):
        rest = [event["name"] for _, event in told([], service, Mark.parse(str(mark)))]
        assert rest[-len(whole) + index + 1 :] == list(TIMES)[index + 1 :] or index == len(whole) - 1
        assert set(list(TIMES)[index + 1 :]) <= set(rest)


def test_a_second_attempt_hides_the_times_of_the_first() -> None:
    service: ServiceSide = {"state": "preparing", "times": {**TIMES, "preparing": 2000}}
    assert [event["name"] for _, event in told([], service)] == ["final", "preparing"]


def test_a_refusal_is_told_with_its_reason() -> None:
    refusal = {"code": "no_capacity", "detail": "germany: rendering lacks 40 K."}
    service: ServiceSide = {"state": "refused", "times": {"final": 1, "refused": 2}, "refusal": refusal}
    assert told([], service)[-1][1]["detail"] == {"refusal": refusal}


def test_activity_is_listed_newest_first_in_pages(market: Market, bought: Purchase) -> None:
    asked = {"subscriptionId": str(bought.subscription_id)}
    own = httpx.get(f"{market.url}/api/v1/activity", params=asked).json()["items"]
    assert [event["name"] for event in own] == ["Subscribed"]
    page = httpx.get(f"{market.url}/api/v1/activity?limit=5").json()
    following = httpx.get(market.url + page["next"]).json()
    places = [Place.parse(event["place"]) for event in page["items"] + following["items"]]
    assert places == sorted(set(places), reverse=True)
    assert all(event["at"] > 1_600_000_000 for event in page["items"])


def test_activity_comes_as_it_happens_and_is_taken_up_again(market: Market, bought: Purchase) -> None:
    path = f"{market.url}/api/v1/activity/stream"
    first, second = events(f"{path}?since=0.0", 2)
    again = events(path, 1, **{"Last-Event-ID": first["id"]})[0]
    assert again == second
    assert Place.parse(first["data"]["place"]) < Place.parse(second["data"]["place"])


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_reorganisation_is_told_and_what_stands_is_sent_anew(own_devnet: tuple[Devnet, Market, WalletKey]) -> None:
    devnet, market, buyer = own_devnet
    devnet.mine(3)
    plan = market.plans["virtual-beach-travel"]
    market.client.buy_only(buyer, plan, market.request(), 10, 1, store=market.store)
    last = httpx.get(f"{market.url}/api/v1/activity?limit=1&name=Subscribed").json()["items"][0]
    devnet.reorg(2)
    mark = f"{last['place']}.{last['txHash'][2:10]}"
    told_anew = events(f"{market.url}/api/v1/activity/stream", 2, **{"Last-Event-ID": mark})
    assert told_anew[0]["event"] == "reorganised"
    assert told_anew[1]["event"] != "Subscribed"


def test_readers_are_bounded(market: Market, bought: Purchase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(market.parts.activity_readers, "most", 0)
    answer = httpx.get(f"{market.url}/api/v1/activity/stream", headers=SSE)
    assert (answer.status_code, answer.json()["code"]) == (503, "too_many_readers")


async def endless() -> AsyncIterator[Event | None]:
    while True:
        yield Event("1", "chain", {"name": "Subscribed"})


async def never() -> Message:
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


async def test_a_reader_that_takes_nothing_loses_its_place() -> None:
    readers, frames_sent = Readers(1), 0

    async def stuck(message: Message) -> None:
        nonlocal frames_sent
        frames_sent += 1
        if frames_sent > 3:
            await asyncio.Event().wait()

    stream = EventStream(endless(), readers, slow_s=0.05)
    await stream({"type": "http"}, never, stuck)
    readers.leave(readers.enter())  # the place is free again


async def test_a_reader_that_hangs_up_frees_its_place() -> None:
    readers = Readers(1)

    async def gone() -> Message:
        return {"type": "http.disconnect"}

    async def taken(_message: Message) -> None:
        await asyncio.sleep(0)

    await EventStream(endless(), readers)({"type": "http"}, gone, taken)
    readers.leave(readers.enter())
