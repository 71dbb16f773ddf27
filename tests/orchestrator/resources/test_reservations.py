"""Reservations by example: whose room it is, what is drawn first, and how it ends."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from test_pool import computing, open_pool

from orchestrator.resources.pool import (
    ALLOCATIONS,
    RESERVATIONS,
    Allocation,
    OverAllocated,
    allocate,
    free_share,
    nodes,
    supply,
)
from orchestrator.resources.reservations import (
    BadReservation,
    expire,
    find,
    kept_for,
    release_reservation,
    reserve,
)

NOW, LATER = 1000, 2000


@pytest.fixture
def pool() -> Iterator[sa.Engine]:
    engine = open_pool()
    with engine.begin() as rows:
        supply(rows, "infrastructure-1", "site-1", computing(100))
        reserve(rows, "r", "site-1", "ar_vr", computing(60), LATER, NOW)
    yield engine
    engine.dispose()


def holding(name: str, amount: int) -> list[Allocation]:
    return [Allocation(name, "site-1", f"model-{name}", computing(amount), name)]


def test_others_cannot_use_what_is_reserved_and_the_cluster_draws_it_first(pool: sa.Engine) -> None:
    with pool.begin() as rows:
        allocate(rows, holding("1", 40), "digital_twin", NOW)
    with pytest.raises(OverAllocated), pool.begin() as rows:
        allocate(rows, holding("2", 1), "digital_twin", NOW)
    with pool.begin() as rows:
        allocate(rows, holding("3", 50), "ar_vr", NOW)
        site = nodes(rows)[0]
        assert (site.used, site.reserved, site.free) == (computing(90), computing(10), computing(0))
        assert kept_for(rows, "ar_vr", NOW) == {"site-1": computing(10)}
        assert kept_for(rows, "digital_twin", NOW) == {}


def test_an_allocation_may_be_drawn_in_part_and_is_given_back_whole(pool: sa.Engine) -> None:
    with pool.begin() as rows:
        allocate(rows, holding("1", 75), "ar_vr", NOW)
        assert (nodes(rows)[0].used, nodes(rows)[0].reserved) == (computing(75), computing(0))
        assert rows.scalar(sa.select(sa.func.count()).select_from(ALLOCATIONS)) == 2
        allocate(rows, holding("1", 20), "ar_vr", NOW)
        assert (nodes(rows)[0].used, nodes(rows)[0].reserved) == (computing(20), computing(40))
        free_share(rows, "model-1", "1")
        assert (nodes(rows)[0].used, nodes(rows)[0].reserved) == (computing(0), computing(60))


def test_what_ends_frees_at_once_what_is_not_drawn_and_later_the_rest(pool: sa.Engine) -> None:
    with pool.begin() as rows:
        allocate(rows, holding("1", 25), "ar_vr", NOW)
        assert expire(rows, LATER - 1) == []
        assert expire(rows, LATER) == ["r"]
        assert (nodes(rows)[0].used, nodes(rows)[0].reserved) == (computing(25), computing(0))
        allocate(rows, holding("2", 75), "digital_twin", LATER)
        free_share(rows, "model-1", "1")
        assert nodes(rows)[0].free == computing(25)
        assert expire(rows, LATER) == []
        assert find(rows, "r") is None


def test_nothing_is_drawn_after_the_end_though_it_was_not_swept_yet(pool: sa.Engine) -> None:
    with pytest.raises(OverAllocated), pool.begin() as rows:
        allocate(rows, holding("1", 41), "ar_vr", LATER)


def test_it_may_grow_and_shrink_but_not_below_what_is_drawn(pool: sa.Engine) -> None:
    with pool.begin() as rows:
        allocate(rows, holding("1", 30), "ar_vr", NOW)
        reserve(rows, "r", "site-1", "ar_vr", computing(100), LATER, NOW)
        reserve(rows, "r", "site-1", "ar_vr", computing(30), LATER + 5, NOW)
    with pytest.raises(OverAllocated), pool.begin() as rows:
        reserve(rows, "r", "site-1", "ar_vr", computing(29), LATER, NOW)
    with pytest.raises(OverAllocated), pool.begin() as rows:
        reserve(rows, "s", "site-1", "digital_twin", computing(71), LATER, NOW)
    with pool.begin() as rows:
        assert release_reservation(rows, "r").until == LATER + 5
        assert nodes(rows)[0].free == computing(70)


def test_a_reservation_that_cannot_be_is_refused_by_name(pool: sa.Engine) -> None:
    for arguments in (
        ("s", "site-1", "ar_vr", computing(1), NOW),  # its end has passed
        ("s", "site-2", "ar_vr", computing(1), LATER),  # no such node
        ("r", "site-1", "digital_twin", computing(1), LATER),  # the id is another's
    ):
        with pytest.raises(BadReservation), pool.begin() as rows:
            reserve(rows, *arguments, NOW)


def test_no_direct_write_draws_more_than_is_reserved_or_at_another_node(pool: sa.Engine) -> None:
    with pool.begin() as rows:
        supply(rows, "infrastructure-2", "site-2", computing(100))
    for values in (
        {"node_id": "site-1", "computing_mcores": 61},
        {"node_id": "site-2", "computing_mcores": 1},
    ):
        direct = sa.insert(ALLOCATIONS).values(allocation_id="x", instance_id="m", reservation_id="r", **values)
        with pytest.raises(sa.exc.IntegrityError), pool.begin() as rows:
            rows.execute(direct)
    with pytest.raises(sa.exc.IntegrityError), pool.begin() as rows:
        rows.execute(sa.update(RESERVATIONS).values(computing_mcores=101))
