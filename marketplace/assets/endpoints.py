"""GET /assets, /assets/{id}; POST /assets mints through the relayer, on the meter key's provenance signature."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from sqlalchemy import RowMapping, select

from ledger.events import AssetMinted
from ledger.values import SubscriptionId, address, from_hex, to_hex
from marketplace.database import assets
from marketplace.errors import UnknownAsset
from marketplace.orders.schemas import Decimal, Hex32, HexAddress, HexBytes, Shape
from marketplace.parts import Parts


class MintRequest(Shape):
    """POST /assets: the content's hash, who made it in which subscription, and the gateway's word for that."""

    creator: HexAddress
    contentHash: Hex32
    subscriptionId: Decimal
    uri: str
    provenance: HexBytes


def router(parts: Parts) -> APIRouter:
    routes = APIRouter()

    @routes.get("/assets")
    def list_assets(owner: str | None = None) -> list[dict[str, Any]]:
        return listed(parts, owner)

    @routes.get("/assets/{id}")
    def get_asset(id: str) -> dict[str, Any]:
        found = [asset for asset in listed(parts, None) if asset["assetId"] == id]
        if not found:
            raise UnknownAsset(f"no asset {id} was minted.", remedy="GET /api/v1/assets lists them.")
        return found[0]

    @routes.post("/assets", status_code=201)
    def post_asset(request: MintRequest) -> dict[str, Any]:
        return mint(parts, request)

    return routes


def listed(parts: Parts, owner: str | None) -> list[dict[str, Any]]:
    parts.projection.refresh()
    query = select(assets)
    if owner is not None:
        query = query.where(assets.c.owner == address(owner))
    with parts.engine.connect() as connection:
        rows = connection.execute(query).mappings().all()
    return [_asset(row) for row in sorted(rows, key=lambda row: int(row["asset_id"]))]


def mint(parts: Parts, request: MintRequest) -> dict[str, Any]:
    """The contract judges provenance and uniqueness; the same content again finds the transaction already sent."""
    content = from_hex(request.contentHash)
    call = parts.contracts.assets.mint(
        address(request.creator), content, SubscriptionId(int(request.subscriptionId)), request.uri,
        from_hex(request.provenance),
    )  # fmt: skip
    receipt = parts.relayer.send(call, key=f"mint:{to_hex(content)}:{request.subscriptionId}:{request.creator.lower()}")
    minted = parts.contracts.event_in(receipt, AssetMinted)
    return {"assetId": str(minted.asset_id), "txHash": receipt.tx_hash, "contentHash": to_hex(minted.content_hash)}


def _asset(row: RowMapping) -> dict[str, Any]:
    return {
        "assetId": row["asset_id"],
        "owner": row["owner"],
        "creator": row["creator"],
        "subscriptionId": row["subscription_id"],
        "contentHash": row["content_hash"],
        "uri": row["uri"],
        "price": row["price"],
        "user": row["user"],
        "userExpires": row["user_expires"],
        "burned": row["burned"],
    }
