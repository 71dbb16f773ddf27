"""Step II of a purchase: a place in an MSI (join), models agreed with MMF, the share running (settle) or refused.

No workflow of the engine's: whoever asks is one, and asks again after a crash. Until then the call's row keeps its key;
every change here finds its rows where the last try left them, and the first answer stands (docs/decisions/0049). The
agreement is a talk in rounds: MMF offers, VMOF accepts, or rejects what leads to strained instances and says which;
where others were faster MMF answers with a newer offer.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import sqlalchemy as sa

from orchestrator.errors import Refusal
from orchestrator.instances.performance import strained_instances
from orchestrator.instances.repeats import patient
from orchestrator.instances.transact import transact_again
from orchestrator.placement.strain import strains
from orchestrator.requirements import (
    Acceptance,
    Lack,
    Offer,
    OfferRequest,
    RefusalNotice,
    RunningModel,
    ServiceDecision,
    ServiceRequirements,
    Shape,
    Verdict,
)
from orchestrator.vmof import life_cycle
from orchestrator.vmof.calls import Answer, answer_of, begin, conclude
from orchestrator.vmof.sub_instances import msi_bound, rendering_wish, sub_instances
from orchestrator.vmof.workflows import (
    VmofDeps,
    lacks_told,
    msi_verdict,
    notice_of,
    regranted,
    released_meanwhile,
)

Strained = dict[str, tuple[Lack, ...]]
"""Model instance → why nobody else should share it as it is."""
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
            place: Answer | tuple[life_cycle.Joined, Strained] = self._change(_join, key, wanted, document)
        except Refusal as cause:
            return {"refusal": notice_of(cause).to_json()}
        if isinstance(place, dict):
            return place
        joined, strained = place
        agreed = self._talk(key, sub_instances(wanted, joined.msi, self._deps.models), strained)
        decision = _decision(joined, agreed)
        if agreed.code:
            return self._refuse(key, wanted, agreed, decision)
        settled: Answer | None = self._change(_settle, key, wanted, agreed.models, decision)
        return settled or self._withdraw(key, wanted, joined.msi)

    def _talk(self, key: str, request: OfferRequest, strained: Strained) -> Agreement:
        """The talk with MMF. Repeated, its keys are the same, and so are the answers."""
        offer, first = self._first_offer(key, request, strained)
        failures = 0
        for number in range(first, ROUNDS + 1):
            if not offer.decision.feasible:
                detail = lacks_told(offer.decision.needed)
                return Agreement(offer=offer, rounds=number, code="infeasible", detail=detail)
            path = f"/offers/{offer.offer_id}/acceptance"
            answer = Acceptance.model_validate(patient(self._deps.mmf.post, path, {}, f"{key}:accept-{offer.offer_id}"))
            if answer.state == "accepted":
                return Agreement(offer=offer, rounds=number, models=answer.models)
            failures += answer.state == "failed"
            if failures >= START_FAILURES:
                detail = f"The models did not start: {answer.cause}"
                return Agreement(offer=offer, rounds=number, code="start_failed", detail=detail)
            offer = answer.offer or self._offer(request, f"{key}:offer-{number}")
        detail = f"Others were faster in {ROUNDS} rounds. Ask again."
        return Agreement(offer=offer, rounds=ROUNDS, code="no_agreement", detail=detail)

    def _first_offer(self, key: str, request: OfferRequest, strained: Strained) -> tuple[Offer, int]:
        """MMF's offer, and its number. One that shares strained instances is rejected, and MMF asked for another
        without; where there is none, a strained instance is better than no service."""
        offer = self._offer(request, f"{key}:offer-0")
        shared = {one.instance for one in offer.decision.placements if one.verdict == "reuse"}
        if offer.state != "rejected" and not shared & strained.keys():
            return offer, 1
        sparing = request.model_copy(update={"avoid": strained, "instead_of": offer.offer_id})
        other = self._offer(
            sparing, f"{key}:offer-sparing-{sha256(sparing.model_dump_json().encode()).hexdigest()[:8]}"
        )
        if other.decision.feasible:
            return other, 2
        after_all = request.model_copy(update={"instead_of": other.offer_id})
        return self._offer(after_all, f"{key}:offer-after-{other.offer_id}"), 3

    def _offer(self, request: OfferRequest, key: str) -> Offer:
        return Offer.model_validate(patient(self._deps.mmf.post, "/offers", request.to_json(), key))

    def _refuse(self, key: str, wanted: ServiceRequirements, agreed: Agreement, decision: ServiceDecision) -> Answer:
        needed = agreed.offer.decision.needed
        refusal = RefusalNotice(
            code=agreed.code,
            detail=agreed.detail,
            needed=needed,
            decision=decision,
            counters=agreed.offer.counters,
        )
        refused: Answer = self._change(_refuse, key, wanted, refusal)
        return refused

    def _withdraw(self, key: str, wanted: ServiceRequirements, msi: str) -> Answer:
        """Released while it was being instantiated: end the uses that came after the release."""
        patient(self._deps.mmf.delete, f"/uses/{msi}/{wanted.subscription_id}", f"{key}:withdraw")
        self._change(regranted, wanted.service_type)
        refused: Answer = self._change(_conclude, key, {"refusal": released_meanwhile(wanted).to_json()})
        return refused

    def _change(self, change: Callable[..., Any], *args: Any) -> Any:
        return transact_again(self._deps.datasource, change, self._deps, *args)


def _decision(joined: life_cycle.Joined, agreed: Agreement) -> ServiceDecision:
    planned: Verdict = "reuse"
    if agreed.code:  # refused: what VMOF had in mind
        planned = next((one.action for one in joined.candidates if one.chosen), "create")
    return ServiceDecision(
        msi=joined.msi,
        msi_verdict=msi_verdict(joined.reused, planned, agreed.offer.decision),
        msi_candidates=joined.candidates,
        models=agreed.offer.decision,
        rounds=agreed.rounds,
    )


# the transactions: the call's row and the life cycle's


def _join(
    rows: sa.Connection, deps: VmofDeps, key: str, wanted: ServiceRequirements, document: dict[str, Any]
) -> Answer | tuple[life_cycle.Joined, Strained]:
    """The place, and what the talk with MMF is to spare; of a call that was answered already that answer."""
    known = begin(rows, key, ["instantiate", document], deps.clock())
    if known is not None:
        return known
    bound = msi_bound(wanted, deps.models)
    joined = life_cycle.join(rows, wanted, bound, rendering_wish(wanted), key, deps.clock())
    strained = {name: strains(one) for name, one in strained_instances(rows, deps.clock()).items()}
    return joined, strained


def _settle(
    rows: sa.Connection,
    deps: VmofDeps,
    key: str,
    wanted: ServiceRequirements,
    models: tuple[RunningModel, ...],
    decision: ServiceDecision,
) -> Answer | None:
    """None where the share was released meanwhile."""
    known = answer_of(rows, key)
    if known is not None:
        return known
    share = life_cycle.settle(rows, wanted, models, decision, deps.clock())
    return conclude(rows, key, {"share": share.to_json()}) if share else None


def _refuse(
    rows: sa.Connection, deps: VmofDeps, key: str, wanted: ServiceRequirements, refusal: RefusalNotice
) -> Answer:
    known = answer_of(rows, key)
    if known is not None:
        return known
    life_cycle.refuse(rows, wanted, refusal, deps.clock())
    return conclude(rows, key, {"refusal": refusal.to_json()})


def _conclude(rows: sa.Connection, _deps: VmofDeps, key: str, answer: Answer) -> Answer:
    return conclude(rows, key, answer)
