"""DigitalAssets: things made in the virtual world.

Called by the marketplace (relayed minting), by wallets (sell, rent, burn) and by the audit.
"""

from __future__ import annotations

from typing import ClassVar

from ledger.contracts.token import TokenContract
from ledger.structs import Asset
from ledger.values import Address, AssetId, BlockStamp, Call, Money


class AssetsContract(TokenContract):
    WORD: ClassVar[str] = "assets"

    def mint(self, creator: Address, content_hash: bytes, subscription_id: int, uri: str, provenance: bytes) -> Call:
        """Mints to `creator`; `provenance` is the meter key's 65-byte signature over the Provenance."""
        return self.build("mint", creator, content_hash, subscription_id, uri, provenance)

    def burn(self, asset_id: int) -> Call:
        return self.build("burn", asset_id)

    def list_for_sale(self, asset_id: int, price: int) -> Call:
        return self.build("list", asset_id, price)

    def unlist(self, asset_id: int) -> Call:
        return self.build("unlist", asset_id)

    def buy(self, asset_id: int, expected_price: int) -> Call:
        """Buys at exactly this price, in the market's token of the sender (approved before)."""
        return self.build("buy", asset_id, expected_price)

    def set_user(self, asset_id: int, user: Address, expires: int) -> Call:
        """ERC-4907: rents the asset to `user` until `expires`, UTC seconds."""
        return self.build("setUser", asset_id, user, expires)

    def user_of(self, asset_id: int, block: BlockStamp | None = None) -> Address:
        user: Address = self.read("userOf", asset_id, block=block)
        return user

    def user_expires(self, asset_id: int, block: BlockStamp | None = None) -> int:
        expires: int = self.read("userExpires", asset_id, block=block)
        return expires

    def asset(self, asset_id: int, block: BlockStamp | None = None) -> Asset:
        return Asset(*self.read("asset", asset_id, block=block))

    def asset_of_content(self, content_hash: bytes, block: BlockStamp | None = None) -> AssetId:
        """The asset that holds this content; 0 where none does."""
        asset: AssetId = self.read("assetOfContent", content_hash, block=block)
        return asset

    def price_of(self, asset_id: int, block: BlockStamp | None = None) -> Money:
        """The asking price; 0 where it is not listed."""
        price: Money = self.read("priceOf", asset_id, block=block)
        return price

    def asset_count(self, block: BlockStamp | None = None) -> int:
        count: int = self.read("assetCount", block=block)
        return count

    def hash_provenance(
        self, content_hash: bytes, creator: Address, subscription_id: int, uri: str, block: BlockStamp | None = None
    ) -> bytes:
        digest: bytes = self.read("hashProvenance", content_hash, creator, subscription_id, uri, block=block)
        return digest
