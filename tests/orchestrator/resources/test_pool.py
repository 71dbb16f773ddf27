"""The pool on a real database: no sequence of writes gives away more than there is."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import astuple, dataclass, field

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
from orchestrator.resources.reservations import (
    RESERVATIONS,
    BadReservation,
    UnknownReservation,
    due,
    expire,
    release_reservation,
    reservations,
    reserve,
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
PLACES = {"site-1": "site", "site-2": "site", "site-1--site-2": "link"}
PLACE = st.sampled_from(sorted(PLACES))
CLUSTERS = {"1": "ar_vr", "2": "digital_twin", "3": ""}
SHARES = st.sampled_from(sorted(CLUSTERS))
NOTHING = ResourceVector()
Parts = dict[str, ResourceVector]


@dataclass
class Kept:
    """A reservation in the machine's own books."""

    node: str
    cluster: str
    until: int
    amounts: ResourceVector
    ended: bool = False


@dataclass
class Books:
    """The pool as plain arithmetic: what the database's triggers and constraints must agree with."""

    now: int = 100
    supplied: dict[tuple[str, str], ResourceVector] = field(default_factory=dict)
    kept: dict[str, Kept] = field(default_factory=dict)
    held: dict[str, tuple[str, Parts]] = field(default_factory=dict)
    """allocation → node, and amounts by reservation drawn from ("" = none)"""

    def capacity(self, node: str) -> ResourceVector:
        return total(amounts for (_, at), amounts in self.supplied.items() if at == node)

    def used(self, node: str) -> ResourceVector:
        return total(part for at, parts in self.held.values() if at == node for part in parts.values())

    def drawn(self, name: str) -> ResourceVector:
        return total(parts.get(name, NOTHING) for _, parts in self.held.values())

    def reserved(self, node: str) -> ResourceVector:
        return total(one.amounts - self.drawn(name) for name, one in self.kept.items() if one.node == node)

    def sound(self) -> bool:
        whole = all(self.drawn(name).fits(one.amounts) for name, one in self.kept.items())
        return whole and all((self.used(at) + self.reserved(at)).fits(self.capacity(at)) for at in PLACES)

    def drop(self, allocation: str) -> None:
        _, parts = self.held.pop(allocation, ("", {}))
        for name, part in parts.items():
            if name and self.kept[name].ended:
                self.kept[name].amounts -= part

    def take(self, allocation: str, node: str, cluster: str, amounts: ResourceVector) -> None:
        if not amounts:
            return
        self.drop(allocation)
        parts: Parts = {}
        for name, one in sorted(self.kept.items(), key=lambda item: (item[1].until, item[0])):
            open_to = one.node == node and one.cluster == cluster and one.until > self.now and not one.ended
            part = amounts.least(one.amounts - self.drawn(name)) if open_to else NOTHING
            if part:
                parts[name] = part
                amounts -= part
        self.held[allocation] = (node, parts | ({"": amounts} if amounts else {}))

    def end(self, name: str) -> None:
        self.kept[name].ended, self.kept[name].amounts = True, self.drawn(name)


