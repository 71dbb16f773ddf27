"""VMOF's durable workflows: adjust (aim, adjust uses, settle anew), grant (a local controller's proposal) and release
(drain, end uses, leave). An instantiation needs none (`instantiation`).

VMOF's app starts the workflows, the engine recovers them; each step may be repeated, each transaction counts once.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from dbos import SQLAlchemyDatasource

from orchestrator.errors import Refusal
from orchestrator.instances import take_turn
from orchestrator.instances.repeats import patient
from orchestrator.instances.transact import durable, step, transact
from orchestrator.models.manifests import Manifest
from orchestrator.requirements import (
    Adjusted,
    AdjustmentRequest,
    Decision,
    FunctionCall,
    GrantProposal,
    Lack,
    MsiCandidate,
    RefusalNotice,
    ReleasedShare,
    RunningModel,
    ServiceDecision,
    ServiceRequirements,
    Verdict,
    lacks_of,
)
from orchestrator.vmof import adjustment, life_cycle
from orchestrator.vmof.calls import begin
from orchestrator.vmof.grants import regrant_all
from orchestrator.vmof.proposals import set_grants
from orchestrator.vmof.sub_instances import msi_bound, rendering_wish, sub_instances


def now_s() -> int:
    """Wall-clock time, UTC seconds."""
    return int(time.time())


@dataclass(frozen=True)
class VmofDeps:
    """What VMOF stands on. `models` are the installed manifests by name; `msmf` hears of what happens to MSIs."""

    datasource: SQLAlchemyDatasource
    models: Mapping[str, Manifest]
    mmf: FunctionCall
    msmf: FunctionCall
    clock: Callable[[], int] = now_s
    reader: sa.Engine | None = None
    """for reads outside transactions, where the datasource's engine would lock for them"""

    @property
    def reading(self) -> sa.Engine:
        """Where to read."""
        return self.reader or self.datasource.engine


class VmofWorkflows:
    """The workflows, registered with the engine when made: make it once, before the engine is launched."""

    def __init__(self, deps: VmofDeps) -> None:
        self._deps = deps
        self.drain = durable("vmof.drain", lambda key, name: self._change(_drain, key, name))
        self.release = durable("vmof.release", self._release)
        self.adjust = durable("vmof.adjust", self._adjust)
        self.grant = durable("vmof.grant", self._grant)

    def _withdraw(self, key: str, wanted: ServiceRequirements, msi: str) -> dict[str, Any]:
        """Released while it was being adjusted: end the uses that came after the release."""
        self._end_uses(msi, wanted.subscription_id, f"{key}:withdraw")
        self._change(regranted, wanted.service_type)
        return {"refusal": released_meanwhile(wanted).to_json()}

    def _adjust(self, key: str, document: dict[str, Any]) -> dict[str, Any]:
        """{"share": InstanceShare} or {"refusal": RefusalNotice}, as JSON; refused, the running share is untouched."""
        asked = AdjustmentRequest.model_validate(document)
        wanted = asked.requirements
        try:
            sub_instances(wanted, "", self._deps.models)
            aimed = self._change(_aim, key, document)
        except Refusal as cause:
            return {"refusal": notice_of(cause).to_json()}
        request = sub_instances(wanted, aimed["msi"], self._deps.models)
        body = {"request": request.to_json(), "revision": asked.revision}
        path = f"/uses/{aimed['from_msi']}/{wanted.subscription_id}"
        once = f"{wanted.subscription_id}:update:{asked.revision}:uses"  # whichever attempt of ours asks
        answer = Adjusted.model_validate(step("adjust_uses", patient, self._deps.mmf.put, path, body, once))
        decision = ServiceDecision(
            msi=aimed["msi"],
            msi_verdict=_verdict_of_update(aimed, answer),
            msi_candidates=tuple(MsiCandidate.model_validate(reason) for reason in aimed["candidates"]),
            models=answer.decision,
        )
        if answer.state != "adjusted":
            self._change(_unaim, document, aimed)
            return {"refusal": _not_adjusted(answer, decision).to_json()}
        share = self._change(_resettle, document, aimed, as_json(answer.models), decision.to_json())
        if share is None:
            return self._withdraw(key, wanted, aimed["msi"])
        return {"share": share, "moved": aimed["msi"] != aimed["from_msi"]}

    def _release(self, key: str, subscription_id: str) -> dict[str, Any]:
        """ReleasedShare as JSON."""
        drained = ReleasedShare.model_validate(self._change(_drain, key, subscription_id))
        if drained.released:
            return drained.to_json()
        ended = self._end_uses(drained.msi, subscription_id, f"{key}:uses")
        left: dict[str, Any] = self._change(_leave, subscription_id, ended)
        return left

    def _grant(self, key: str, document: dict[str, Any]) -> dict[str, Any]:
        """{"changed": GrantsChanged} or {"refusal": its problem}, as JSON; refused, no grant is touched."""
        try:
            return {"changed": self._change(_set_grants, key, document)}
        except Refusal as cause:
            return {"refusal": cause.problem()}

    def _end_uses(self, msi: str, subscription_id: str, key: str) -> list[str]:
        ended = step("end_uses", patient, self._deps.mmf.delete, f"/uses/{msi}/{subscription_id}", key)
        return list(ended["stopped"]) if ended else []

    def _change(self, change: Callable[..., Any], *args: Any) -> Any:
        return transact(self._deps.datasource, change, self._deps, *args)


