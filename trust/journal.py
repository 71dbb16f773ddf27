"""The hash-chained record of every access decision, allow and deny, with its reason.

One line of JSON per decision; `hash` = SHA-256(previous hash ‖ canonical JSON of the other members). Written by the
gate with one `write` per row (it survives kill -9; not synced to disk, so a power cut may cost the last rows).
Alteration, removal and reordering show in `verify`; a cut-off end shows against an expected head (`trust.anchors` puts
heads on the chain). No token, proof, query or body ever enters it.

`tally` keeps rows few where a machine asks the same thing again and again: the first decision is a row at once, what
repeats it within a minute becomes one row with `count`, `since_ms`, `time_ms`. A kill costs that minute's count.
A file of 64 MiB becomes a segment (`<name>/<first row>.jsonl`), and the chain goes on in a new file.
"""

import fcntl
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, fields
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from trust.encoding import canonical_json
from trust.errors import JournalLocked, JournalTampered

GENESIS = "0" * 64
ROTATE_BYTES = 64 << 20
TALLY_MS = 60_000
MOST_TALLIES = 1_024
_TAIL_BYTES = 65_536
_TEXT_LIMIT = 256


@dataclass(frozen=True, slots=True)
class Decision:
    """What the gate decided about one request; `code` is `ok` or the refusal's code."""

    app: str
    method: str
    path: str
    route: str
    outcome: str  # allow | deny
    code: str
    reason: str = ""
    caller: str = ""
    jkt: str = ""


_MEMBERS = tuple(field.name for field in fields(Decision))


@dataclass(slots=True)
class Tally:
    """Repeats of one decision since its row was written; times in UTC milliseconds."""

    due_ms: int
    count: int = 0
    since_ms: int = 0
    last_ms: int = 0


@dataclass(frozen=True, slots=True)
class Head:
    """Where the journal stands: keep it elsewhere to notice a cut-off end."""

    seq: int
    hash: str


class Journal:
    """Appends rows; one process writes one file (JournalLocked otherwise), any number of its gates may share it."""

    def __init__(self, path: Path, *, rotate_bytes: int = ROTATE_BYTES) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._rotate_bytes = rotate_bytes
        self._lock = threading.Lock()
        self._tallies: dict[Decision, Tally] = {}
        self._sweep_ms = 0
        self._open()

    def _open(self) -> None:
        self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self._take_lock()
            self._head = self._recover()
            self._size = os.fstat(self._fd).st_size
        except BaseException:
            os.close(self._fd)
            raise

    @property
    def head(self) -> Head:
        return self._head

    def append(self, decision: Decision, time_ms: int) -> Head:
        """Thread-safe; returns the new head."""
        with self._lock:
            self._sweep(time_ms)
            return self._write(_row(decision, time_ms))

    def tally(self, decision: Decision, time_ms: int) -> None:
        """As `append`, but repeats within a minute are counted and written as one row. Thread-safe."""
        with self._lock:
            self._sweep(time_ms)
            tally = self._tallies.get(decision)
            if tally is None:
                self._write(_row(decision, time_ms))
                self._tallies[decision] = Tally(due_ms=time_ms + TALLY_MS)
            else:
                tally.count += 1
                tally.since_ms = tally.since_ms or time_ms
                tally.last_ms = time_ms

    def close(self) -> None:
        with self._lock:
            if self._fd >= 0:
                self._close_tallies(list(self._tallies))
                os.close(self._fd)
                self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _take_lock(self) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise JournalLocked(f"{self.path} is being written by another process or another Journal.") from error

    def _sweep(self, time_ms: int) -> None:
        """Writes the counts that are due; all of them where too many things are counted."""
        if time_ms < self._sweep_ms and len(self._tallies) < MOST_TALLIES:
            return
        full = len(self._tallies) >= MOST_TALLIES
        self._close_tallies([each for each, tally in self._tallies.items() if full or tally.due_ms <= time_ms])
        self._sweep_ms = min((tally.due_ms for tally in self._tallies.values()), default=time_ms + TALLY_MS)

    def _close_tallies(self, decisions: list[Decision]) -> None:
        for decision in decisions:
            tally = self._tallies.pop(decision)
            if tally.count:
                row = _row(decision, tally.last_ms)
                self._write({**row, "count": tally.count, "since_ms": tally.since_ms})

    def _write(self, row: dict[str, Any]) -> Head:
        row["seq"] = self._head.seq + 1
        head = Head(row["seq"], _chain(self._head.hash, row))
        row["hash"] = head.hash
        line = canonical_json(row) + b"\n"
        _write_all(self._fd, line)
        self._head = head
        self._size += len(line)
        if self._size >= self._rotate_bytes:
            self._rotate()
        return head

    def _rotate(self) -> None:
        """The file becomes a segment, named by its first row so that names sort; a kill in between loses nothing."""
        first = next(_rows_of(self.path))["seq"]
        folder = segment_folder(self.path)
        folder.mkdir(exist_ok=True)
        os.rename(self.path, folder / f"{first:012}.jsonl")
        os.close(self._fd)
        self._open()

    def _recover(self) -> Head:
        """The last whole row. A torn last line (killed in mid-write) is cut off; it was never acted upon."""
        size = os.fstat(self._fd).st_size
        start = max(0, size - _TAIL_BYTES)
        tail = os.pread(self._fd, _TAIL_BYTES, start)
        end = tail.rfind(b"\n") + 1
        if end < len(tail):
            os.ftruncate(self._fd, start + end)
        return head_of(self.path)


