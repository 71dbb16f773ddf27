import json
import multiprocessing
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from trust.errors import JournalLocked, JournalTampered
from trust.journal import MOST_TALLIES, Decision, Head, Journal, rows, verify

DECISION = Decision(app="mmf", method="GET", path="/pool", route="/pool", outcome="deny", code="token_missing")


def write(path: Path, count: int) -> Head:
    with Journal(path) as journal:
        for number in range(count):
            journal.append(DECISION, 1_000 + number)
        return journal.head


def test_journal_that_nobody_touched_verifies_and_goes_on_after_reopening(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    write(path, 3)
    head = write(path, 2)
    assert verify(path) == head
    assert [row["seq"] for row in rows(path)] == [1, 2, 3, 4, 5]
    assert head.seq == 5


@pytest.mark.parametrize("row", [0, 2, 4])
@pytest.mark.parametrize("field", ["outcome", "code", "time_ms", "seq", "hash"])
def test_altered_field_is_found(tmp_path: Path, row: int, field: str) -> None:
    path = tmp_path / "journal.jsonl"
    write(path, 5)
    lines = path.read_text().splitlines()
    entry = json.loads(lines[row])
    entry[field] = "allow" if isinstance(entry[field], str) else entry[field] + 1
    lines[row] = json.dumps(entry)
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(JournalTampered, match=f"row {row + 1}"):
        verify(path)


@pytest.mark.parametrize("order", [[0, 1, 3, 4], [1, 2, 3, 4], [0, 2, 1, 3, 4], [0, 1, 1, 2, 3, 4]])
def test_removed_moved_or_doubled_row_is_found(tmp_path: Path, order: list[int]) -> None:
    path = tmp_path / "journal.jsonl"
    write(path, 5)
    lines = path.read_text().splitlines()
    path.write_text("".join(lines[number] + "\n" for number in order))
    with pytest.raises(JournalTampered):
        verify(path)


def test_member_slipped_into_a_row_is_found(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    write(path, 2)
    path.write_text(path.read_text().replace('"app"', '"note":"x","app"', 1))
    with pytest.raises(JournalTampered):
        verify(path)


def test_cut_off_end_shows_against_the_expected_head(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    head = write(path, 5)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:3]))
    assert verify(path).seq == 3
    with pytest.raises(JournalTampered, match="expected head of row 5"):
        verify(path, head)
    write(path, 2)  # grown again to the same length, but with other rows
    with pytest.raises(JournalTampered):
        verify(path, head)


def test_journal_may_grow_after_the_expected_head(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    head = write(path, 2)
    write(path, 2)
    assert verify(path, head).seq == 4


def test_torn_last_line_is_cut_off_on_reopening(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    write(path, 2)
    with path.open("ab") as file:
        file.write(b'{"app":"mmf","co')
    assert verify(path).seq == 2
    assert write(path, 1).seq == 3
    assert verify(path).seq == 3


def test_second_writer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path), pytest.raises(JournalLocked):
        Journal(path)


POLL = Decision(app="gateway", method="GET", path="/measures", route="/measures", outcome="allow", code="ok")


def test_repeats_within_a_minute_become_one_row_that_counts_them(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        for second in range(130):
            journal.tally(POLL, 1_000_000 + second * 1_000)
        journal.append(DECISION, 1_130_500)
    found = list(rows(path))
    assert [(row["code"], row.get("count")) for row in found] == [
        ("ok", None), ("ok", 59), ("ok", None), ("ok", 59), ("ok", None), ("token_missing", None), ("ok", 9),
    ]  # fmt: skip
    assert (found[1]["since_ms"], found[1]["time_ms"]) == (1_001_000, 1_059_000)
    assert verify(path).seq == 7


def test_many_different_things_are_not_counted_without_bound(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        for number in range(2 * MOST_TALLIES):
            for _ in range(2):
                journal.tally(replace(POLL, path=f"/{number}"), 1_000)
        assert len(journal._tallies) <= MOST_TALLIES
    assert sum(row.get("count", 1) for row in rows(path)) == 4 * MOST_TALLIES


def test_full_file_becomes_a_segment_and_the_chain_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path, rotate_bytes=2_000) as journal:
        for number in range(40):
            journal.append(DECISION, number)
        head = journal.head
    segments = sorted((tmp_path / "journal").glob("*.jsonl"))
    assert len(segments) >= 3
    assert segments[0].name == "000000000001.jsonl"
    assert [row["seq"] for row in rows(path)] == list(range(1, 41))
    assert verify(path, head) == head
    path.unlink()  # as a kill between the rename and the new file leaves it
    with Journal(path, rotate_bytes=2_000) as journal:
        assert journal.append(DECISION, 1).seq == verify(path).seq
    segments[1].unlink()
    with pytest.raises(JournalTampered):
        verify(path)


def test_long_and_foreign_text_is_kept_short_and_safe(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.append(Decision("mmf", "GET", "/\n\udcff" + "x" * 9_999, "", "deny", "not_allowed"), 1)
    assert len(path.read_bytes()) < 1_000
    assert verify(path).seq == 1


def _write_for_ever(path: Path) -> None:
    with Journal(path) as journal:
        while True:
            journal.append(DECISION, 1)


def test_journal_survives_kill_9_of_its_writer(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    writer = multiprocessing.get_context("spawn").Process(target=_write_for_ever, args=(path,))
    writer.start()
    deadline = time.monotonic() + 30
    while not (path.exists() and path.stat().st_size > 50_000) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert writer.pid is not None
    os.kill(writer.pid, signal.SIGKILL)
    writer.join()
    before = verify(path).seq
    assert before > 100
    assert write(path, 1).seq == before + 1
    assert verify(path).seq == before + 1


def test_append_is_cheap(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.jsonl") as journal:
        begun = time.process_time()
        for _ in range(2_000):
            journal.append(DECISION, 1)
        assert (time.process_time() - begun) / 2_000 < 300e-6
