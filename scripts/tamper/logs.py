"""The gateway's log falsified: records changed, left out, invented; vouchers and signatures forged.

Each function gets the ground and gives the text that the audit is shown in place of the honest one.
"""

from __future__ import annotations

from typing import Any

from ledger.keys import WalletKey
from ledger.metering import Terms, gross_units
from ledger.typed_data import Voucher, sign
from ledger.usage_log import UsageLog, UsageRecord
from ledger.values import Units, compact, from_hex, to_hex
from scripts.tamper.case import Cases, Ground, Lines
from scripts.tamper.text import rehashed, resummed

LOG = Cases("log")
MIDDLE = 4
"""A line in the middle of the log; line 0 is the header."""


def _changed(ground: Ground, **fields: Any) -> str:
    lines = ground.copy()
    lines[MIDDLE]["record"] |= fields
    return ground.with_log(lines)


def _number(ground: Ground, name: str) -> int:
    return int(ground.copy()[MIDDLE]["record"][name])


@LOG.case("units_differ")
def quantity_raised(ground: Ground) -> str:
    """A record's measured quantity is higher than what it bills, its hash fits."""
    lines = ground.copy()
    lines[MIDDLE]["record"]["quantity"] = str(_number(ground, "quantity") + 7)
    lines[MIDDLE] = rehashed(lines[MIDDLE])
    return ground.with_log(lines)


@LOG.case("units_differ")
def units_lowered_all_along(ground: Ground) -> str:
    """A record bills one unit less; totals and hashes after it fit."""
    lines = ground.copy()
    billed = next(line for line in lines[1:] if int(line["record"]["units"]))
    billed["record"]["units"] = str(int(billed["record"]["units"]) - 1)
    return ground.with_log(resummed(lines))


@LOG.case("total_differs")
def units_raised(ground: Ground) -> str:
    """A record's units are raised, all else stays."""
    return _changed(ground, units=str(_number(ground, "units") + 5))


@LOG.case("total_differs")
def total_raised(ground: Ground) -> str:
    """A record's running total is raised."""
    return _changed(ground, total=str(_number(ground, "total") + 1))


@LOG.case("units_differ")
def meter_swapped(ground: Ground) -> str:
    """A use is booked on the plan's cheaper or dearer meter."""
    return _changed(ground, meter=1 - _number(ground, "meter"))


@LOG.case("meter_unknown")
def meter_invented(ground: Ground) -> str:
    """A use is booked on a meter that the plan does not have."""
    return _changed(ground, meter=99)


@LOG.case("units_differ")
def discount_dodged(ground: Ground) -> str:
    """The immersion of a discounted record is raised to the promised floor, so that no discount is due."""
    lines, (_, terms) = ground.copy(), ground.market.plan_terms[ground.mark.plan]
    low = next(line["record"] for line in lines[1:] if _has_discount(terms, line["record"]))
    low["immersion"] = terms.floor_milli
    return ground.with_log(lines)


def _has_discount(terms: Terms, record: dict[str, Any]) -> bool:
    """Whether it was under the floor, and that made its units fewer."""
    meter, quantity = record["meter"], int(record["quantity"])
    return gross_units(terms, meter, quantity, record["immersion"]) < gross_units(terms, meter, quantity, 0)


@LOG.case("root_differs")
def request_replaced(ground: Ground) -> str:
    """A record is said to be of another request; its leaf hash fits."""
    lines = ground.copy()
    lines[MIDDLE]["record"]["requestHash"] = "0x" + "ee" * 32
    lines[MIDDLE] = rehashed(lines[MIDDLE])
    return ground.with_log(lines)


@LOG.case("root_differs")
def use_antedated(ground: Ground) -> str:
    """A use is moved to a millisecond earlier; its leaf hash fits."""
    lines = ground.copy()
    lines[MIDDLE]["record"]["startMillis"] = str(_number(ground, "startMillis") - 1)
    lines[MIDDLE] = rehashed(lines[MIDDLE])
    return ground.with_log(lines)


@LOG.case("leaf_differs")
def leaf_hash_replaced(ground: Ground) -> str:
    """The hash written beside a record is another."""
    lines = ground.copy()
    lines[MIDDLE]["leafHash"] = "0x" + "11" * 32
    return ground.with_log(lines)


@LOG.case("time_disordered")
def time_turned_round(ground: Ground) -> str:
    """A use ends before it starts."""
    return _changed(ground, startMillis=str(_number(ground, "endMillis") + 1))


@LOG.case("sequence_broken")
def record_left_out(ground: Ground) -> str:
    """A record in the middle is left out."""
    lines = ground.copy()
    del lines[MIDDLE]
    return ground.with_log(lines)


@LOG.case("root_differs")
def free_record_left_out(ground: Ground) -> str:
    """A record is left out and its units moved to the one before: numbers, totals and hashes fit again."""
    lines = ground.copy()
    gone = lines.pop(MIDDLE)["record"]
    lines[MIDDLE - 1]["record"]["units"] = str(int(lines[MIDDLE - 1]["record"]["units"]) + int(gone["units"]))
    return ground.with_log(resummed(lines))


