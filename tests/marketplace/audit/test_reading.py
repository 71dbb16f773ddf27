"""Logs are read the same whole and in parts; a line that cannot be read is named by its number."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import metering
from ledger.usage_log import UsageRecord
from ledger.values import SubscriptionId, Units, to_hex
from marketplace.audit import logs
from marketplace.audit.billing import units_due
from marketplace.audit.lines import PACKED_TYPE
from marketplace.errors import MalformedLog
from scripts.honest.market import terms_document

ONE = SubscriptionId(7 << 64 | 1 << 32 | 1)


def _record(seq: int, **fields: int) -> UsageRecord:
    values = {"meter": 0, "quantity": 3, "immersion": 0, "end_millis": 1_000 * seq + 40} | fields
    return UsageRecord(
        ONE, seq, values["meter"], values["quantity"], Units(1), Units(seq + 1), 1_000 * seq, values["end_millis"],
        values["immersion"], seq.to_bytes(32),
    )  # fmt: skip


def _text(count: int) -> str:
    header = {"schema": "s4m/log/1", "subscriptionId": str(ONE), "voucher": None}
    lines = [{"record": _record(seq).to_json(), "leafHash": to_hex(_record(seq).leaf())} for seq in range(count)]
    return "".join(json.dumps(line) + "\n" for line in [header, *lines])


def test_a_file_in_parts_is_read_as_its_whole_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "BLOCK_BYTES", 4_000)
    path = tmp_path / "log.jsonl"
    path.write_text(_text(60))
    (many,), (one,) = logs.read(path), logs.parse(path.read_bytes())
    assert (many.size, many.packed, many.leaves) == (one.size, one.packed, one.leaves)
    assert many.tree.usage_root() == one.tree.usage_root()
    assert many.record(59) == _record(59)


def test_a_line_that_cannot_be_read_is_named_in_a_file_of_many_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "BLOCK_BYTES", 4_000)
    lines = _text(60).splitlines()
    lines[44] = lines[44].replace('"meter": 0', '"meter": 1.5')
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join(lines))
    with pytest.raises(MalformedLog, match=r"line 45: .*Expected `int`.*meter"):
        logs.read(path)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('{"record": {"seq": 1}}', "missing required field"),
        ('{"subscriptionId": "5", "voucher": {"units": "1", "usageRoot": "0x00", "size": 1}}', "32"),
        ("nonsense", "malformed"),
    ],
)
def test_what_is_no_line_of_a_log_is_refused(line: str, why: str) -> None:
    with pytest.raises(MalformedLog, match=f"line 2: .*{why}"):
        logs.parse("\n" + line)


@pytest.mark.parametrize("field", ["seq", "quantity", "total", "immersion"])
def test_a_number_too_wide_for_its_field_is_refused(field: str) -> None:
    record = _record(0).to_json() | {field: str(2**64)}
    with pytest.raises(MalformedLog, match="line 1"):
        logs.parse(json.dumps({"record": record}))


MUCH = st.integers(0, 2**64 - 1)


@given(
    st.lists(st.tuples(st.integers(0, 1), st.one_of(st.integers(0, 50), MUCH), st.integers(0, 2_000)), max_size=30),
    st.sampled_from([0, 5, 700, 2**40 - 1]),
    st.integers(0, 1_500),
    st.integers(0, 10_000),
)
def test_many_records_are_billed_as_one_after_the_other(
    uses: list[tuple[int, int, int]], included: int, floor: int, discount: int
) -> None:
    """The numpy form of the metering rules gives the very numbers of `ledger.metering`."""
    document = terms_document({"a": 1_500, "b": 999}, included=included, floor_milli=floor, discount_bps=discount)
    terms = metering.Terms.parse(document)
    records = [
        _record(seq, meter=meter, quantity=quantity, immersion=immersion, end_millis=700_000 * (seq + 1))
        for seq, (meter, quantity, immersion) in enumerate(uses)
    ]
    packed = np.frombuffer(b"".join(record.packed() for record in records), PACKED_TYPE)
    tally, due = metering.Tally(), []
    for record in records:
        free = metering.vested(terms, 100, 3_600, 7_300, record.end_millis)
        after = metering.bill(terms, tally, record.meter, record.quantity, record.immersion, free)
        due.append(after.billed - tally.billed)
        tally = after
    assert units_due(terms, packed, 100, 3_600, 7_300).tolist() == due
