"""MMF's door: offers, their acceptance, the end of uses, and the views of models and pool."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import FastAPI, Path, Query

from orchestrator.errors import TryLater
from orchestrator.instances import ModelState
from orchestrator.instances.door import CHANGING, Door, IdempotencyKey, MalformedCall
from orchestrator.instances.models import instances
from orchestrator.instances.transact import read, snapshot, transact_on_one_view
from orchestrator.mmf import offers
from orchestrator.mmf.catalogue import is_supply
from orchestrator.mmf.growing import growing_routes
from orchestrator.mmf.offer_rows import UnknownOffer, offer_name, offers_of
from orchestrator.mmf.repacking import repacking_routes
from orchestrator.mmf.reserving import reservation_routes
from orchestrator.mmf.supplying import supply_routes
from orchestrator.mmf.top import top
from orchestrator.mmf.warming import warm_and_unused, warming_routes
from orchestrator.mmf.workflows import MmfDeps, MmfWorkflows
from orchestrator.notices import NoticeKind
from orchestrator.requirements import Notice, Offer, OfferRequest, UseAdjustment
from orchestrator.resources.pool import links, nodes, virtual_pool
from trust.openapi import problems

SHOWN = (ModelState.PLANNED, ModelState.RUNNING, ModelState.STOPPING)


class PoolNotReady(TryLater):
    """Right after the start: infrastructure or platform models do not supply the pool yet."""

    code = "pool_not_ready"
    title = "The pool is not supplied yet"


class RoomIsWarm(TryLater):
    """A request finds no room, and instances that nobody uses yet hold some: they go first."""

    code = "room_is_warm"
    title = "Instances that were started ahead hold the room"


def build_mmf(deps: MmfDeps) -> FastAPI:
    """MMF's app and its workflows. Call once, before the engine is launched; protect it with a gate."""
    door = Door("mmf", "MaaS Management Function", deps.msmf)
    workflows = MmfWorkflows(deps)
    warming = warming_routes(door, deps)
    growing_routes(door, deps, warming)

    @door.app.post("/offers", responses=problems(*CHANGING, offers.OfferReused))
    async def make_offer(request: OfferRequest, key: IdempotencyKey) -> dict[str, Any]:
        offer_id = offer_name(key)
        try:
            return (await door.run(_propose, deps, request, offer_id)).to_json()
        except RoomIsWarm:
            await door.once(f"{key}:room", warming.make_room)
            return (await door.run(_propose, deps, request, offer_id)).to_json()

    @door.app.get("/offers")
    async def list_offers(subscription_id: Annotated[str, Query(alias="subscriptionId")]) -> dict[str, Any]:
        return {"offers": await door.run(read, deps.reading, offers_of, subscription_id)}

    @door.app.post("/offers/{offerId}/acceptance", responses=problems(*CHANGING, UnknownOffer))
    async def accept_offer(offer_id: Annotated[str, Path(alias="offerId")], key: IdempotencyKey) -> dict[str, Any]:
        answer = await door.run(workflows.accept, offer_id)
        created = [model.instance for model in answer.models if model.verdict != "reuse"]
        door.tell(key, [Notice(kind=NoticeKind.MODEL_RUNNING, subject=one) for one in created])
        return answer.to_json()

    @door.app.put("/uses/{msiId}/{subscriptionId}", responses=problems(*CHANGING))
    async def adjust_uses(
        msi: Annotated[str, Path(alias="msiId")],
        subscription_id: Annotated[str, Path(alias="subscriptionId")],
        wanted: UseAdjustment,
        key: IdempotencyKey,
    ) -> dict[str, Any]:
        if wanted.request.subscription_id != subscription_id:
            raise MalformedCall(f"The path names {subscription_id}, the body {wanted.request.subscription_id}.")
        answer = await door.once(key, workflows.adjust, key, msi, wanted.to_json())
        stopped = partial(Notice, kind=NoticeKind.MODEL_STOPPED, subscription_id=subscription_id)
        told = [stopped(subject=one) for one in answer["stopped"]]
        changed = [model["instance"] for model in answer["models"] if model["verdict"] != "reuse"]
        door.tell(key, [*(Notice(kind=NoticeKind.MODEL_RUNNING, subject=one) for one in changed), *told])
        return answer

    @door.app.delete("/uses/{msiId}/{subscriptionId}", responses=problems(*CHANGING))
    async def end_uses(
        msi: Annotated[str, Path(alias="msiId")],
        subscription_id: Annotated[str, Path(alias="subscriptionId")],
        key: IdempotencyKey,
    ) -> dict[str, Any]:
        ended = await door.once(key, workflows.release, msi, subscription_id)
        stopped = partial(Notice, kind=NoticeKind.MODEL_STOPPED, subscription_id=subscription_id)
        door.tell(key, [stopped(subject=one) for one in ended["stopped"]])
        return ended

    reservation_routes(door, deps)
    door.app.state.supplying = supply_routes(door, deps, warming)
    door.app.state.repacking = repacking_routes(door, deps)

    @door.app.get("/models")
    async def list_models() -> Mapping[str, Any]:
        return await door.run(read, deps.reading, _models)

    @door.app.get("/pool")
    async def show_pool() -> Mapping[str, Any]:
        return await door.run(read, deps.reading, _pool)

    @door.app.get("/top")
    async def show_top() -> Mapping[str, Any]:
        return await door.run(snapshot, deps.reading, top)

    return door.app


def _propose(deps: MmfDeps, request: OfferRequest, offer_id: str) -> Offer:
    return transact_on_one_view(deps.datasource, _offer_or_wait, deps, request, offer_id)


def _offer_or_wait(rows: sa.Connection, deps: MmfDeps, request: OfferRequest, offer_id: str) -> Offer:
    """The offer; nothing is refused, and nothing kept, while parts of the pool have yet to come up or room is warm."""
    offer = offers.propose(rows, deps.models, request, offer_id, deps.clock(), deps.topology)
    if offer.state == "refused" and (missing := _missing_supply(rows, deps)):
        raise PoolNotReady(f"{', '.join(missing)} have yet to supply the pool. Ask again in a moment.", models=missing)
    if offer.state == "refused" and _lacks_room(offer) and (unused := warm_and_unused(rows, deps.clock())):
        raise RoomIsWarm(f"{', '.join(unused)} hold room and are being ended. Ask again in a moment.", instances=unused)
    return offer


def _lacks_room(offer: Offer) -> bool:
    return any(lack.kind == "resource" for lacks in offer.decision.needed.values() for lack in lacks)


def _missing_supply(rows: sa.Connection, deps: MmfDeps) -> list[str]:
    there = {one.model for one in instances(rows, [ModelState.RUNNING]) if one.supply}
    return sorted(name for name, manifest in deps.models.items() if is_supply(manifest) and name not in there)


def _models(rows: sa.Connection) -> dict[str, Any]:
    return {"models": [one.to_json() for one in instances(rows, SHOWN)]}


def _pool(rows: sa.Connection) -> dict[str, Any]:
    own = [node.to_json() for node in nodes(rows, "model")]
    return {**virtual_pool(rows).to_json(), "links": links(rows), "models": own}
