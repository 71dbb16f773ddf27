"""VMOF's door: instantiate a service, release a share, and the view of all MSIs with their shares."""

from collections import defaultdict
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import FastAPI, Path, Query

from orchestrator.errors import Refusal
from orchestrator.instances import ShareState
from orchestrator.instances.door import CHANGING, Door, IdempotencyKey, MalformedCall
from orchestrator.instances.moves import moves_of
from orchestrator.instances.msis import msis, running_grants, running_sockets, shares
from orchestrator.instances.msis import share as share_of
from orchestrator.instances.performance import all_performance
from orchestrator.instances.transact import read, snapshot
from orchestrator.notices import NoticeKind
from orchestrator.requirements import AdjustmentRequest, GrantProposal, InstantiationRequest, Notice
from orchestrator.vmof.instantiation import Instantiation
from orchestrator.vmof.top import top
from orchestrator.vmof.workflows import VmofDeps, VmofWorkflows
from trust.openapi import problems


class ShareRefused(Refusal):
    """The service cannot be instantiated; the problem document carries the decision and what would make it feasible."""

    code = "share_refused"
    title = "The service cannot be instantiated"


class GrantsRefused(Refusal):
    """A proposal of grants breaks what the server has or whom it renders for; nothing was changed."""

    code = "grants_refused"
    title = "The grants cannot be"


def build_vmof(deps: VmofDeps) -> FastAPI:
    """VMOF's app and its workflows. Call once, before the engine is launched; protect it with a gate."""
    door = Door("vmof", "Virtual Metaverse Orchestration Function", deps.msmf)
    workflows = VmofWorkflows(deps)
    _instantiating(door, Instantiation(deps))
    _changing(door, workflows)
    _releasing(door, deps, workflows)
    _views(door, deps)
    return door.app


def _instantiating(door: Door, instantiation: Instantiation) -> None:
    @door.app.post("/instances", responses=problems(*CHANGING, ShareRefused))
    async def instantiate(request: InstantiationRequest, key: IdempotencyKey) -> dict[str, Any]:
        outcome = await door.run(instantiation, key, request.requirements.to_json())
        subscription_id = request.requirements.subscription_id
        if "refusal" in outcome:
            refusal = refused(outcome["refusal"])
            door.tell(
                key, [Notice(kind=NoticeKind.SHARE_REFUSED, subject=refusal.code, subscription_id=subscription_id)]
            )
            raise refusal
        share: dict[str, Any] = outcome["share"]
        kind = NoticeKind.SHARE_JOINED if share["reused"] else NoticeKind.MSI_RUNNING
        told = Notice(kind=kind, subject=share["msi"], subscription_id=subscription_id)
        door.tell(key, [told, *_regranted(share["msi"], share["grants"])])
        return share


def _changing(door: Door, workflows: VmofWorkflows) -> None:
    @door.app.put("/shares/{subscriptionId}", responses=problems(*CHANGING, ShareRefused))
    async def adjust(
        subscription_id: Annotated[str, Path(alias="subscriptionId")], wanted: AdjustmentRequest, key: IdempotencyKey
    ) -> dict[str, Any]:
        if wanted.requirements.subscription_id != subscription_id:
            raise MalformedCall(f"The path names {subscription_id}, the body {wanted.requirements.subscription_id}.")
        outcome = await door.once(key, workflows.adjust, key, wanted.to_json())
        told = partial(Notice, subscription_id=subscription_id, detail={"revision": wanted.revision})
        if "refusal" in outcome:
            refusal = refused(outcome["refusal"])
            door.tell(key, [told(kind=NoticeKind.UPDATE_REFUSED, subject=refusal.code)])
            raise refusal
        share: dict[str, Any] = outcome["share"]
        moved = [told(kind=NoticeKind.SHARE_MOVED, subject=share["msi"])] if outcome["moved"] else []
        accepted = told(kind=NoticeKind.UPDATE_ACCEPTED, subject=share["msi"])
        door.tell(key, [accepted, *moved, *_regranted(share["msi"], share["grants"])])
        return share

    @door.app.put("/grants", responses=problems(*CHANGING, GrantsRefused))
    async def grant(proposal: GrantProposal, key: IdempotencyKey) -> dict[str, Any]:
        outcome = await door.once(key, workflows.grant, key, proposal.to_json())
        if "refusal" in outcome:
            problem = outcome["refusal"]
            raise GrantsRefused(problem["detail"], **{name: told for name, told in problem.items() if name != "detail"})
        changed: dict[str, Any] = outcome["changed"]
        told = [
            one
            for name, amounts in changed["grants"].items()
            for one in _regranted(changed["msis"][name], {name: amounts})
        ]
        door.tell(key, told)
        return changed


