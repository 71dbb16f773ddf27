"""Rows of services under writers at once: no change is lost, and whoever changes several does not deadlock."""

from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa

from orchestrator import store as tables
from orchestrator.listener import fold
from orchestrator.msmf.rows import keep_notice, notices
from orchestrator.requirements import Notice
from orchestrator.store import Store

ROUNDS = 25


def bought(store: Store, *names: str) -> None:
    fields = {"buyer": "0x1", "signer": "0x1", "cap": "1", "periods": "0", "deadline": "1", "requirements_hash": "0x"}
    with store.writer.begin() as rows:
        for name in names:
            fold(rows, "Subscribed", {"subscription_id": name, **fields}, 1, 1)


def test_merges_into_one_row_at_once_are_all_kept(store: Store) -> None:
    bought(store, "1")

    def note(number: int) -> None:
        with store.writer.begin() as rows:
            tables.amend(rows, "1", outcome={str(number): number}, times={str(number): number})

    with ThreadPoolExecutor(8) as writers:
        list(writers.map(note, range(40)))
    with store.reader.connect() as rows:
        row = tables.service(rows, "1")
    assert row is not None
    assert row["outcome"] == {str(number): number for number in range(40)}
    assert row["times"] == {"final": 1} | row["outcome"]


def test_two_who_change_the_same_rows_in_opposite_order_both_succeed(store: Store) -> None:
    bought(store, "1", "2")

    def change(order: tuple[str, str]) -> None:
        for number in range(ROUNDS):
            with store.writer.begin() as rows:
                tables.lock_services(rows, order)
                for name in order:
                    tables.amend(rows, name, cap=str(number))

    with ThreadPoolExecutor(2) as writers:
        list(writers.map(change, [("1", "2"), ("2", "1")]))
    with store.reader.connect() as rows:
        assert list(rows.scalars(sa.select(tables.SERVICES.c.cap))) == [str(ROUNDS - 1)] * 2


def test_only_one_of_many_moves_a_service(store: Store) -> None:
    bought(store, "1")

    def begin(_number: int) -> bool:
        with store.writer.begin() as rows:
            return tables.move(rows, "1", tables.ServiceState.PREPARING, {tables.ServiceState.REQUESTED})

    with ThreadPoolExecutor(8) as writers:
        assert sum(writers.map(begin, range(16))) == 1


def test_who_reads_on_by_number_misses_no_notice(store: Store) -> None:
    """Notices are written side by side; none may show up below a number that was already read."""

    def tell(writer: int) -> None:
        for number in range(ROUNDS):
            with store.writer.begin() as rows:
                keep_notice(rows, f"{writer}/{number}", Notice(kind="model.running", subject=f"{writer}/{number}"), 1)

    read: list[str] = []

    def read_on(since: int) -> int:
        with store.reader.connect() as rows:
            found = notices(rows, since, None)
        read.extend(one["subject"] for one in found)
        return max([since, *(int(one["number"]) for one in found)])

    with ThreadPoolExecutor(4) as writers:
        telling = [writers.submit(tell, writer) for writer in range(4)]
        last = 0
        while not all(one.done() for one in telling):
            last = read_on(last)
        read_on(last)
    assert sorted(read) == sorted(f"{writer}/{number}" for writer in range(4) for number in range(ROUNDS))