class PoolMachine(RuleBasedStateMachine):
    """Any order of supplies, reservations, allocations, withdrawals, releases and expiry, against plain arithmetic:
    the database refuses exactly what would give away more than there is, and nothing else."""

    database = "sqlite://"

    @initialize()
    def open(self) -> None:
        self.engine = open_pool(self.database)
        self.books = Books()
        with self.engine.begin() as rows:
            for table in (ALLOCATIONS, RESERVATIONS, SUPPLIES, NODES):
                rows.execute(sa.delete(table))
            for node, kind in PLACES.items():
                rows.execute(sa.insert(NODES).values(node_id=node, kind=kind))

    def teardown(self) -> None:
        if hasattr(self, "engine"):
            self.engine.dispose()

    def both(self, write: Callable[[sa.Connection], object], note: Callable[[Books], object]) -> None:
        """The same change in the database and in the books: both take it, or neither does."""
        after = deepcopy(self.books)
        note(after)
        if after.sound():
            with self.engine.begin() as rows:
                write(rows)
            self.books = after
        else:
            with pytest.raises(OverAllocated), self.engine.begin() as rows:
                write(rows)

    @rule(name=NAMES, node=PLACE, amounts=AMOUNTS)
    def supplies(self, name: str, node: str, amounts: ResourceVector) -> None:
        self.both(
            lambda rows: supply(rows, f"{name}@{node}", node, amounts),
            lambda books: books.supplied.update({(name, node): amounts}),
        )

    @rule(name=NAMES, node=PLACE)
    def withdraws(self, name: str, node: str) -> None:
        self.both(lambda rows: withdraw(rows, f"{name}@{node}"), lambda books: books.supplied.pop((name, node), None))

    @rule(name=NAMES, node=PLACE, share=SHARES, amounts=AMOUNTS)
    def allocates(self, name: str, node: str, share: str, amounts: ResourceVector) -> None:
        wanted = Allocation(f"{share}/{name}/{node}", node, name, amounts, share)
        now, cluster = self.books.now, CLUSTERS[share]
        self.both(
            lambda rows: allocate(rows, [wanted], cluster, now),
            lambda books: books.take(wanted.allocation_id, node, cluster, amounts),
        )

    @rule(name=NAMES, share=SHARES)
    def releases(self, name: str, share: str) -> None:
        def note(books: Books) -> None:
            for node in PLACES:
                books.drop(f"{share}/{name}/{node}")

        self.both(lambda rows: free_share(rows, name, share), note)

    @rule(name=NAMES, node=PLACE, share=SHARES, amounts=AMOUNTS, seconds=st.integers(0, 20))
    def reserves(self, name: str, node: str, share: str, amounts: ResourceVector, seconds: int) -> None:
        now, known = self.books.now, self.books.kept.get(name)
        one = Kept(node, CLUSTERS[share] or "ar_vr", now + seconds, amounts)

        def write(rows: sa.Connection) -> None:
            reserve(rows, name, node, one.cluster, amounts, one.until, now)

        if seconds == 0 or (known and (known.ended or (known.node, known.cluster) != (node, one.cluster))):
            with pytest.raises(BadReservation), self.engine.begin() as rows:
                write(rows)
        else:
            self.both(write, lambda books: books.kept.update({name: one}))

    @rule(name=NAMES)
    def ends(self, name: str) -> None:
        if name in self.books.kept:
            self.both(lambda rows: release_reservation(rows, name), lambda books: books.end(name))
        else:
            with pytest.raises(UnknownReservation), self.engine.begin() as rows:
                release_reservation(rows, name)

    @rule(seconds=st.integers(1, 15))
    def expires(self, seconds: int) -> None:
        def note(books: Books) -> None:
            for name, one in list(books.kept.items()):
                if one.until <= books.now:
                    books.end(name)
                if one.ended and not books.drawn(name):
                    del books.kept[name]

        self.books.now += seconds
        now = self.books.now
        self.both(lambda rows: expire(rows, now), note)
        with self.engine.begin() as rows:
            assert not due(rows, now)

    @rule(node=PLACE, amounts=AMOUNTS)
    def over_allocates_directly(self, node: str, amounts: ResourceVector) -> None:
        """A writer that draws on whatever reservation it likes, by the table itself, gets no more than there is."""
        own = next((name for name, one in self.books.kept.items() if one.node == node and not one.ended), None)
        after = deepcopy(self.books)
        after.held["direct"] = (node, {own or "": amounts})
        direct = sa.insert(ALLOCATIONS).values(
            allocation_id="direct", node_id=node, instance_id="x", reservation_id=own, **amounts.all_amounts()
        )
        if after.sound():
            return
        with pytest.raises(sa.exc.IntegrityError), self.engine.begin() as rows:
            rows.execute(direct)

    @invariant()
    def the_database_agrees_and_never_gives_too_much(self) -> None:
        with self.engine.begin() as rows:
            there = {node.node_id: node for node in nodes(rows)}
            kept = {one.reservation_id: (one.amounts, one.drawn, one.ended) for one in reservations(rows)}
        assert self.books.sound()
        for name, node in there.items():
            assert (node.capacity, node.used) == (self.books.capacity(name), self.books.used(name))
            assert node.reserved == self.books.reserved(name)
            assert min(astuple(node.free)) >= 0
        assert kept == {n: (one.amounts, self.books.drawn(n), one.ended) for n, one in self.books.kept.items()}


PoolMachine.TestCase.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
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
