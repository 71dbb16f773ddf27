"""The money: any ERC-20 with permit; on devnets MaaSCredit with its faucet.

Called by wallets and by tests that need money.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from ledger import abi
from ledger.contracts.base import BoundContract
from ledger.events import ChainEvent
from ledger.structs import Permit
from ledger.values import Address, BlockStamp, Call, Money


class CreditContract(BoundContract):
    WORD: ClassVar[str] = "credit"

    def faucet(self, to: Address, amount: int) -> Call:
        """Devnet only: new credits, at most a million a call."""
        return self.build("faucet", to, amount)

    def faucet_limit(self, block: BlockStamp | None = None) -> Money:
        """The most that one call of the faucet gives; money without a faucet raises."""
        most: Money = self.read("FAUCET_LIMIT", block=block)
        return most

    def transfer(self, to: Address, amount: int) -> Call:
        return self.build("transfer", to, amount)

    def approve(self, spender: Address, amount: int) -> Call:
        return self.build("approve", spender, amount)

    def permit(self, owner: Address, spender: Address, permit: Permit) -> Call:
        """Submits an ERC-2612 permit that `owner` signed; anyone may send it."""
        return self.build("permit", owner, spender, permit.value, permit.deadline, permit.v, permit.r, permit.s)

    def transfers(self, first: int, last: int, parties: Sequence[Address | None]) -> list[ChainEvent]:
        """Transfers in blocks first..last by payer and payee (None: any)."""
        topic = "0x" + abi.load(abi.CONTRACTS[self.WORD]).events["Transfer"].hash.hex()
        words = [party and "0x" + party[2:].lower().rjust(64, "0") for party in parties]
        return self.chain.logs_with(first, last, {self.WORD: self.address}, [topic, *words])

    def balance_of(self, account: Address, block: BlockStamp | None = None) -> Money:
        balance: Money = self.read("balanceOf", account, block=block)
        return balance

    def allowance(self, owner: Address, spender: Address, block: BlockStamp | None = None) -> Money:
        amount: Money = self.read("allowance", owner, spender, block=block)
        return amount

    def permit_nonce(self, owner: Address, block: BlockStamp | None = None) -> int:
        """The nonce that the owner's next permit must carry."""
        nonce: int = self.read("nonces", owner, block=block)
        return nonce

    def total_supply(self, block: BlockStamp | None = None) -> Money:
        supply: Money = self.read("totalSupply", block=block)
        return supply

    def symbol(self, block: BlockStamp | None = None) -> str:
        text: str = self.read("symbol", block=block)
        return text

    def decimals(self, block: BlockStamp | None = None) -> int:
        count: int = self.read("decimals", block=block)
        return count
