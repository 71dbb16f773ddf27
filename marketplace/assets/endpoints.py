"""GET /assets, /assets/{id}; POST /assets mints through the relayer, on the meter key's provenance signature."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import RowMapping, func, literal, select, tuple_

from ledger.events import AssetMinted
from ledger.values import SubscriptionId, address, from_hex, to_hex
from marketplace.answers import AssetAnswer, MintAnswer, Page
from marketplace.database import assets
from marketplace.errors import MalformedCursor, MalformedInput, UnknownAsset
from marketplace.openapi import problems
from marketplace.orders.schemas import Decimal, Hex32, HexAddress, HexBytes, Shape
from marketplace.pagination import Window, page_of, window
from marketplace.parts import Parts


class MintRequest(Shape):
    """POST /assets: the content's hash, who made it in which subscription, and the gateway's word for that."""

    creator: HexAddress
    contentHash: Hex32
    subscriptionId: Decimal
    uri: str = Field(examples=["s4m:content/5fe7f977"])
    provenance: HexBytes


class WantedAssets(BaseModel):
    """GET /assets: whose, of which subscription; None asks for all."""

    model_config = ConfigDict(frozen=True)

    owner: HexAddress | None = Field(default=None, description="Who holds them.")
    subscriptionId: Decimal | None = Field(default=None, description="In which subscription they were made.")
    forSale: bool = Field(default=False, description="Only those with a price.")


def router(parts: Parts) -> APIRouter:
    routes = APIRouter(tags=["assets"])

    @routes.get("/assets", responses=problems(MalformedInput, MalformedCursor))
    def list_assets(
        request: Request, asked: Annotated[WantedAssets, Query()], page: Annotated[Window, Depends(window)]
    ) -> Page[AssetAnswer]:
        """Digital assets, in the order in which they were minted."""
        found = listed(parts, asked, page)
        return page_of(request, page, found, lambda asset: (asset["assetId"],))

    @routes.get("/assets/{id}", responses=problems(UnknownAsset))
    def get_asset(id: str) -> AssetAnswer:
        """One digital asset."""
        return one(parts, id)

    @routes.post("/assets", status_code=201, responses=problems(MalformedInput))
    def post_asset(request: MintRequest) -> MintAnswer:
        """Mint through the relayer, on the meter key's provenance signature. The same content twice is one asset."""
        return mint(parts, request)

    return routes


def listed(parts: Parts, asked: WantedAssets, window: Window) -> list[AssetAnswer]:
    """From the projected table; one asset more than `window` shows where there are more."""
    parts.projection.refresh()
    number = (func.length(assets.c.asset_id), assets.c.asset_id)  # decimal text in the order of its numbers
    query = select(assets).order_by(*number).limit(window.limit + 1)
    if asked.owner is not None:
        query = query.where(assets.c.owner == address(asked.owner))
    if asked.subscriptionId is not None:
        query = query.where(assets.c.subscription_id == asked.subscriptionId)
    if asked.forSale:
        query = query.where(assets.c.price.is_not(None))
    if window.after is not None:
        last = window.after[0]
        query = query.where(tuple_(*number) > tuple_(literal(len(last)), literal(last)))
    with parts.engine.connect() as connection:
        return [_asset(row) for row in connection.execute(query).mappings()]


def one(parts: Parts, asset_id: str) -> AssetAnswer:
    """Raises `UnknownAsset`."""
    parts.projection.refresh()
    with parts.engine.connect() as connection:
        row = connection.execute(select(assets).where(assets.c.asset_id == asset_id)).mappings().first()
    if row is None:
        raise UnknownAsset(f"no asset {asset_id} was minted.", remedy="GET /api/v1/assets lists them.")
    return _asset(row)


def mint(parts: Parts, request: MintRequest) -> MintAnswer:
    """The contract judges provenance and uniqueness; the same content again finds the transaction already sent."""
    content = from_hex(request.contentHash)
    call = parts.contracts.assets.mint(
        address(request.creator), content, SubscriptionId(int(request.subscriptionId)), request.uri,
        from_hex(request.provenance),
    )  # fmt: skip
    receipt = parts.relayer.send(call, key=f"mint:{to_hex(content)}:{request.subscriptionId}:{request.creator.lower()}")
    minted = parts.contracts.event_in(receipt, AssetMinted)
    return {"assetId": str(minted.asset_id), "txHash": receipt.tx_hash, "contentHash": to_hex(minted.content_hash)}


def _asset(row: RowMapping) -> AssetAnswer:
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
