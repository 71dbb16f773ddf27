"""Step II of a purchase: a place in an MSI (join), models agreed with MMF, the share running (settle) or refused.

No workflow of the engine's: whoever asks is one, and asks again after a crash. Until then the call's row keeps its key;
every change here finds its rows where the last try left them, and the first answer stands (docs/decisions/0049). The
agreement is a talk in rounds: MMF offers, VMOF accepts; where others were faster MMF answers with a newer offer.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from orchestrator.errors import Refusal
from orchestrator.instances.repeats import patient
from orchestrator.instances.transact import transact_again
from orchestrator.requirements import (
    Acceptance,
    CandidateReason,
    Offer,
    OfferRequest,
    RefusalNotice,
    RunningModel,
    ServiceDecision,
    ServiceRequirements,
    Shape,
)
from orchestrator.vmof import life_cycle
from orchestrator.vmof.calls import Answer, answer_of, begin, conclude
from orchestrator.vmof.sub_instances import msi_bound, rendering_wish, sub_instances
from orchestrator.vmof.workflows import VmofDeps, as_json, lacks_told, notice_of, regranted, released_meanwhile

ROUNDS = 40
"""Offers until VMOF gives up; each lost round means that somebody else's was accepted."""
START_FAILURES = 2
"""Failed starts of a share's models until it is refused."""


class Agreement(Shape):
    """How a talk with MMF ended: models that run, or why not."""

    offer: Offer
    rounds: int
    models: tuple[RunningModel, ...] = ()
    code: str = ""
    """of the refusal, if it is one"""
    detail: str = ""


class Instantiation:
    """Instantiates services; every call may be repeated, also while it is at work."""

    def __init__(self, deps: VmofDeps) -> None:
        self._deps = deps

    def __call__(self, key: str, document: dict[str, Any]) -> Answer:
        """{"share": InstanceShare} or {"refusal": RefusalNotice}, as JSON; `document` are ServiceRequirements."""
        wanted = ServiceRequirements.model_validate(document)
        try:
            sub_instances(wanted, "", self._deps.models)
            joined = self._change(_join, key, document)
        except Refusal as cause:
            return {"refusal": notice_of(cause).to_json()}
        if "answer" in joined:
            known: Answer = joined["answer"]
            return known
        agreed = self._talk(key, sub_instances(wanted, joined["msi"], self._deps.models))
        decision = _decision(joined, agreed)
        if agreed.code:
            return self._refuse(key, wanted, agreed, decision)
        settled: Answer | None = self._change(
            _settle, key, wanted.subscription_id, as_json(agreed.models), decision.to_json()
        )
        return settled or self._withdraw(key, wanted, joined["msi"])

    def _talk(self, key: str, request: OfferRequest) -> Agreement:
        """The talk with MMF. Repeated, its keys are the same, and so are the answers."""
        offer = self._offer(request, f"{key}:offer-0")
        failures = 0
        for number in range(1, ROUNDS + 1):
            if not offer.decision.feasible:
                detail = lacks_told(offer.decision.needed)
                return Agreement(offer=offer, rounds=number, code="infeasible", detail=detail)
            path = f"/offers/{offer.offer_id}/acceptance"
            answer = Acceptance.model_validate(patient(self._deps.mmf.post, path, {}, f"{key}:accept-{number}"))
            if answer.state == "accepted":
                return Agreement(offer=offer, rounds=number, models=answer.models)
            failures += answer.state == "failed"
            if failures >= START_FAILURES:
                detail = f"The models did not start: {answer.cause}"
                return Agreement(offer=offer, rounds=number, code="start_failed", detail=detail)
            offer = answer.offer or self._offer(request, f"{key}:offer-{number}")
        detail = f"Others were faster in {ROUNDS} rounds. Ask again."
        return Agreement(offer=offer, rounds=ROUNDS, code="no_agreement", detail=detail)

    def _offer(self, request: OfferRequest, key: str) -> Offer:
        return Offer.model_validate(patient(self._deps.mmf.post, "/offers", request.to_json(), key))

    def _refuse(self, key: str, wanted: ServiceRequirements, agreed: Agreement, decision: ServiceDecision) -> Answer:
        needed = agreed.offer.decision.needed
        refusal = RefusalNotice(code=agreed.code, detail=agreed.detail, needed=needed, decision=decision)
        refused: Answer = self._change(_refuse, key, wanted.subscription_id, refusal.to_json())
        return refused

    def _withdraw(self, key: str, wanted: ServiceRequirements, msi: str) -> Answer:
        """Released while it was being instantiated: end the uses that came after the release."""
        patient(self._deps.mmf.delete, f"/uses/{msi}/{wanted.subscription_id}", f"{key}:withdraw")
        self._change(regranted, wanted.service_type)
        refused: Answer = self._change(_conclude, key, {"refusal": released_meanwhile(wanted).to_json()})
        return refused

    def _change(self, change: Callable[..., Any], *args: Any) -> Any:
        return transact_again(self._deps.datasource, change, self._deps, *args)


def _decision(joined: dict[str, Any], agreed: Agreement) -> ServiceDecision:
    return ServiceDecision(
        msi=joined["msi"],
        msi_verdict="reuse" if joined["reused"] else "create",
        msi_candidates=tuple(CandidateReason.model_validate(reason) for reason in joined["candidates"]),
        models=agreed.offer.decision,
        rounds=agreed.rounds,
    )


# the transactions: the call's row and the life cycle's


def _join(rows: sa.Connection, deps: VmofDeps, key: str, document: dict[str, Any]) -> dict[str, Any]:
    """The place; of a call that was answered already that answer."""
    wanted = ServiceRequirements.model_validate(document)
    known = begin(rows, key, ["instantiate", document], deps.clock())
    if known is not None:
        return {"answer": known}
    bound = msi_bound(wanted, deps.models)
    joined = life_cycle.join(rows, wanted, bound, rendering_wish(wanted), key, deps.clock())
    return {**asdict(joined), "candidates": [reason.to_json() for reason in joined.candidates]}


def _settle(
    rows: sa.Connection,
    deps: VmofDeps,
    key: str,
    subscription_id: str,
    models: list[dict[str, Any]],
    decision: dict[str, Any],
) -> Answer | None:
    """None where the share was released meanwhile."""
    known = answer_of(rows, key)
    if known is not None:
        return known
    running = tuple(RunningModel.model_validate(model) for model in models)
    why = ServiceDecision.model_validate(decision)
    share = life_cycle.settle(rows, subscription_id, running, why, deps.clock())
    return conclude(rows, key, {"share": share.to_json()}) if share else None


def _refuse(rows: sa.Connection, deps: VmofDeps, key: str, subscription_id: str, refusal: dict[str, Any]) -> Answer:
    known = answer_of(rows, key)
    if known is not None:
        return known
    life_cycle.refuse(rows, subscription_id, RefusalNotice.model_validate(refusal), deps.clock())
    return conclude(rows, key, {"refusal": refusal})


def _conclude(rows: sa.Connection, _deps: VmofDeps, key: str, answer: Answer) -> Answer:
    return conclude(rows, key, answer)
