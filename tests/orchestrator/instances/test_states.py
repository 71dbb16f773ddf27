"""The tables of moves: every pair of state and move is either in the table or refused by name."""

import itertools

import pytest
import sqlalchemy as sa

from orchestrator.instances import IllegalMove, ModelState, MsiMove, MsiState, after, take_turn
from orchestrator.instances.models import ModelInstance, Use, add_instance, add_uses, drop_uses, instance
from orchestrator.instances.states import MODEL_MOVES, MSI_MOVES, SHARE_MOVES, ModelMove, ShareMove, ShareState
from orchestrator.resources import Isolation, ResourceVector
from orchestrator.resources.pool import supply
from orchestrator.store import open_store


def test_an_msi_lives_through_the_phases_of_the_paper() -> None:
    state = MsiState.PREPARATION
    passed = [state]
    for move in (MsiMove.PLAN, MsiMove.ACTIVATE, MsiMove.DECOMMISSION, MsiMove.FINISH):
        state = after(MSI_MOVES, state, move)
        passed.append(state)
    assert [str(one) for one in passed] == ["preparation", "planning", "running", "decommission", "gone"]


@pytest.mark.parametrize(("state", "move"), list(itertools.product(MsiState, MsiMove)))
def test_every_other_move_of_an_msi_is_refused(state: MsiState, move: MsiMove) -> None:
    if (state, move) in MSI_MOVES:
        assert after(MSI_MOVES, state, move) is MSI_MOVES[state, move]
        return
    with pytest.raises(IllegalMove, match=f"{state} does not allow {move}"):
        after(MSI_MOVES, state, move)


def test_ends_are_ends() -> None:
    for state in (MsiState.GONE, MsiState.FAILED):
        assert not [move for one, move in MSI_MOVES if one is state]
    for model in (ModelState.GONE, ModelState.FAILED):
        assert not [move for one, move in MODEL_MOVES if one is model]


def test_a_share_in_the_making_can_be_drained_and_one_that_ended_can_be_tried_again() -> None:
    assert after(SHARE_MOVES, ShareState.PLANNING, ShareMove.DRAIN) is ShareState.DRAINING
    assert after(SHARE_MOVES, ShareState.REFUSED, ShareMove.RETRY) is ShareState.PLANNING
    with pytest.raises(IllegalMove):
        after(SHARE_MOVES, ShareState.RELEASED, ShareMove.ACTIVATE)


def test_a_stopping_model_never_starts_again() -> None:
    with pytest.raises(IllegalMove):
        after(MODEL_MOVES, ModelState.STOPPING, ModelMove.START)


def model(max_shares: int) -> ModelInstance:
    return ModelInstance(
        instance_id="m-1",
        model="m",
        node_id="site-1",
        state=ModelState.RUNNING,
        isolation=Isolation.SHARED,
        cluster="ar_vr",
        msi_id="",
        supply=False,
        scale=1,
        max_shares=max_shares,
        shares=0,
        socket="",
        created_at=0,
        changed_at=0,
    )


def test_the_database_counts_shares_and_refuses_one_too_many(database: str) -> None:
    store = open_store(database)
    engine = store.writer
    with engine.begin() as rows:
        assert take_turn(rows, "pool") == 1
        supply(rows, "infrastructure-1", "site-1", ResourceVector(computing_mcores=1))
        add_instance(rows, model(max_shares=2))
        add_uses(rows, [Use(str(n), "role", "msi", "m-1", "reuse", "offer") for n in (1, 2)])
        found = instance(rows, "m-1")
        assert found is not None
        assert found.shares == 2
    with pytest.raises(sa.exc.IntegrityError, match="shares_within_bound"), engine.begin() as rows:
        add_uses(rows, [Use("3", "role", "msi", "m-1", "reuse", "offer")])
    with engine.begin() as rows:
        drop_uses(rows, "1", "msi")
        left = instance(rows, "m-1")
        assert left is not None
        assert left.shares == 1
    store.close()
