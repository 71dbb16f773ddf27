"""Lines to JSONL, and records changed inside them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ledger.usage_log import UsageRecord
from ledger.values import to_hex

Line = dict[str, Any]


def jsonl(logs: Mapping[int, Iterable[Line]]) -> str:
    return "".join(json.dumps(line) + "\n" for lines in logs.values() for line in lines)


def rehashed(line: Line) -> Line:
    """The line with the leaf hash of what the record says now."""
    return {**line, "leafHash": to_hex(UsageRecord.from_json(line["record"]).leaf())}


def resummed(lines: list[Line]) -> list[Line]:
    """The log with sequence numbers, totals and leaf hashes made to fit again; the header stays."""
    total, fitted = 0, [lines[0]]
    for seq, line in enumerate(lines[1:]):
        total += int(line["record"]["units"])
        fitted.append(rehashed({"record": {**line["record"], "seq": str(seq), "total": str(total)}}))
    return fitted
