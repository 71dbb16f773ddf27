"""Journals against the chain: what was anchored cannot be rewritten, cut or lost unnoticed."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from trust_yard import House

from ledger.keys import WalletKey
from ledger.sender import Sender
from trust.anchors import Anchoring, anchor, anchors_of, check
from trust.errors import AnchorBroken, JournalTampered
from trust.journal import Decision, Journal

DECISION = Decision(app="mmf", method="GET", path="/pool", route="/pool", outcome="deny", code="token_missing")


@pytest.fixture
def operator(sender_of: Callable[[WalletKey], Sender]) -> Sender:
    """An account that anchored nothing yet."""
    return sender_of(WalletKey.create())


def write(folder: Path, name: str, count: int) -> None:
    with Journal(folder / f"{name}.jsonl") as journal:
        for number in range(count):
            journal.append(DECISION, number)


def test_anchored_journals_verify_and_may_grow(house: House, operator: Sender, tmp_path: Path) -> None:
    write(tmp_path, "gateway", 3)
    write(tmp_path, "marketplace", 2)
    root = anchor(house.contracts, operator, tmp_path)
    assert anchor(house.contracts, operator, tmp_path) is None  # nothing new: nothing is paid
    write(tmp_path, "gateway", 4)
    assert anchor(house.contracts, operator, tmp_path) not in (None, root)
    write(tmp_path, "gateway", 1)
    assert anchors_of(house.contracts, operator.address)[0].root == root
    found = {each.name: each for each in check(house.contracts, operator.address, tmp_path)}
    assert (found["gateway.jsonl"].head.seq, found["gateway.jsonl"].anchored_rows) == (8, 7)
    assert (found["marketplace.jsonl"].anchors, found["marketplace.jsonl"].anchored_rows) == (2, 2)


def test_journal_that_was_cut_rewritten_or_lost_is_found(house: House, operator: Sender, tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    write(folder, "gateway", 5)
    anchor(house.contracts, operator, folder)
    path, kept = folder / "gateway.jsonl", (folder / "gateway.jsonl").read_bytes()
    path.write_bytes(b"".join(kept.splitlines(keepends=True)[:3]))
    with pytest.raises(JournalTampered, match="without the expected head of row 5"):
        check(house.contracts, operator.address, folder)
    path.unlink()
    with Journal(path) as journal:  # an intact chain of as many rows, but of others
        for number in range(6):
            journal.append(DECISION, 9_000 + number)
    with pytest.raises(JournalTampered, match="row 5 is not the expected head"):
        check(house.contracts, operator.address, folder)
    path.unlink()
    with pytest.raises(AnchorBroken, match=r"gateway\.jsonl at row 5; that journal is gone"):
        check(house.contracts, operator.address, folder)
    path.write_bytes(kept)
    shutil.rmtree(folder / "anchors")
    with pytest.raises(AnchorBroken, match="does not know"):
        check(house.contracts, operator.address, folder)


def test_heads_that_were_changed_to_fit_a_rewritten_journal_are_not_believed(
    house: House, operator: Sender, tmp_path: Path
) -> None:
    write(tmp_path, "gateway", 2)
    anchor(house.contracts, operator, tmp_path)
    heads = tmp_path / "anchors" / "heads.jsonl"
    heads.write_bytes(heads.read_bytes().replace(b'[2,"', b'[1,"'))
    with pytest.raises(AnchorBroken, match="does not know"):
        check(house.contracts, operator.address, tmp_path)


def test_other_accounts_attestations_are_no_anchors(
    house: House, operator: Sender, tmp_path: Path, sender_of: Callable[[WalletKey], Sender]
) -> None:
    write(tmp_path, "gateway", 1)
    anchor(house.contracts, sender_of(WalletKey.create()), tmp_path)
    assert anchors_of(house.contracts, operator.address) == []
    assert [each.anchors for each in check(house.contracts, operator.address, tmp_path)] == [0]


def test_kill_between_writing_and_sending_is_made_up_for(house: House, operator: Sender, tmp_path: Path) -> None:
    write(tmp_path / "a", "gateway", 1)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    anchor(house.contracts, operator, tmp_path / "a")
    (tmp_path / "b" / "anchors").mkdir()
    shutil.copy(tmp_path / "a" / "anchors" / "heads.jsonl", tmp_path / "b" / "anchors" / "heads.jsonl")
    other = WalletKey.create()
    house.devnet.fund(other.address)
    with Sender(house.contracts.chain, other) as fresh:
        assert anchor(house.contracts, fresh, tmp_path / "b") is None
        assert len(anchors_of(house.contracts, other.address)) == 1


def test_the_worker_anchors_when_it_is_due(house: House, operator: Sender, tmp_path: Path) -> None:
    write(tmp_path, "gateway", 1)
    Anchoring(house.contracts, operator, tmp_path, every_s=3_600).look()
    assert anchors_of(house.contracts, operator.address) == []
    Anchoring(house.contracts, operator, tmp_path, every_s=0).look()
    assert len(anchors_of(house.contracts, operator.address)) == 1
