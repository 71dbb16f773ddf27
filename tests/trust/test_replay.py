import multiprocessing
import sqlite3
import threading
from pathlib import Path

import pytest

from trust.errors import ReplayStoreBusy
from trust.replay import KEEP_S, ReplayStore


def test_proof_passes_once(tmp_path: Path) -> None:
    with ReplayStore(tmp_path / "replay.db") as store:
        assert store.is_first("key", "proof-1", 1_000)
        assert not store.is_first("key", "proof-1", 1_001)
        assert store.is_first("key", "proof-2", 1_001)
        assert store.is_first("other key", "proof-1", 1_001)


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


def test_proof_presented_by_many_threads_passes_once(tmp_path: Path) -> None:
    with ReplayStore(tmp_path / "a.db") as one, ReplayStore(tmp_path / "a.db") as other:
        found: list[bool] = []
        stores = [one, other] * 4
        threads = [
            threading.Thread(target=lambda store=store: found.append(store.is_first("key", "proof", 1)))
            for store in stores
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found.count(True) == 1
        assert len(found) == 8


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
