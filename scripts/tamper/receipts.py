"""The buyer's own receipts falsified: records with what their immersion came from, each voucher a line of its own.

Each function gets the ground and gives the file's text.
"""

from __future__ import annotations

import copy
from typing import Any

from ledger.measured import Measured
from ledger.usage_log import UsageRecord
from scripts.tamper.case import Cases, Ground, Lines
from scripts.tamper.text import jsonl, rehashed

RECEIPTS = Cases("receipts")


def honest(ground: Ground) -> Lines:
    """The mark's receipts: a frame's record whose immersion follows from R, E, attention and x, and the voucher."""
    lines = ground.copy()
    header = lines.pop(0)
    for line in lines:
        record = UsageRecord.from_json(line["record"])
        if record.immersion:
            line["measured"] = _measured_for(record.immersion).to_json()
    return [*lines, {"subscriptionId": header["subscriptionId"], "voucher": header["voucher"]}]


def _measured_for(immersion: int) -> Measured:
    """A frame of one object that is worth this immersion: found by bisection over the rate."""
    low, high = 0.0, 1e9
    for _ in range(80):
        rate = (low + high) / 2
        worth = Measured(rate, 0.0, ((0, 3.0, 150.0),)).immersion_milli
        low, high = (rate, high) if worth < immersion else (low, rate)
    return Measured(high, 0.0, ((0, 3.0, 150.0),))


def _changed(ground: Ground, **fields: Any) -> str:
    """The first measured record with something of what was measured changed."""
    lines = copy.deepcopy(honest(ground))
    line = next(line for line in lines if "measured" in line)
    line["measured"] |= fields
    return _with(ground, lines)


def _with(ground: Ground, lines: Lines) -> str:
    others = {found: log for found, log in ground.logs.items() if found != ground.mark.subscription_id}
    return jsonl({0: lines, **others})


@RECEIPTS.case("immersion_differs", second=False)
def rate_embellished(ground: Ground) -> str:
    """The rate of a frame is said to be twice what it was."""
    line = next(line for line in honest(ground) if "measured" in line)
    return _changed(ground, rate_bps=2 * line["measured"]["rate_bps"])


@RECEIPTS.case("immersion_differs", second=False)
def errors_hidden(ground: Ground) -> str:
    """Bit errors are told that were not, so that the immersion would be less."""
    return _changed(ground, bep=0.4)


@RECEIPTS.case("immersion_differs", second=False)
def attention_changed(ground: Ground) -> str:
    """An object is said to have been looked at more."""
    return _changed(ground, objects=[{"object": 0, "attention": 5.0, "k": 150.0}])


@RECEIPTS.case("root_differs")
def receipt_rewritten(ground: Ground) -> str:
    """The buyer's copy names another request; its leaf hash fits."""
    lines = copy.deepcopy(honest(ground))
    lines[3]["record"]["requestHash"] = "0x" + "77" * 32
    lines[3] = {**rehashed({"record": lines[3]["record"]})}
    return _with(ground, lines)


@RECEIPTS.case("voucher_differs")
def receipt_voucher_lowered(ground: Ground) -> str:
    """The voucher that the buyer shows is over fewer units than the records before it."""
    lines = copy.deepcopy(honest(ground))
    lines[-1]["voucher"]["units"] = "1"
    return _with(ground, lines)
