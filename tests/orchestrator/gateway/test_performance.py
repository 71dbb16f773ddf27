"""What the gateway tells of how models and services answer: to the orchestrator alone, of the last minute."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from gateway_house import NEVER, GatewayHouse

from marketplace.wallet.use import UseRefused
from orchestrator.gateway.errors import ModelRefused, ModelUnavailable
from orchestrator.gateway.performance import HALF_S, LEAST_S, PerformanceBoard
from orchestrator.performance import Answered, Answers


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@contextmanager
def took(clock: Clock, board: PerformanceBoard, seconds: float) -> Iterator[None]:
    with board.models.timed("socket"):
        clock.now += seconds
        yield


def test_calls_add_up_over_both_halves_and_are_forgotten_after_them(clock: Clock) -> None:
    board = PerformanceBoard(clock)
    with took(clock, board, 2.0):
        pass
    assert board.recent() == Answers(
        window_s=LEAST_S, models={"socket": Answered(calls=1, failed=0, busy_s=2.0)}, services={}
    )
    clock.now += HALF_S
    with took(clock, board, 1.0):
        pass
    assert board.recent().models == {"socket": Answered(calls=2, failed=0, busy_s=3.0)}
    assert board.recent().window_s == HALF_S + 3.0
    clock.now += HALF_S
    assert board.recent().models == {"socket": Answered(calls=1, failed=0, busy_s=1.0)}
    clock.now += 2 * HALF_S
    assert board.recent() == Answers(window_s=HALF_S, models={}, services={})


def test_only_who_got_no_answer_has_failed(clock: Clock) -> None:
    board = PerformanceBoard(clock)
    with pytest.raises(ModelRefused), took(clock, board, 1.0):
        raise ModelRefused("it says no")
    with pytest.raises(ModelUnavailable), took(clock, board, 3.0):
        raise ModelUnavailable("it is gone")
    assert board.recent().models == {"socket": Answered(calls=2, failed=1, busy_s=4.0)}
    board.models.forget("socket")
    assert board.recent().models == {}


async def test_uses_are_told_to_the_orchestrator_with_the_models_that_answered(
    house: GatewayHouse, operators: httpx.AsyncClient
) -> None:
    bought = await house.served()
    session = await house.session(bought, habit=NEVER, patience_s=0.3)
    await session.use("frame", {"budget_k": 40})
    before = Answers.model_validate((await operators.get("/performance")).json())
    service, model = before.services[str(bought.id)], before.models[house.sockets["rendering"]]
    assert (service.calls, service.failed) == (1, 0)
    assert service.busy_s > 0
    assert model.calls >= 1
    house.runtime.delete("rendering")
    try:
        with pytest.raises(UseRefused):
            await session.use("frame", {"view": {"x": 7.0}})
    finally:
        house.ensure("rendering")
    after = Answers.model_validate((await operators.get("/performance")).json())
    assert after.services[str(bought.id)].failed >= 1
    assert after.models[house.sockets["rendering"]].failed > model.failed
    await session.close()


async def test_performance_asked_by_another_component_denied(house: GatewayHouse) -> None:
    async with house.component("operator") as client:
        answer = await client.get("/performance")
    assert answer.status_code == 403