def notice_of(cause: Refusal) -> RefusalNotice:
    """A refusal as it is recorded, with what would make it feasible where that is known."""
    return RefusalNotice(code=cause.code, detail=str(cause), needed=cause.details.get("needed", {}))


def lacks_told(needed: Mapping[str, tuple[Lack, ...]]) -> str:
    """What a refusal says of them, and what to do."""
    parts = [f"{role} lacks {lacks_of(lacks)}" for role, lacks in needed.items()]
    return "; ".join(parts) + ". Ask for less, for a lower isolation degree, or again when others have left."


def _verdict_of_update(aimed: Mapping[str, Any], answer: Adjusted) -> Verdict:
    """Modify where the MSI is to promise more, or where models of it are scaled or added."""
    return msi_verdict(aimed["reused"], "modify" if aimed["stronger"] else "reuse", answer.decision)


def msi_verdict(reused: bool, planned: Verdict, models: Decision) -> Verdict:
    """What became of the MSI: by the models where they were agreed on, else what VMOF had planned."""
    if not reused:
        return "create"
    changed = models.feasible and models.verdict != "reuse"
    return "modify" if changed or planned == "modify" else "reuse"


def _not_adjusted(answer: Adjusted, decision: ServiceDecision) -> RefusalNotice:
    codes = {"infeasible": "infeasible", "failed": "start_failed", "gone": "released_meanwhile"}
    needed = answer.decision.needed
    detail = answer.cause or lacks_told(needed)
    return RefusalNotice(code=codes[answer.state], detail=detail, needed=needed, decision=decision)


def released_meanwhile(wanted: ServiceRequirements) -> RefusalNotice:
    """Why a share that was asked for and let go at once is not there."""
    detail = f"Subscription {wanted.subscription_id} was released while its service was being instantiated."
    return RefusalNotice(code="released_meanwhile", detail=detail)


def as_json(models: tuple[RunningModel, ...]) -> list[dict[str, Any]]:
    return [model.to_json() for model in models]


def _aim(rows: sa.Connection, deps: VmofDeps, key: str, document: dict[str, Any]) -> dict[str, Any]:
    begin(rows, key, ["adjust", document], deps.clock())
    asked = AdjustmentRequest.model_validate(document)
    bound = msi_bound(asked.requirements, deps.models)
    aimed = adjustment.aim(rows, asked.requirements, asked.revision, bound, key, deps.clock())
    candidates = [reason.to_json() for reason in aimed.candidates]
    return {
        "msi": aimed.msi,
        "from_msi": aimed.from_msi,
        "reused": aimed.reused,
        "stronger": aimed.stronger,
        "candidates": candidates,
    }


def _unaim(rows: sa.Connection, deps: VmofDeps, document: dict[str, Any], aimed: dict[str, Any]) -> None:
    asked = AdjustmentRequest.model_validate(document)
    adjustment.unaim(rows, asked.requirements, asked.revision, aimed["msi"], deps.clock())


def _resettle(
    rows: sa.Connection,
    deps: VmofDeps,
    document: dict[str, Any],
    aimed: dict[str, Any],
    models: list[dict[str, Any]],
    decision: dict[str, Any],
) -> dict[str, Any] | None:
    asked = AdjustmentRequest.model_validate(document)
    running = tuple(RunningModel.model_validate(model) for model in models)
    why, wish = ServiceDecision.model_validate(decision), rendering_wish(asked.requirements)
    share = adjustment.resettle(
        rows, asked.requirements, asked.revision, aimed["msi"], running, wish, why, deps.clock()
    )
    return share.to_json() if share else None


def regranted(rows: sa.Connection, _deps: VmofDeps, cluster: str) -> None:
    """All rendering of a cluster is shared anew."""
    take_turn(rows, cluster)
    regrant_all(rows)


def _set_grants(rows: sa.Connection, deps: VmofDeps, key: str, document: dict[str, Any]) -> dict[str, Any]:
    begin(rows, key, ["grant", document], deps.clock())
    return set_grants(rows, GrantProposal.model_validate(document)).to_json()


def _drain(rows: sa.Connection, deps: VmofDeps, key: str, subscription_id: str) -> dict[str, Any]:
    begin(rows, key, ["release", subscription_id], deps.clock())
    return life_cycle.drain(rows, subscription_id, deps.clock()).to_json()


def _leave(rows: sa.Connection, deps: VmofDeps, subscription_id: str, stopped: list[str]) -> dict[str, Any]:
    return life_cycle.leave(rows, subscription_id, tuple(stopped), deps.clock()).to_json()
