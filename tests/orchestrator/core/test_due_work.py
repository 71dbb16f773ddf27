"""What a row asks for: a table of chain status, state and time against the work that is due."""

from typing import Any, cast

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator import store as tables
from orchestrator.pipeline import Dispatcher, EndReason, Kind, Pipeline, due_work, end_reason
from orchestrator.store import ChainStatus, Row, ServiceState, Store

DEADLINE, PAID_THROUGH = 1_000, 2_000


def row_of(store: Store, **changes: Any) -> Row:
    """A row as the database gives it."""
    values = {
        "subscription_id": "18446744078004518913",
        "plan_id": "4294967297",
        "buyer": "0xb",
        "signer": "0x5",
        "cap": "10",
        "requirements_hash": "0x00",
        "block_number": 1,
        "deadline": DEADLINE,
        "paid_through": PAID_THROUGH,
        "prepaid": True,
        "chain_status": ChainStatus.PURCHASED.value,
        "state": ServiceState.REQUESTED.value,
        **changes,
    }
    with store.writer.begin() as writer:
        writer.execute(sa.delete(tables.SERVICES))
        writer.execute(sa.insert(tables.SERVICES).values(values))
        found = tables.service(writer, values["subscription_id"])
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("chain", "final", "reason"),
    [
        (ChainStatus.PURCHASED, DEADLINE, None),
        (ChainStatus.PURCHASED, DEADLINE + 1, EndReason.DEADLINE),
        (ChainStatus.ACTIVE, PAID_THROUGH, None),
        (ChainStatus.ACTIVE, PAID_THROUGH + 1, EndReason.LAPSED),
        (ChainStatus.RELEASING, 0, EndReason.RELEASED),
        (ChainStatus.RELEASED, 0, EndReason.RELEASED),
        (ChainStatus.REFUNDED, 0, EndReason.REFUNDED),
    ],
)
def test_the_final_chain_says_when_a_service_ends(
    store: Store, chain: ChainStatus, final: int, reason: EndReason | None
) -> None:
    assert end_reason(row_of(store, chain_status=chain.value), final) == reason


def test_a_plan_without_periods_never_lapses(store: Store) -> None:
    row = row_of(store, chain_status=ChainStatus.ACTIVE.value, prepaid=False, paid_through=1)
    assert end_reason(row, 10**9) is None


@pytest.mark.parametrize(
    ("state", "ended", "kind"),
    [
        (ServiceState.REQUESTED, False, Kind.INSTANTIATE),
        (ServiceState.REQUESTED, True, Kind.RELEASE),
        (ServiceState.PREPARING, False, None),
        (ServiceState.PREPARING, True, None),
        (ServiceState.PLANNING, True, None),
        (ServiceState.RUNNING, False, None),
        (ServiceState.RUNNING, True, Kind.RELEASE),
        (ServiceState.ACTIVE, True, Kind.RELEASE),
        (ServiceState.REFUSED, True, None),
        (ServiceState.DECOMMISSIONED, True, None),
    ],
)
def test_a_service_in_the_making_is_left_alone_and_ended_afterwards(
    store: Store, state: ServiceState, ended: bool, kind: Kind | None
) -> None:
    status = ChainStatus.REFUNDED if ended else ChainStatus.PURCHASED
    work = due_work(row_of(store, state=state.value, chain_status=status.value), 0, 0)
    assert (work.kind if work else None) == kind


def test_the_workflows_id_is_the_chains_id_and_the_attempt(store: Store) -> None:
    work = due_work(row_of(store, attempt=3), 0, 0)
    assert work is not None
    assert work.workflow_id == "instantiate:18446744078004518913:3"


def test_a_postponed_attempt_waits_for_its_time(store: Store) -> None:
    row = row_of(store, due_ms=500)
    assert due_work(row, 0, 499) is None
    assert due_work(row, 0, 500) is not None


def test_an_activation_that_comes_with_the_time_is_not_overlooked(store: Store) -> None:
    """The listener stores the activation and the later time at once, between two reads of the dispatcher."""
    row = row_of(store, state=ServiceState.RUNNING.value)

    def commit_and_tell() -> int:
        with store.writer.begin() as writer:
            tables.amend(writer, row["subscription_id"], chain_status=ChainStatus.ACTIVE.value)
        return DEADLINE + 1

    dispatcher = Dispatcher(cast("Pipeline", None), store, commit_and_tell, max_parallel=1)
    assert dispatcher.dispatch() == 0


@settings(max_examples=40, deadline=None)
@given(moves=st.lists(st.tuples(st.sampled_from(ServiceState), st.sets(st.sampled_from(ServiceState))), max_size=12))
def test_a_row_moves_only_from_where_it_stands(
    tmp_path_factory: pytest.TempPathFactory, moves: list[tuple[ServiceState, set[ServiceState]]]
) -> None:
    store = tables.open_store(f"sqlite:///{tmp_path_factory.mktemp('move') / 'engine.db'}")
    row = row_of(store)
    for target, allowed in moves:
        before = row["state"]
        with store.writer.begin() as writer:
            moved = tables.move(writer, row["subscription_id"], target, allowed)
            row = tables.service(writer, row["subscription_id"]) or row
        assert moved == (before in {state.value for state in allowed})
        assert row["state"] == (target.value if moved else before)
    store.close()
