"""The log against RFC 6962's own recursive definitions and the known vectors of certificate transparency."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import RecordMalformed, RecordOutOfOrder
from ledger.usage_log import (
    EMPTY_ROOT,
    UsageLog,
    UsageRecord,
    root_from_path,
    usage_root,
    verify_consistency,
    verify_inclusion,
)
from ledger.values import SubscriptionId, Units

# Inputs and roots of the certificate-transparency reference tests (trees of 1 to 8 leaves).
CT_INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def leaf_of(data: bytes) -> bytes:
    return sha256(b"\x00" + data).digest()


def tree_hash(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(b"\x01" + tree_hash(leaves[:k]) + tree_hash(leaves[k:])).digest()


def record(seq: int = 0, units: int = 5, total: int = 5) -> UsageRecord:
    return UsageRecord(
        SubscriptionId(9 << 64), seq, 1, 480, Units(units), Units(total), 1_000, 1_050, 870, bytes(range(32))
    )


def test_roots_equal_the_certificate_transparency_vectors() -> None:
    log = UsageLog()
    assert log.root() == EMPTY_ROOT
    for data, root in zip(CT_INPUTS, CT_ROOTS, strict=True):
        log.extend_leaves(leaf_of(bytes.fromhex(data)))
        assert log.root().hex() == root
    assert [log.root(size).hex() for size in range(1, 9)] == CT_ROOTS


def test_inclusion_path_equals_the_certificate_transparency_vector() -> None:
    log = UsageLog(leaf_of(bytes.fromhex(data)) for data in CT_INPUTS)
    assert [node.hex() for node in log.inclusion_proof(5)] == [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


def test_consistency_path_equals_the_certificate_transparency_vector() -> None:
    log = UsageLog(leaf_of(bytes.fromhex(data)) for data in CT_INPUTS)
    assert [node.hex() for node in log.consistency_proof(6)] == [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


def test_every_proof_of_every_small_tree_holds_and_no_other_leaf_passes() -> None:
    leaves = [leaf_of(bytes([number])) for number in range(33)]
    log = UsageLog(leaves)
    for size in range(1, 34):
        root = tree_hash(leaves[:size])
        assert log.root(size) == root
        for index in range(size):
            path = log.inclusion_proof(index, size)
            assert verify_inclusion(leaves[index], index, size, path, root)
            assert not verify_inclusion(leaf_of(b"other"), index, size, path, root)
            assert not verify_inclusion(leaves[index], index, size, (*path, root), root)
        for old in range(size + 1):
            path = log.consistency_proof(old, size)
            assert verify_consistency(old, size, log.root(old), root, path)


def test_rewritten_history_is_never_consistent() -> None:
    leaves = [leaf_of(bytes([number])) for number in range(20)]
    honest = UsageLog(leaves)
    for changed in range(12):
        forged = UsageLog([*leaves[:changed], leaf_of(b"forged"), *leaves[changed + 1 :]])
        proof = forged.consistency_proof(12)
        assert not verify_consistency(12, 20, honest.root(12), forged.root(), proof)


@settings(max_examples=60, deadline=None)
@given(size=st.integers(1, 300), data=st.data())
def test_proofs_hold_at_any_size(size: int, data: st.DataObject) -> None:
    log = UsageLog(leaf_of(number.to_bytes(4)) for number in range(size))
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(0, size))
    assert verify_inclusion(leaf_of(index.to_bytes(4)), index, size, log.inclusion_proof(index), log.root())
    assert verify_consistency(old, size, log.root(old), log.root(), log.consistency_proof(old))


def test_impossible_paths_lead_nowhere() -> None:
    leaf = leaf_of(b"x")
    assert root_from_path(leaf, 3, 3, ()) is None
    assert root_from_path(leaf, 0, 1, (leaf,)) is None
    assert root_from_path(leaf, 0, 5, ()) is None
    assert not verify_consistency(5, 3, leaf, leaf, ())
    assert not verify_consistency(3, 5, leaf, leaf, ())


def test_log_grows_only_at_its_end() -> None:
    log = UsageLog()
    log.append(record(0))
    with pytest.raises(RecordOutOfOrder):
        log.append(record(0))
    assert log.size == 1
    for wrong in (-1, 2):
        with pytest.raises(IndexError):
            log.root(wrong)
    with pytest.raises(IndexError):
        log.inclusion_proof(1)


def test_packed_record_is_a_hundred_bytes_and_the_leaf_follows_every_field() -> None:
    base = record()
    assert len(base.packed()) == 100
    changed = [
        replace(base, subscription_id=SubscriptionId(1)),
        replace(base, seq=1),
        replace(base, meter=2),
        replace(base, quantity=1),
        replace(base, units=Units(1)),
        replace(base, total=Units(1)),
        replace(base, start_millis=1),
        replace(base, end_millis=1),
        replace(base, immersion=1),
        replace(base, request_hash=bytes(32)),
    ]
    assert len({other.leaf() for other in [base, *changed]}) == 11


def test_record_round_trips_through_json() -> None:
    base = record(3)
    assert UsageRecord.from_json(base.to_json()) == base
    assert base.to_json()["units"] == "5"


@pytest.mark.parametrize(
    ("field", "value"),
    [("units", "1.5"), ("seq", "-1"), ("meter", 2**32), ("requestHash", "0x12"), ("total", None), ("immersion", True)],
)
def test_malformed_record_is_refused(field: str, value: object) -> None:
    with pytest.raises(RecordMalformed):
        UsageRecord.from_json({**record().to_json(), field: value})


def test_usage_root_binds_the_size() -> None:
    log = UsageLog.of([record(0), record(1)])
    assert log.usage_root() == usage_root(2, log.root()) == sha256(b"\x02" + (2).to_bytes(8) + log.root()).digest()
    assert log.usage_root(1) != log.usage_root()


def test_many_at_once_make_the_tree_that_one_by_one_makes() -> None:
    one_by_one, at_once = UsageLog(), UsageLog.of([record(seq) for seq in range(5)])
    for seq in range(37):
        one_by_one.append(record(seq))
    at_once.extend([record(seq) for seq in range(5, 37)])
    assert [at_once.usage_root(size) for size in range(38)] == [one_by_one.usage_root(size) for size in range(38)]
    assert at_once.inclusion_proof(11, 30) == one_by_one.inclusion_proof(11, 30)


def test_of_many_with_a_gap_none_is_appended() -> None:
    log = UsageLog.of([record(0)])
    with pytest.raises(RecordOutOfOrder):
        log.extend([record(1), record(3)])
    assert log.size == 1


def test_a_packed_record_reads_back() -> None:
    assert UsageRecord.unpack(record(4).packed()) == record(4)