@LOG.case("log_short")
def end_cut_off(ground: Ground) -> str:
    """The last records, settled already, are cut off."""
    return ground.with_log(ground.copy()[:-3])


@LOG.case("sequence_broken")
def record_told_twice(ground: Ground) -> str:
    """A record stands in the log twice."""
    lines = ground.copy()
    return ground.with_log([*lines[:MIDDLE], lines[MIDDLE], *lines[MIDDLE:]])


@LOG.case("sequence_broken")
def records_swapped(ground: Ground) -> str:
    """Two records change places."""
    lines = ground.copy()
    lines[MIDDLE], lines[MIDDLE + 1] = lines[MIDDLE + 1], lines[MIDDLE]
    return ground.with_log(lines)


@LOG.case("settled_units_differ")
def record_invented(ground: Ground) -> str:
    """A use that never was is put in between; numbers, totals and hashes fit."""
    lines = ground.copy()
    extra = {"record": {**lines[MIDDLE]["record"], "units": "3", "requestHash": "0x" + "ab" * 32}}
    return ground.with_log(resummed([*lines[:2], extra, *lines[2:]]))


@LOG.case("foreign_record")
def record_of_another(ground: Ground) -> str:
    """A record of another subscription is put in place of one."""
    lines = ground.copy()
    lines[MIDDLE] = ground.market.lines(ground.market.sold[3])[MIDDLE]
    return ground.with_log(lines)


@LOG.case("foreign_record")
def log_of_another(ground: Ground) -> str:
    """The whole log of another subscription is shown under this one's header."""
    return ground.with_log([ground.copy()[0], *ground.market.lines(ground.market.sold[3])[1:]])


@LOG.case("root_differs")
def history_rewritten(ground: Ground) -> str:
    """All requests are replaced and the voucher is signed anew by both keys: consistent in itself, never settled."""
    lines, mark, domain = ground.copy(), ground.mark, ground.market.contracts.market_domain
    forged = [rehashed({"record": {**line["record"], "requestHash": "0x" + "33" * 32}}) for line in lines[1:]]
    tree = UsageLog.of(UsageRecord.from_json(line["record"]) for line in forged)
    body = lines[0]["voucher"]
    voucher = Voucher(mark.subscription_id, Units(int(body["units"])), tree.usage_root(int(body["size"])))
    body["usageRoot"] = to_hex(voucher.usage_root)
    body["meterSignature"] = to_hex(sign(ground.market.meter, domain, voucher))
    _sign(body, sign(mark.session, domain, voucher))
    return ground.with_log([lines[0], *forged])


@LOG.case("log_missing")
def log_withheld(ground: Ground) -> str:
    """The log of a subscription whose use was settled is not shown at all."""
    return ground.with_log([])


@LOG.case("voucher_differs")
def voucher_root_replaced(ground: Ground) -> str:
    """The newest voucher names another root."""
    return _voucher(ground, usageRoot="0x" + "22" * 32)


@LOG.case("voucher_differs")
def voucher_units_raised(ground: Ground) -> str:
    """The newest voucher is over more units than the log has."""
    return _voucher(ground, units=str(int(ground.copy()[0]["voucher"]["units"]) + 100))


@LOG.case("voucher_differs")
def voucher_size_changed(ground: Ground) -> str:
    """The newest voucher is said to cover fewer records."""
    return _voucher(ground, size=3)


@LOG.case("session_signature_wrong")
def session_signature_forged(ground: Ground) -> str:
    """Somebody else signs the voucher in the session key's place."""
    lines = ground.copy()
    _sign(lines[0]["voucher"], _strangers_word(ground, lines))
    return ground.with_log(lines)


@LOG.case("meter_signature_wrong")
def meter_signature_forged(ground: Ground) -> str:
    """Somebody else signs the voucher in the gateway's place."""
    lines = ground.copy()
    lines[0]["voucher"]["meterSignature"] = to_hex(_strangers_word(ground, lines))
    return ground.with_log(lines)


@LOG.case("session_signature_wrong")
def signature_of_another_voucher(ground: Ground) -> str:
    """The session key's signature is one that it gave for an earlier voucher."""
    lines, mark = ground.copy(), ground.mark
    earlier = Voucher(mark.subscription_id, mark.records[1].total, mark.tree.usage_root(2))
    _sign(lines[0]["voucher"], sign(mark.session, ground.market.contracts.market_domain, earlier))
    return ground.with_log(lines)


def _voucher(ground: Ground, **fields: Any) -> str:
    lines = ground.copy()
    lines[0]["voucher"] |= fields
    return ground.with_log(lines)


def _strangers_word(ground: Ground, lines: Lines) -> bytes:
    body = lines[0]["voucher"]
    voucher = Voucher(ground.mark.subscription_id, Units(int(body["units"])), from_hex(body["usageRoot"]))
    return sign(WalletKey.create(), ground.market.contracts.market_domain, voucher)


def _sign(body: dict[str, Any], signature: bytes) -> None:
    body["signature"] = to_hex(signature)
    body["r"], body["vs"] = map(to_hex, compact(signature))