def segment_folder(path: Path) -> Path:
    """Where the full files of this journal go."""
    return path.with_suffix("")


def files_of(path: Path) -> list[Path]:
    """The journal's files, oldest first; the last one is being written."""
    segments = sorted(segment_folder(path).glob("*.jsonl"))
    return [*segments, path] if path.exists() else segments


def head_of(path: Path) -> Head:
    """The newest whole row, read from the end and unverified; after a rotation the last segment's."""
    for file in reversed(files_of(path)):
        last = _last_line(file)
        if last:
            row = _parse(last, file)
            return Head(int(row["seq"]), str(row["hash"]))
    return Head(0, GENESIS)


def _last_line(file: Path) -> bytes:
    with file.open("rb") as opened:
        opened.seek(max(0, file.stat().st_size - _TAIL_BYTES))
        whole = opened.read(_TAIL_BYTES)
    return whole[: whole.rfind(b"\n") + 1].rstrip(b"\n").rpartition(b"\n")[2]


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of all files as they stand, unverified. An unfinished last line is left out."""
    for file in files_of(path):
        yield from _rows_of(file)


def _rows_of(file: Path) -> Iterator[dict[str, Any]]:
    with file.open("rb") as opened:
        for line in opened:
            if line.endswith(b"\n"):
                yield _parse(line, file)


def verify(path: Path, *expected: Head) -> Head:
    """The head of an intact journal; JournalTampered names the first row that does not fit.

    Each `expected` head must be in the chain: a journal that was cut off before it, or rewritten, is refused.
    """
    head = Head(0, GENESIS)
    wanted = {each.seq: each for each in expected if each != head}
    for row in rows(path):
        claimed = row.pop("hash", None)
        if row.get("seq") != head.seq + 1 or claimed != _chain(head.hash, row):
            raise JournalTampered(f"{path}: row {head.seq + 1} was altered, removed or moved.")
        head = Head(head.seq + 1, claimed)
        if wanted.pop(head.seq, head) != head:
            raise JournalTampered(f"{path}: row {head.seq} is not the expected head of that row.")
    if wanted:
        raise JournalTampered(f"{path}: ends at row {head.seq} without the expected head of row {min(wanted)}.")
    return head


def _row(decision: Decision, time_ms: int) -> dict[str, Any]:
    row: dict[str, Any] = {name: getattr(decision, name)[:_TEXT_LIMIT] for name in _MEMBERS}
    row["time_ms"] = time_ms
    return row


def _chain(previous: str, row: dict[str, Any]) -> str:
    return sha256(bytes.fromhex(previous) + canonical_json(row)).hexdigest()


def _parse(line: bytes, path: Path) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise JournalTampered(f"{path}: a line is not JSON.") from error
    if not isinstance(row, dict):
        raise JournalTampered(f"{path}: a line is not a row.")
    return row


def _write_all(descriptor: int, data: bytes) -> None:
    written = os.write(descriptor, data)
    while written < len(data):
        written += os.write(descriptor, data[written:])
