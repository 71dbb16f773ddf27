"""The ERC-721 side that the catalogue and the assets share.

Called through catalog and assets. Token ids are model ids there, asset ids here.
"""

from __future__ import annotations

from collections.abc import Sequence

from ledger.contracts.base import BoundContract
from ledger.values import Address, BlockStamp, Call, Money


class TokenContract(BoundContract):
    def owner_of(self, token_id: int, block: BlockStamp | None = None) -> Address:
        """The owner; raises Reverted (ERC721NonexistentToken) where there is no such token."""
        owner: Address = self.read("ownerOf", token_id, block=block)
        return owner

    def owners_of(self, token_ids: Sequence[int], block: BlockStamp) -> list[Address]:
        """As `owner_of`, of many at one block; NodeError where one of them does not exist."""
        return [owner for (owner,) in self.read_many("ownerOf", [(one,) for one in token_ids], block)]

    def balance_of(self, owner: Address, block: BlockStamp | None = None) -> int:
        """How many tokens the owner has."""
        count: int = self.read("balanceOf", owner, block=block)
        return count

    def token_uri(self, token_id: int, block: BlockStamp | None = None) -> str:
        uri: str = self.read("tokenURI", token_id, block=block)
        return uri

    def royalty(self, token_id: int, price: Money, block: BlockStamp | None = None) -> tuple[Address, Money]:
        """ERC-2981: who gets how much of a sale at `price`."""
        receiver, amount = self.read_all("royaltyInfo", token_id, price, block=block)
        return receiver, amount

    def approve(self, to: Address, token_id: int) -> Call:
        return self.build("approve", to, token_id)

    def transfer(self, owner: Address, to: Address, token_id: int) -> Call:
        """Moves the token from its owner; the sender must be the owner or approved."""
        return self.build("transferFrom", owner, to, token_id)
