"""Another size for a share: where it stands, if that can be; what stays counts as free for itself, what moves not."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from test_greedy import RENDER, SERVER, SITE, STORE, candidates, request

from orchestrator.placement.adjust import Holding, adjusted
from orchestrator.resources import ResourceVector

HELD = Holding(
    "rendering", SERVER.instance_id, "site-1", ResourceVector(rendering_k=250), ResourceVector(computing_mcores=60)
)


def asking(rendering_k: int, computing_mcores: int = 60) -> object:
    return RENDER.model_copy(
        update={"resources": ResourceVector(rendering_k=rendering_k, computing_mcores=computing_mcores)}
    )


def test_it_grows_into_what_it_holds_itself() -> None:
    full = replace(SERVER, room=ResourceVector())
    decision = adjusted(request(asking(250)), candidates(full), [HELD])
    assert [(one.verdict, one.instance) for one in decision.placements] == [("reuse", SERVER.instance_id)]
    grown = adjusted(request(asking(251)), candidates(full), [HELD])
    assert [(one.verdict, one.instance) for one in grown.placements] == [("modify", SERVER.instance_id)]


def test_a_better_place_elsewhere_moves_nobody() -> None:
    fuller = replace(SERVER, instance_id="rendering-server-9", shares=15)
    decision = adjusted(request(asking(300)), candidates(SERVER, fuller), [HELD])
    assert [one.instance for one in decision.placements] == [SERVER.instance_id]


def test_who_cannot_stay_moves_beside_what_it_still_holds() -> None:
    """The site has 259 mcores free: with its own 60 a new server would fit, but these are held until it has moved."""
    largest = replace(SERVER, scale=2, room=ResourceVector())
    node = replace(SITE, free=ResourceVector(computing_mcores=259, storage_mib=100))
    refused = adjusted(request(asking(4_000)), candidates(largest, node=node), [HELD])
    assert not refused.feasible
    enough = replace(SITE, free=ResourceVector(computing_mcores=260, storage_mib=100))
    moved = adjusted(request(asking(4_000)), candidates(largest, node=enough), [HELD], "seed")
    assert [one.verdict for one in moved.placements] == ["create"]


def test_a_role_that_stays_is_not_moved_with_one_that_must() -> None:
    cache = replace(SERVER, instance_id="edge-cache-1", model="edge-cache", shares=1, room=ResourceVector())
    held = [HELD, Holding("cache", "edge-cache-1", "site-1", ResourceVector(), STORE.resources)]
    largest = replace(SERVER, scale=2, room=ResourceVector())
    view = replace(candidates(largest), instances={"rendering-server": (largest,), "edge-cache": (cache,)})
    decision = adjusted(request(asking(4_000), STORE), view, held, "seed")
    assert [(one.role, one.verdict) for one in decision.placements] == [("rendering", "create"), ("cache", "reuse")]


@given(
    amount=st.integers(1, 5_000), computing=st.integers(0, 900), room=st.integers(0, 3_750), free=st.integers(0, 1_000),
    scale=st.integers(1, 2),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_the_new_size_fits_where_the_decision_says(
    amount: int, computing: int, room: int, free: int, scale: int
) -> None:
    one = replace(SERVER, room=ResourceVector(rendering_k=room), scale=scale)
    node = replace(SITE, free=ResourceVector(computing_mcores=free, storage_mib=100))
    decision = adjusted(request(asking(amount, computing)), candidates(one, node=node), [HELD], "seed")
    if not decision.feasible:
        assert decision.needed
        return
    placed = decision.placements[0]
    opened = 0 if placed.verdict == "reuse" else 200
    if placed.instance == one.instance_id:
        assert amount <= room + 250 + (4_000 if placed.verdict == "modify" else 0)
        assert computing + opened <= free + 60
    else:
        assert amount <= 4_000
        assert computing + opened <= free
