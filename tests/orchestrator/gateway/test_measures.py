"""What the gateway tells of users' newest frames: to the orchestrator alone, bounded in time and number."""

from typing import Any

import httpx
from gateway_house import NEVER, OBJECTS, GatewayHouse

from orchestrator.gateway import measures
from orchestrator.gateway.measures import WINDOW_S, MeasureBoard
from orchestrator.measures import Measures

INFO = {"rate_bps": 4e8, "bep": 0.001, "tiles": [{"object": 4, "w": 96, "h": 48}, {"object": 9, "w": 96, "h": 96}]}


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def noted(board: MeasureBoard, name: str, **info: Any) -> None:
    board.note(name, 0.5, {4: 5.0, 9: 3.0, 11: 1.0}, {**INFO, **info}, 6_000)


def names(board: MeasureBoard) -> list[str]:
    return [one.subscription_id for one in board.recent().measures]


def test_note_frame_measured_at_the_papers_scale_with_all_that_was_asked_for() -> None:
    board = MeasureBoard(Clock())
    noted(board, "7")
    (one,) = board.recent().to_json()["measures"]
    assert one == {
        "subscriptionId": "7",
        "at": 1_000.0,
        "rateBps": 4e8,
        "bitError": 0.001,
        "bitsPerK": 6_000 * 8 * 100 / 3,
        "floor": 0.5,
        "objects": [
            {"object": 4, "attention": 5.0, "k": 1.0},
            {"object": 9, "attention": 3.0, "k": 2.0},
            {"object": 11, "attention": 1.0, "k": 0.0},
        ],
    }


def test_note_newer_frame_replaces_the_older_one() -> None:
    board = MeasureBoard(Clock())
    for rate_bps in (4e8, 1e8):
        noted(board, "7", rate_bps=rate_bps)
    assert [one.rate_bps for one in board.recent().measures] == [1e8]


def test_note_nothing_carried_or_shown_measures_nothing() -> None:
    board = MeasureBoard(Clock())
    noted(board, "1", rate_bps=0.0)
    noted(board, "2", tiles=[])
    assert names(board) == []


def test_recent_older_than_the_window_or_without_route_forgotten() -> None:
    clock = Clock()
    board = MeasureBoard(clock)
    noted(board, "1")
    clock.now += WINDOW_S / 2
    noted(board, "2")
    noted(board, "3")
    board.forget("3")
    clock.now += WINDOW_S / 2 + 0.1
    assert names(board) == ["2"]


def test_note_more_than_there_is_room_for_the_oldest_goes(monkeypatch: Any) -> None:
    monkeypatch.setattr(measures, "MOST_MEASURES", 2)
    board = MeasureBoard(Clock())
    for name in ("1", "2", "3"):
        noted(board, name)
    assert names(board) == ["2", "3"]


async def test_measures_after_a_frame_tell_it_to_the_orchestrator(
    house: GatewayHouse, operators: httpx.AsyncClient
) -> None:
    bought = await house.served()
    session = await house.session(bought, habit=NEVER)
    use = await session.use("frame", {"budget_k": 40})
    await session.use("souvenir", {"object": 4})
    told = Measures.model_validate((await operators.get("/measures")).json()).measures
    (one,) = [each for each in told if each.subscription_id == str(bought.id)]
    assert one.rate_bps == use.info["rate_bps"]
    assert one.bit_error == use.info["bep"]
    assert one.floor == 0.5
    assert {each.object: each.attention for each in one.objects} == {o["object"]: o["attention"] for o in OBJECTS}
    assert one.delivered_k == sum(tile["w"] * tile["h"] for tile in use.info["tiles"]) / 4608
    await session.close()


async def test_measures_asked_by_another_component_denied(house: GatewayHouse) -> None:
    async with house.component("operator") as client:
        answer = await client.get("/measures")
    assert answer.status_code == 403