def _releasing(door: Door, deps: VmofDeps, workflows: VmofWorkflows) -> None:
    async def tell_draining(subscription_id: str, key: str) -> None:
        """Once: who drains already was told."""
        held = await door.run(read, deps.reading, share_of, subscription_id)
        if held is not None and held.state in (ShareState.PLANNING, ShareState.RUNNING):
            told = Notice(kind=NoticeKind.SHARE_DRAINING, subject=held.msi_id, subscription_id=subscription_id)
            door.tell(f"{key}:begun", [told])

    @door.app.post("/shares/{subscriptionId}/draining", responses=problems(*CHANGING))
    async def drain(
        subscription_id: Annotated[str, Path(alias="subscriptionId")], key: IdempotencyKey
    ) -> dict[str, Any]:
        await tell_draining(subscription_id, key)
        return await door.once(key, workflows.drain, key, subscription_id)

    @door.app.delete("/shares/{subscriptionId}", responses=problems(*CHANGING))
    async def release(
        subscription_id: Annotated[str, Path(alias="subscriptionId")], key: IdempotencyKey
    ) -> dict[str, Any]:
        await tell_draining(subscription_id, key)
        released = await door.once(key, workflows.release, key, subscription_id)
        told = Notice(kind=NoticeKind.SHARE_RELEASED, subject=released["msi"], subscription_id=subscription_id)
        door.tell(key, [told, *_regranted(released["msi"], released["grants"])])
        return released


def _views(door: Door, deps: VmofDeps) -> None:
    @door.app.get("/instances")
    async def list_instances(grants: bool = False) -> dict[str, Any]:
        if grants:
            return await door.run(read, deps.reading, _grants)
        return await door.run(read, deps.reading, _instances, deps.clock())

    @door.app.get("/moves")
    async def list_moves(subscription_id: Annotated[str, Query(alias="subscriptionId")]) -> dict[str, Any]:
        return {"moves": await door.run(read, deps.reading, _moves, subscription_id)}

    @door.app.get("/top")
    async def show_top() -> dict[str, Any]:
        return await door.run(snapshot, deps.reading, top)


def refused(refusal: dict[str, Any]) -> ShareRefused:
    """A recorded refusal as the error that becomes its problem document, under the refusal's own code."""
    details = {name: value for name, value in refusal.items() if name != "detail"}
    return ShareRefused(refusal["detail"], **details)


def _regranted(msi: str, grants: Mapping[str, Any]) -> list[Notice]:
    """Neighbours whose grant changed by it."""
    return [
        Notice(kind=NoticeKind.GRANT_CHANGED, subject=msi, subscription_id=name, detail={"grant": dict(grant)})
        for name, grant in grants.items()
    ]


def _moves(rows: sa.Connection, subscription_id: str) -> list[dict[str, Any]]:
    """Of the subscription's share and of the MSI in which it stands or stood last."""
    held = share_of(rows, subscription_id)
    return moves_of(rows, subscription_id, held.msi_id if held else "")


def _grants(rows: sa.Connection) -> dict[str, Any]:
    return {"grants": running_grants(rows), "sockets": running_sockets(rows)}


def _instances(rows: sa.Connection, now: int) -> dict[str, Any]:
    held: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for share in shares(rows):
        held[share.msi_id].append(share.to_json())
    known = all_performance(rows, now)
    return {
        "instances": [
            {
                **one.to_json(),
                "performance": known[one.msi_id].to_json() if one.msi_id in known else None,
                "held": held[one.msi_id],
            }
            for one in msis(rows)
        ]
    }
