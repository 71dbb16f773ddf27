"""Puts the heads of a home's access journals on the chain, so that nobody can rewrite or cut them unnoticed.

An anchor is an attestation of the operator about itself in `IdentityRegistry`: its commitment is the SHA-256 of the
heads' canonical JSON. The registry's events are the list of all anchors; which heads were meant stands in
`journal/anchors/heads.jsonl`, written before anything is sent. Run by the orchestrator's leader and `s4m trust anchor`;
checked by `s4m trust verify`. One home an operator's account: anchors of another home would look like missing ones.
"""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from ledger.contracts import Contracts
from ledger.events import Attested
from ledger.sender import Sender
from ledger.values import Address, to_hex
from trust.encoding import canonical_json
from trust.errors import AnchorBroken
from trust.journal import Head, head_of, verify

CLAIM = sha256(b"slicing4meta: heads of access journals").digest()
NO_END = (1 << 64) - 1  # uint64 seconds: the commitment is history, it does not lapse

Heads = Mapping[str, Head]
"""Journal file's name → its head."""


@dataclass(frozen=True, slots=True)
class Anchored:
    """One anchor as the chain has it."""

    root: bytes
    block: int


@dataclass(frozen=True, slots=True)
class JournalCheck:
    """One verified journal: its head, how many anchors it was held against, and the rows that the last one covers."""

    name: str
    head: Head
    anchors: int
    anchored_rows: int


def journals_of(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.jsonl"))


def heads_of(folder: Path) -> dict[str, Head]:
    return {path.name: head_of(path) for path in journals_of(folder)}


def root_of(heads: Heads) -> bytes:
    return sha256(canonical_json({name: [head.seq, head.hash] for name, head in heads.items()})).digest()


def anchor(contracts: Contracts, sender: Sender, folder: Path) -> bytes | None:
    """The root of the present heads, now on the chain; None where nothing was written since the last anchor."""
    heads = heads_of(folder)
    root = root_of(heads)
    known = _known(folder)
    if not heads or (known and list(known)[-1] == root):
        if root in known:
            _send(contracts, sender, root)  # a kill between writing and sending leaves this to be done
        return None
    _keep(folder, root, heads)
    _send(contracts, sender, root)
    return root


def check(contracts: Contracts, operator: Address, folder: Path) -> list[JournalCheck]:
    """All journals of the folder against all anchors of the chain; JournalTampered, AnchorBroken where they differ."""
    known = _known(folder)
    anchored = anchors_of(contracts, operator)
    expected: dict[str, list[Head]] = {path.name: [] for path in journals_of(folder)}
    for each in anchored:
        heads = known.get(each.root)
        if heads is None:
            raise AnchorBroken(f"Block {each.block} anchors {to_hex(each.root)}, which {_file(folder)} does not know.")
        for name, head in heads.items():
            if name not in expected:
                raise AnchorBroken(f"Block {each.block} anchors {name} at row {head.seq}; that journal is gone.")
            expected[name].append(head)
    return [_checked(folder / name, heads) for name, heads in expected.items()]


def anchors_of(contracts: Contracts, operator: Address) -> list[Anchored]:
    """Every anchor that the operator ever made, oldest first."""
    where = {contracts.identity.WORD: contracts.identity.address}
    latest = contracts.chain.latest()
    found = contracts.chain.logs(contracts.deployment.block_number, latest.number, where)
    return [
        Anchored(entry.event.commitment, entry.block_number)
        for entry in found
        if isinstance(entry.event, Attested)
        and (entry.event.issuer, entry.event.account, entry.event.claim_type) == (operator, operator, CLAIM)
    ]


class Anchoring:
    """Anchors each `every_s` seconds, at first one interval after the start. Used as a worker's turn."""

    def __init__(self, contracts: Contracts, sender: Sender, folder: Path, every_s: float) -> None:
        self._contracts = contracts
        self._sender = sender
        self._folder = folder
        self._every_s = every_s
        self._due = time.monotonic() + every_s

    def look(self) -> None:
        """Anchors where it is due; LedgerError from below leaves it due."""
        if time.monotonic() >= self._due:
            anchor(self._contracts, self._sender, self._folder)
            self._due = time.monotonic() + self._every_s


def _checked(path: Path, heads: list[Head]) -> JournalCheck:
    head = verify(path, *heads)
    return JournalCheck(path.name, head, len(heads), max((each.seq for each in heads), default=0))


def _send(contracts: Contracts, sender: Sender, root: bytes) -> None:
    call = contracts.identity.attest(sender.address, CLAIM, root, NO_END)
    sender.send(call, key=f"anchor:{contracts.deployment.genesis_hash}:{to_hex(root)}")


def _file(folder: Path) -> Path:
    return folder / "anchors" / "heads.jsonl"


def _known(folder: Path) -> dict[bytes, dict[str, Head]]:
    """Root, computed from the line's own heads → these heads, oldest first. A torn last line is skipped."""
    path = _file(folder)
    known = {}
    for line in path.read_bytes().splitlines(keepends=True) if path.exists() else []:
        if line.endswith(b"\n"):
            heads = _heads(line, path)
            known[root_of(heads)] = heads
    return known


def _heads(line: bytes, path: Path) -> dict[str, Head]:
    try:
        row: dict[str, Any] = json.loads(line)
        return {str(name): Head(int(seq), str(digest)) for name, (seq, digest) in row["heads"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise AnchorBroken(f"{path}: a line is not a list of heads.") from error


def _keep(folder: Path, root: bytes, heads: Heads) -> None:
    path = _file(folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    row = {"root": to_hex(root), "heads": {name: [head.seq, head.hash] for name, head in heads.items()}}
    with path.open("ab") as file:
        file.write(canonical_json(row) + b"\n")
        file.flush()
        os.fsync(file.fileno())
