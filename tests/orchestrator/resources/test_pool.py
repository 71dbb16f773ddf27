"""The pool on a real database: no sequence of writes gives away more than there is."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from orchestrator.resources import RESOURCES, ResourceVector
from orchestrator.resources.pool import (
    ALLOCATIONS,
    METADATA,
    NODES,
    SUPPLIES,
    Allocation,
    OverAllocated,
    allocate,
    free_instance,
    free_share,
    nodes,
    supply,
    total,
    virtual_pool,
    withdraw,
)
from scripts.private_postgresql import PrivatePostgresql
from storage import database_url, is_postgresql


def open_pool(database: str = "sqlite://") -> sa.Engine:
    if is_postgresql(database):
        engine = sa.create_engine(database_url(database))
    else:
        engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
        sa.event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA foreign_keys=ON"))
    METADATA.create_all(engine)
    return engine


@pytest.fixture
def pool(database: str) -> Iterator[sa.Engine]:
    engine = open_pool(database)
    yield engine
    engine.dispose()


def computing(amount: int) -> ResourceVector:
    return ResourceVector(computing_mcores=amount)


def test_a_site_has_the_sum_of_what_its_suppliers_give(pool: sa.Engine) -> None:
    with pool.begin() as rows:
        supply(rows, "infrastructure-1", "site-1", computing(100))
        supply(rows, "platform-1", "site-1", ResourceVector(protocol_stack_sessions=5))
        supply(rows, "infrastructure-1", "site-1", computing(120))
        assert virtual_pool(rows).capacity == ResourceVector(computing_mcores=120, protocol_stack_sessions=5)


def test_an_allocation_beyond_the_room_is_refused_and_changes_nothing(pool: sa.Engine) -> None:
    with pool.begin() as rows:
        supply(rows, "infrastructure-1", "site-1", computing(100))
        allocate(rows, [Allocation("a", "site-1", "model-1", computing(90))])
    with pytest.raises(OverAllocated, match="computing_mcores"), pool.begin() as rows:
        allocate(rows, [Allocation("b", "site-1", "model-2", computing(11))])
    with pool.begin() as rows:
        assert virtual_pool(rows).used == computing(90)


def test_even_a_direct_write_cannot_over_allocate(pool: sa.Engine) -> None:
    with pool.begin() as rows:
        supply(rows, "infrastructure-1", "site-1", computing(100))
    direct = sa.insert(ALLOCATIONS).values(allocation_id="x", node_id="site-1", instance_id="m", computing_mcores=101)
    with pytest.raises(sa.exc.IntegrityError), pool.begin() as rows:
        rows.execute(direct)
    with pytest.raises(sa.exc.IntegrityError), pool.begin() as rows:
        rows.execute(sa.update(NODES).values(used_computing_mcores=101))


def test_a_supply_that_something_stands_on_cannot_be_withdrawn(pool: sa.Engine) -> None:
    with pool.begin() as rows:
        supply(rows, "infrastructure-1", "site-1", computing(100))
        allocate(rows, [Allocation("a", "site-1", "model-1", computing(1))])
    with pytest.raises(OverAllocated), pool.begin() as rows:
        withdraw(rows, "infrastructure-1")
    with pool.begin() as rows:
        free_instance(rows, "model-1")
        withdraw(rows, "infrastructure-1")
        assert virtual_pool(rows).capacity == ResourceVector()


AMOUNTS = st.builds(ResourceVector, *(st.integers(0, 60) for _ in RESOURCES))
NAMES = st.sampled_from(["a", "b", "c", "d"])


class PoolMachine(RuleBasedStateMachine):
    """Any order of supplies, allocations and releases, against the database's own sums."""

    database = "sqlite://"

    @initialize()
    def open(self) -> None:
        self.engine = open_pool(self.database)
        with self.engine.begin() as rows:
            for table in (ALLOCATIONS, SUPPLIES, NODES):
                rows.execute(sa.delete(table))
        self.held: dict[str, Allocation] = {}

    def teardown(self) -> None:
        if hasattr(self, "engine"):
            self.engine.dispose()

    @rule(supplier=NAMES, amounts=AMOUNTS)
    def supplies(self, supplier: str, amounts: ResourceVector) -> None:
        try:
            with self.engine.begin() as rows:
                supply(rows, supplier, "site-1", amounts)
        except OverAllocated:
            pass

    @rule(name=NAMES, share=st.sampled_from(["1", "2"]), amounts=AMOUNTS)
    def allocates(self, name: str, share: str, amounts: ResourceVector) -> None:
        wanted = Allocation(f"{share}/{name}", "site-1", name, amounts, share)
        try:
            with self.engine.begin() as rows:
                room = virtual_pool(rows)
                mine = self.held.get(wanted.allocation_id)
                there = bool(nodes(rows)) and amounts.fits(
                    room.capacity - room.used + (mine.amounts if mine else computing(0))
                )
                allocate(rows, [wanted])
        except OverAllocated:
            assert not there
            return
        assert there or not amounts
        if amounts:
            self.held[wanted.allocation_id] = wanted

    @rule(name=NAMES, share=st.sampled_from(["1", "2"]))
    def releases(self, name: str, share: str) -> None:
        with self.engine.begin() as rows:
            free_share(rows, name, share)
        self.held.pop(f"{share}/{name}", None)

    @invariant()
    def never_over_allocated_and_always_the_sum(self) -> None:
        with self.engine.begin() as rows:
            room = virtual_pool(rows)
        assert room.used.fits(room.capacity)
        assert min(astuple(room.used)) >= 0
        assert room.used == total(one.amounts for one in self.held.values())


PoolMachine.TestCase.settings = settings(
    max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
TestPoolMachine = PoolMachine.TestCase


def test_the_same_holds_on_postgresql(postgresql: PrivatePostgresql) -> None:
    class OnPostgresql(PoolMachine):
        database = postgresql.create()

    run_state_machine_as_test(OnPostgresql, settings=settings(PoolMachine.TestCase.settings, max_examples=10))


def test_two_at_once_cannot_give_away_the_same_room_on_postgresql(postgresql: PrivatePostgresql) -> None:
    """Without any turn: the row of the node and its CHECK alone."""
    engine = open_pool(postgresql.create())
    with engine.begin() as rows:
        supply(rows, "infrastructure-1", "site-1", computing(100))

    def take(number: int) -> bool:
        try:
            with engine.begin() as rows:
                allocate(rows, [Allocation(f"a{number}", "site-1", f"model-{number}", computing(30))])
        except OverAllocated:
            return False
        return True

    with ThreadPoolExecutor(8) as takers:
        won = list(takers.map(take, range(8)))
    with engine.begin() as rows:
        assert sum(won) == 3
        assert virtual_pool(rows).used == computing(90)
    engine.dispose()
