"""What one transaction for each usage record costs: the way of most proposals, at its cheapest.

Called by scripts/bench_gas.py. From the least that can be written (the record's bytes as a log that nobody checks) to
tokens that stand for a use.
"""

from __future__ import annotations

import json
from pathlib import Path

from ledger.usage_log import UsageRecord
from ledger.values import Call, SubscriptionId, Units
from scripts.gas.yard import DIGEST, Foreign, NotMeasured, Yard

MODULES = Path(__file__).resolve().parents[2] / "node_modules"
BURNABLE = (
    MODULES / "singularitynet-token-contracts/node_modules/@openzeppelin/contracts/build/contracts"
    "/ERC1155PresetMinterPauser.json"
)
# CALLDATASIZE PUSH0 PUSH0 CALLDATACOPY CALLDATASIZE PUSH0 LOG0 STOP: logs what it is sent
LOGGER = bytes.fromhex("365f5f37365fa000")
# PUSH1 size DUP1 PUSH1 9 PUSH0 CODECOPY PUSH0 RETURN: leaves what follows as the contract
CREATION = bytes([0x60, len(LOGGER), 0x80, 0x60, 0x09, 0x5F, 0x39, 0x5F, 0xF3])
USES = 10_000


def measure_records(yard: Yard) -> None:
    """A bare log, an ERC-20 transfer and an ERC-1155 burn; the tokens' for the second time."""
    logger = yard.create(yard.relayer, CREATION + LOGGER)
    record = UsageRecord(
        subscription_id=SubscriptionId(1 << 64 | 1 << 32 | 1), seq=12_345, meter=0, quantity=5000, units=Units(5),
        total=Units(61_725), start_millis=1, end_millis=2, immersion=900, request_hash=DIGEST,
    )  # fmt: skip
    receipt = yard.send(yard.relayer, Call(logger, record.packed(), 0, "a record"), "record_as_log")
    if [log["data"] for log in receipt.logs] != ["0x" + record.packed().hex()]:
        raise NotMeasured("the record is not in the log")
    for name in ("", "record_as_transfer"):
        yard.send(yard.buyer, yard.contracts.credit.transfer(yard.key("payee").address, 25_000), name)
    document = json.loads(BURNABLE.read_text())
    uses, owner, user = Foreign(document["abi"], document["bytecode"]), yard.key("deployer"), yard.buyer
    uses.deploy(yard, owner, "s4m:uses")
    yard.send(owner, uses.call("mint", user.address, 1, USES, b""))
    for name in ("", "record_as_burn"):
        yard.send(user, uses.call("burn", user.address, 1, 1), name)
    if uses.read(yard, "balanceOf", user.address, 1) != USES - 2:
        raise NotMeasured("the uses were not burned")
