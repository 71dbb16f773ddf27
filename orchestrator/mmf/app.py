"""MMF's door: offers, their acceptance, the end of uses, and the views of models and pool."""

from collections.abc import Mapping
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import FastAPI, Path

from orchestrator.instances import ModelState
from orchestrator.instances.door import Door, IdempotencyKey
from orchestrator.instances.models import instances
from orchestrator.instances.transact import read, transact
from orchestrator.mmf import offers
from orchestrator.mmf.workflows import MmfDeps, MmfWorkflows
from orchestrator.requirements import Notice, Offer, OfferRequest
from orchestrator.resources.pool import nodes, virtual_pool

SHOWN = (ModelState.PLANNED, ModelState.RUNNING, ModelState.STOPPING)


def build_mmf(deps: MmfDeps) -> FastAPI:
    """MMF's app and its workflows. Call once, before the engine is launched; protect it with a gate."""
    door = Door("mmf", "MaaS Management Function", deps.msmf)
    workflows = MmfWorkflows(deps)

    @door.app.post("/offers")
    async def make_offer(request: OfferRequest, key: IdempotencyKey) -> dict[str, Any]:
        return (await door.run(_propose, deps, request, offers.offer_name(key))).to_json()

    @door.app.post("/offers/{offerId}/acceptance")
    async def accept_offer(offer_id: Annotated[str, Path(alias="offerId")], key: IdempotencyKey) -> dict[str, Any]:
        answer = await door.once(key, workflows.accept, offer_id)
        created = [model["instance"] for model in answer["models"] if model["verdict"] != "reuse"]
        door.tell(key, [Notice(kind="model.running", subject=one) for one in created])
        return answer

    @door.app.delete("/uses/{msiId}/{subscriptionId}")
    async def end_uses(
        msi: Annotated[str, Path(alias="msiId")],
        subscription_id: Annotated[str, Path(alias="subscriptionId")],
        key: IdempotencyKey,
    ) -> dict[str, Any]:
        ended = await door.once(key, workflows.release, msi, subscription_id)
        door.tell(key, [Notice(kind="model.stopped", subject=one) for one in ended["stopped"]])
        return ended

    @door.app.get("/models")
    async def list_models() -> Mapping[str, Any]:
        return await door.run(read, deps.reading, _models)

    @door.app.get("/pool")
    async def show_pool() -> Mapping[str, Any]:
        return await door.run(read, deps.reading, _pool)

    return door.app


def _propose(deps: MmfDeps, request: OfferRequest, offer_id: str) -> Offer:
    return transact(deps.datasource, offers.propose, deps.models, request, offer_id, deps.clock())


def _models(rows: sa.Connection) -> dict[str, Any]:
    return {"models": [one.to_json() for one in instances(rows, SHOWN)]}


def _pool(rows: sa.Connection) -> dict[str, Any]:
    own = [node.to_json() for node in nodes(rows, "model")]
    return {**virtual_pool(rows).to_json(), "models": own}
