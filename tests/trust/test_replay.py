import multiprocessing
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from scripts.private_postgresql import PrivatePostgresql
from trust.errors import ReplayStoreBusy
from trust.replay import KEEP_S, ReplayStore, SeenProofs
from trust.replay_postgresql import PostgresqlReplayStore
from trust.stores import open_replay


@pytest.fixture(params=["sqlite", "postgresql"])
def store_of(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], SeenProofs]]:
    """Each call opens one more store of the same house, as another replica does."""
    url = request.getfixturevalue("postgresql").create() if request.param == "postgresql" else ""
    opened: list[SeenProofs] = []

    def open_one() -> SeenProofs:
        opened.append(open_replay(url, tmp_path / "replay.db"))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


def test_proof_passes_once_at_all_replicas_and_after_a_restart(store_of: Callable[[], SeenProofs]) -> None:
    one, other = store_of(), store_of()
    assert one.is_first("key", "proof-1", 1_000)
    assert not one.is_first("key", "proof-1", 1_001)
    assert not other.is_first("key", "proof-1", 1_001)
    assert other.is_first("key", "proof-2", 1_001)
    assert one.is_first("other key", "proof-1", 1_001)
    one.close()
    other.close()
    assert not store_of().is_first("key", "proof-2", 1_002)


def test_proof_presented_by_many_threads_of_two_replicas_passes_once(store_of: Callable[[], SeenProofs]) -> None:
    stores = [store_of(), store_of()] * 4
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda store: store.is_first("key", "proof", 1), stores)) == 1


def test_old_proof_is_forgotten_as_its_time_refuses_it_already(store_of: Callable[[], SeenProofs]) -> None:
    store = store_of()
    assert store.is_first("key", "old", 1_000)
    assert store.is_first("key", "later", 1_000 + KEEP_S + 31)
    assert store.is_first("key", "old", 1_000 + KEEP_S + 31)


def test_server_that_went_away_is_named_busy_and_found_again(postgresql: PrivatePostgresql) -> None:
    store = PostgresqlReplayStore(postgresql.create())
    assert store.is_first("key", "proof", 1)
    with postgresql.connect() as server:
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    with pytest.raises(ReplayStoreBusy):
        store.is_first("key", "proof", 1)
    assert not store.is_first("key", "proof", 1)
    store.close()


def _present(path: Path, answers: "multiprocessing.Queue[bool]") -> None:
    with ReplayStore(path) as store:
        answers.put(store.is_first("key", "proof-1", 1_000))


def test_proof_seen_by_another_process_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "replay.db"
    context = multiprocessing.get_context("spawn")
    answers: multiprocessing.Queue[bool] = context.Queue()
    workers = [context.Process(target=_present, args=(path, answers)) for _ in range(2)]
    for worker in workers:
        worker.start()
    found = [answers.get(timeout=30) for _ in workers]
    for worker in workers:
        worker.join()
    assert sorted(found) == [False, True]
    with ReplayStore(path) as store:
        assert not store.is_first("key", "proof-1", 1_000)


def test_expired_proofs_are_forgotten_and_fresh_ones_kept(tmp_path: Path) -> None:
    with ReplayStore(tmp_path / "replay.db") as store:
        for number in range(50):
            store.is_first("key", f"old-{number}", 1_000)
        store.is_first("key", "fresh", 1_000 + KEEP_S)
        store.is_first("key", "now", 1_001 + KEEP_S + 30)
        assert len(store) == 2
        assert not store.is_first("key", "fresh", 1_002 + KEEP_S)


def test_store_that_somebody_holds_is_named_busy(tmp_path: Path) -> None:
    path = tmp_path / "replay.db"
    with ReplayStore(path) as store:
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(ReplayStoreBusy, match="locked"):
            store.is_first("key", "proof", 1)
        holder.close()
        assert store.is_first("key", "proof", 1)
