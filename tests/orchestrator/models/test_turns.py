"""Fair turns of an instance that tenants share: by order and count, in values, threads and a real sandbox."""

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.models.turns import LEAST_SECONDS, MOST_WAITING, PLACES, Busy, FairQueue, Ticket, Turns
from orchestrator.runtime import unix_http
from orchestrator.runtime.port import InstanceSpec
from orchestrator.runtime.sandbox import SandboxRuntime

Coming = list[tuple[str, int, float]]
"""(tenant, weight, seconds that its call takes)"""


def order(queue: FairQueue, coming: Coming) -> list[str]:
    """All come at once; one after the other is let in and takes its time."""
    costs = {}
    for tenant, weight, seconds in coming:
        ticket = Ticket(tenant, weight)
        costs[id(ticket)] = (ticket, seconds)
        queue.come(ticket)
    let_in = []
    while (ticket := queue.next()) is not None:
        let_in.append(ticket.tenant)
        queue.done(ticket, costs[id(ticket)][1])
    assert len(let_in) == len(coming)
    return let_in


def test_one_call_does_not_wait_for_anothers_flood() -> None:
    came = order(FairQueue(1), [("flood", 1, 0.1)] * 50 + [("other", 1, 0.1)])
    assert came.index("other") <= 1


def test_equal_tenants_take_turns_whoever_sends_more() -> None:
    came = order(FairQueue(1), [("flood", 1, 0.1)] * 50 + [("other", 1, 0.1)] * 10)
    assert Counter(came[:20]) == {"flood": 10, "other": 10}


def test_longer_calls_are_let_in_less_often() -> None:
    came = order(FairQueue(1), [("long", 1, 0.4)] * 50 + [("short", 1, 0.1)] * 50)
    assert Counter(came[:50])["short"] == pytest.approx(40, abs=2)


def test_turns_are_weighted_by_what_is_granted() -> None:
    came = order(FairQueue(1), [("small", 100, 0.1)] * 60 + [("large", 300, 0.1)] * 60)
    assert Counter(came[:40])["large"] == pytest.approx(30, abs=2)


def test_who_was_idle_has_saved_nothing_up() -> None:
    queue = FairQueue(1)
    order(queue, [("busy", 1, 1.0)] * 20)
    came = order(queue, [("busy", 1, 1.0)] * 10 + [("idle", 1, 1.0)] * 10)
    assert Counter(came[:10])["idle"] == pytest.approx(5, abs=1)


def test_calls_without_work_are_turns_too() -> None:
    came = order(FairQueue(1), [("nothing", 1, 0.0)] * 50 + [("little", 1, LEAST_SECONDS)] * 10)
    assert Counter(came[:20])["little"] == 10


def test_a_tenant_never_has_more_than_half_the_places() -> None:
    queue = FairQueue(PLACES)
    for _ in range(20):
        queue.come(Ticket("flood", 1))
    let_in = [ticket for ticket in iter(queue.next, None) if ticket]
    assert len(let_in) == PLACES // 2
    queue.come(Ticket("other", 1))
    other = queue.next()
    assert other is not None
    assert other.tenant == "other"


def test_a_tenant_with_too_many_waiting_is_told_so_and_nobody_else_is() -> None:
    queue = FairQueue(1)
    for _ in range(MOST_WAITING):
        queue.come(Ticket("flood", 1))
    with pytest.raises(Busy, match="wait for their answers"):
        queue.come(Ticket("flood", 1))
    queue.come(Ticket("other", 1))


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(1, 5), st.floats(0, 10)),
        min_size=1,
        max_size=50,
    ),
    st.integers(1, 5),
)
def test_everybody_is_let_in_once_and_each_tenants_calls_in_their_order(coming: Coming, places: int) -> None:
    queue, expected = (
        FairQueue(places),
        {tenant: [n for n, one in enumerate(coming) if one[0] == tenant] for tenant in "abc"},
    )
    numbers = {}
    for number, (tenant, weight, _) in enumerate(coming):
        ticket = Ticket(tenant, weight)
        numbers[ticket] = number
        queue.come(ticket)
    seen: dict[str, list[int]] = {tenant: [] for tenant in "abc"}
    working: list[Ticket] = []
    while working or not all(seen[tenant] == expected[tenant] for tenant in "abc"):
        while (ticket := queue.next()) is not None:
            working.append(ticket)
            seen[ticket.tenant].append(numbers[ticket])
        assert working, "somebody waits and nobody works"
        assert len(working) <= places
        ended = working.pop(0)
        queue.done(ended, coming[numbers[ended]][2])
    assert seen == expected


def test_a_call_that_fails_leaves_its_place() -> None:
    turns = Turns(1)
    for _ in range(3):
        with pytest.raises(ValueError, match="inside"), turns.turn("a", 1):
            raise ValueError("inside")
    done = threading.Event()
    with turns.turn("b", 1):
        done.set()
    assert done.is_set()


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[SandboxRuntime]:
    running = SandboxRuntime(tmp_path / "home")
    yield running
    running.delete_all()


def test_in_a_shared_instance_a_tenant_that_floods_does_not_starve_another(runtime: SandboxRuntime) -> None:
    grant = {"computing_mcores": 4000}
    socket = runtime.ensure(InstanceSpec("shared-1", "orchestrator.models.infrastructure", grant, 128)).socket
    answered: list[str] = []

    def call(tenant: str) -> None:
        body = {"params": {"seconds": 0.05}, "tenant": tenant}
        assert unix_http.ask_json(socket, "/capacity", body, timeout_s=120).status == 200
        answered.append(tenant)

    with ThreadPoolExecutor(60) as threads:
        flood = [threads.submit(call, "flood") for _ in range(60)]
        while "flood" not in answered:
            wait(flood, timeout=0.01)
        for _ in range(5):
            call("other")
        before = Counter(answered)
        wait(flood)
    assert before["other"] == 5
    assert before["flood"] < 45, "the flood was served before one call of the other's each time"
    assert Counter(answered) == {"flood": 60, "other": 5}
