"""Plays calls without sending them: what they would do, in order, and what their gas would cost.

Called by `s4m … --dry-run` and before every question whether to spend: the very code that sends runs with a `Rehearsal`
in a `Sender`'s place. Each call is played on the newest block after those before it (eth_simulateV1). Nothing is
signed, nothing leaves, no key is needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from eth_utils.crypto import keccak

from ledger.chain import Chain, MinedTransaction
from ledger.errors import NodeError, RehearsalUnavailable
from ledger.reverts import decode_revert, reverted
from ledger.sender import gas_limit
from ledger.values import Address, Call, address, from_hex, to_hex

_NOWHERE = "0x" + "00" * 32


class Sends(Protocol):
    """A sender, or its rehearsal."""

    address: Address

    def send(self, call: Call, key: str | None = None, timeout_s: float = 30.0) -> MinedTransaction: ...


@dataclass(frozen=True, slots=True)
class GasCost:
    """`units` of gas; prices and costs in wei. `most` is what the sender would allow at most."""

    units: int
    price: int
    expected: int
    most: int


class Rehearsal:
    """Calls of one account. Raises Reverted as the contract would, RehearsalUnavailable where the node cannot play."""

    def __init__(self, chain: Chain, account: Address) -> None:
        self.chain = chain
        self.address = account
        self.calls: list[Call] = []
        self._used: list[int] = []
        self._built: dict[Address, str] = {}
        self._nonce = chain.transaction_count(account)

    def send(self, call: Call, key: str | None = None, timeout_s: float = 30.0) -> MinedTransaction:  # noqa: ARG002
        """As a sender's, but only played; the receipt's hashes are zero."""
        created: Address | None = None
        logs: Sequence[Mapping[str, Any]] = ()
        if call.to is None:
            created, used = self._build(call)
        else:
            used, logs = self._play(call)
        self.calls.append(call)
        self._used.append(used)
        return MinedTransaction(_NOWHERE, True, self.chain.latest().number, _NOWHERE, used, 0, created, tuple(logs))

    def gas(self) -> GasCost:
        """Of all calls so far, at the node's advised fees."""
        fees = self.chain.fees()
        price = (fees.max_fee - fees.tip) // 2 + fees.tip  # the newest base fee and the tip
        units = sum(self._used)
        return GasCost(units, price, units * price, sum(map(gas_limit, self._used)) * fees.max_fee)

    def _play(self, call: Call) -> tuple[int, Sequence[Mapping[str, Any]]]:
        """Gas and logs of a call after all before it."""
        before = [each for each in self.calls if each.to is not None]
        asked = [_asked(each, self.address) for each in (*before, call)]
        block = {"stateOverrides": self._overrides(), "calls": asked}
        try:
            results = self.chain.request("eth_simulateV1", [{"blockStateCalls": [block]}, "latest"])[0]["calls"]
        except NodeError as error:
            raise RehearsalUnavailable(error.reason) from error
        if int(results[-1]["status"], 16) != 1:
            raise decode_revert(from_hex(results[-1].get("returnData") or "0x"))
        return int(results[-1]["gasUsed"], 16), results[-1]["logs"]

    def _build(self, call: Call) -> tuple[Address, int]:
        """Address and gas of a contract's creation; later calls find its code there (anvil plays no creations)."""
        place = _created(self.address, self._nonce + len(self.calls))
        asked = [_asked(call, self.address), "latest", self._overrides()]
        try:
            used = int(self.chain.request("eth_estimateGas", asked), 16)
            self._built[place] = self.chain.request("eth_call", asked)
        except NodeError as error:
            raise reverted(error) or RehearsalUnavailable(error.reason) from error
        return place, used

    def _overrides(self) -> dict[str, dict[str, str]]:
        if not self._built:
            return {}
        nonce: dict[str, dict[str, str]] = {self.address: {"nonce": hex(self._nonce + len(self.calls))}}
        return nonce | {place: {"code": code} for place, code in self._built.items()}


def _asked(call: Call, sender: Address) -> dict[str, str]:
    asked = {"from": sender, "data": to_hex(call.data), "value": hex(call.value)}
    return {**asked, "to": call.to} if call.to else asked


def _created(account: Address, nonce: int) -> Address:
    """The address of a contract that the account creates with this nonce (Ethereum's CREATE)."""
    import rlp

    return address(to_hex(keccak(rlp.encode([from_hex(account), nonce]))[12:]))
