"""What all contract classes share: encode, call, decode.

Called by the classes beside it only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ledger import abi
from ledger.errors import ContractAbsent
from ledger.values import Address, BlockStamp, Call

if TYPE_CHECKING:
    from ledger.chain import Chain


class BoundContract:
    """A compiled contract at an address on a chain."""

    WORD: ClassVar[str]

    def __init__(self, chain: Chain, address: Address) -> None:
        self.chain = chain
        self.address = address

    def read_all(self, function: str, *arguments: object, block: BlockStamp | None) -> tuple[Any, ...]:
        """All outputs of a view at the block (latest, if None); raises Reverted, ContractAbsent, NodeDown."""
        entry = self._entry(function)
        data = self.chain.call(Call(self.address, entry.encode_call(*arguments)), block)
        if not data:
            raise ContractAbsent(abi.CONTRACTS[self.WORD], self.address)
        return entry.decode_output(data)

    def read(self, function: str, *arguments: object, block: BlockStamp | None) -> Any:
        """The only output of a view."""
        return self.read_all(function, *arguments, block=block)[0]

    def read_many(
        self, function: str, arguments: Sequence[tuple[object, ...]], block: BlockStamp
    ) -> list[tuple[Any, ...]]:
        """All outputs of one view for many arguments at one block, in few round trips."""
        entry = self._entry(function)
        answers = self.chain.call_many([Call(self.address, entry.encode_call(*each)) for each in arguments], block)
        if not all(answers):
            raise ContractAbsent(abi.CONTRACTS[self.WORD], self.address)
        return [entry.decode_output(data) for data in answers]

    def build(self, function: str, *arguments: object) -> Call:
        """The call that changes state, for a Sender."""
        return Call(self.address, self._entry(function).encode_call(*arguments), 0, f"{self.WORD}.{function}")

    @classmethod
    def call_in(cls, data: bytes) -> tuple[str, tuple[Any, ...]] | None:
        """The contract's function that call data names, and its arguments; None where it names none."""
        return abi.load(abi.CONTRACTS[cls.WORD]).call_in(data)

    def _entry(self, function: str) -> abi.Entry:
        return abi.load(abi.CONTRACTS[self.WORD]).functions[function]
