"""MMF's door for supply: offers are taken and withdrawn, what was used of them is stated and paid.

The orchestrator calls it after it has verified the owner's signature against the chain. A withdrawal is a durable
workflow: hold room elsewhere, start, move all uses in one transaction, stop the old, take the capacity out of the pool.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Annotated, Any

import sqlalchemy as sa
from dbos import DBOS
from fastapi import Path
from pydantic import Field

from orchestrator.errors import OrchestratorError
from orchestrator.instances import take_turn
from orchestrator.instances.door import CHANGING, Door, IdempotencyKey, MalformedCall, Tell
from orchestrator.instances.models import instances_named, sockets_of
from orchestrator.instances.repeats import start_once
from orchestrator.instances.transact import durable, read, step, transact
from orchestrator.mmf import drain
from orchestrator.mmf.ending import finish
from orchestrator.mmf.starter import Starter, specs_of
from orchestrator.mmf.warming import Warming, warm_and_unused
from orchestrator.mmf.workflows import MmfDeps
from orchestrator.models.manifests import Manifest
from orchestrator.notices import NoticeKind
from orchestrator.requirements import Notice, Shape
from orchestrator.resources import RESOURCES, Resources, ResourceVector, payments
from orchestrator.resources import supplied as pool
from orchestrator.resources.pool import OverAllocated
from orchestrator.resources.supplied import BadSupplyOffer, OfferState, SupplyOffer
from orchestrator.runtime.port import InstanceSpec
from trust.openapi import problems

Money = Annotated[str, Field(pattern=r"^\d{1,30}$")]
OfferPath = Annotated[str, Path(alias="offerId", pattern=r"^[0-9a-f]{64}$")]


class SupplyInUse(OrchestratorError):
    """What stands on the offer cannot be moved; the problem document names it and what would make it feasible."""

    code = "supply_in_use"
    status = 409
    title = "The offer cannot be withdrawn now"


class SupplyRequest(Shape):
    """A supply offer whose signature was verified: who owns the model, and what is offered."""

    offer: str = Field(pattern=r"^[0-9a-f]{64}$")
    model_id: str = Field(pattern=r"^\d{1,10}$")
    spec_hash: str = Field(pattern=r"^[0-9a-f]{64}$")
    owner: str
    site: str
    amounts: Resources
    prices: dict[str, Money]
    pay_cap: Money
    until: int = Field(ge=0, lt=1 << 53)
    nonce: Money


class WithdrawalRequest(Shape):
    """A withdrawal whose signature was verified."""

    model_id: str
    owner: str
    nonce: Money


class Paid(Shape):
    """The transaction that paid a payment, verified by the caller."""

    tx_hash: str = Field(pattern=r"^0x[0-9a-f]{64}$")


class Supplying:
    """The workflows, registered with the engine when made: make it once, before the engine is launched."""

    def __init__(self, deps: MmfDeps, warming: Warming, tell: Tell) -> None:
        self._deps = deps
        self._warming = warming
        self._tell = tell
        self._starter = Starter(deps.runtime)
        self.offer = durable("mmf.supply_offer", lambda document: self._change(_take, document))
        self.withdraw = durable("mmf.supply_withdraw", self._withdraw)
        self.begin_payments = durable("mmf.supply_payments", lambda: self._change(_begin_payments))

    def end_overdue(self) -> list[str]:
        """Begin to withdraw what has come to its end; the keeper calls it, and must not wait: the routes are put right
        after its look, and moves wait for them. What cannot be moved is tried again later."""
        now = self._deps.clock()
        overdue = read(self._deps.reading, _overdue, now)
        for offer_id in overdue:
            start_once(f"supply-end:{offer_id}:{now // RETRY_S}", self.withdraw, offer_id, None)
        return overdue

    def _withdraw(self, offer_id: str, signed: dict[str, Any] | None) -> dict[str, Any]:
        """{"offer": …} or {"refusal": …}; `signed` is None where the offer's time is over."""
        answer = self._withdrawn(offer_id, signed)
        ended = answer.get("offer", {})
        if ended.get("state") == OfferState.ENDED:
            self._tell(f"supply:{offer_id}:ended", [_told(NoticeKind.POOL_WITHDRAWN, ended)])
        return answer

    def _withdrawn(self, offer_id: str, signed: dict[str, Any] | None) -> dict[str, Any]:
        begun = self._change(_begin, offer_id, signed, DBOS.workflow_id)
        if "warm" in begun:
            self._warming.make_room_now()
            begun = self._change(_begin, offer_id, signed, DBOS.workflow_id)
        if "moved" not in begun:
            return dict(begun)
        started = step("start", self._start, begun["specs"])
        if started["failed"]:
            return dict(self._change(_give_up, offer_id, begun["moved"], started["failed"]))
        switched = self._change(_switch, begun["moved"], started["sockets"])
        idle = switched["idle"]
        self._tell(f"{DBOS.workflow_id}:moved", drain.migrated(switched["moves"], "withdrawal"))
        if idle:
            step("part", self._part, idle)
            step("stop", self._starter.down, idle)
        return dict(self._change(_end, offer_id, idle))

    def _part(self, idle: list[str]) -> None:
        self._deps.part(read(self._deps.reading, sockets_of, idle))

    def _start(self, specs: list[dict[str, Any]]) -> dict[str, dict[str, str]]:
        started = self._starter.up([InstanceSpec.of(spec) for spec in specs])
        return {"sockets": started.sockets, "failed": started.failed}

    def _change(self, change: Callable[..., Any], *args: Any) -> Any:
        return transact(self._deps.datasource, change, self._deps, *args)


RETRY_S = 10
"""How often the end of an offer that cannot be moved is tried again, seconds."""


def supply_routes(door: Door, deps: MmfDeps, warming: Warming) -> Supplying:
    """Add the routes and register their workflows; before the engine is launched."""
    supplying = Supplying(deps, warming, door.tell)

    @door.app.post("/supplies", responses=problems(*CHANGING, BadSupplyOffer, pool.SupplyReplayed))
    async def offer(request: SupplyRequest, key: IdempotencyKey) -> dict[str, Any]:
        answer: dict[str, Any] = await door.once(key, supplying.offer, request.to_json())
        door.tell(f"supply:{request.offer}:taken", [_told(NoticeKind.POOL_SUPPLIED, answer["offer"])])
        return answer

    @door.app.post(
        "/supplies/{offerId}/withdrawal",
        responses=problems(*CHANGING, pool.UnknownSupplyOffer, SupplyInUse, BadSupplyOffer),
    )
    async def withdraw(offer_id: OfferPath, request: WithdrawalRequest, key: IdempotencyKey) -> dict[str, Any]:
        answer = await door.once(key, supplying.withdraw, offer_id, request.to_json())
        if "refusal" in answer:
            raise SupplyInUse(answer["refusal"].pop("detail"), **answer["refusal"])
        return answer

    @door.app.get("/supplies")
    async def show() -> dict[str, Any]:
        return await door.run(read, deps.reading, _shown, deps.clock_ms())

    @door.app.post("/payments", responses=problems(*CHANGING))
    async def begin_payments(key: IdempotencyKey) -> dict[str, Any]:
        return await door.once(key, supplying.begin_payments)

    @door.app.post(
        "/payments/{paymentId}", responses=problems(MalformedCall, pool.UnknownSupplyOffer, pool.SupplyReplayed)
    )
    async def confirm(payment_id: Annotated[str, Path(alias="paymentId")], paid: Paid) -> dict[str, Any]:
        return await door.run(transact, deps.datasource, _confirm, payment_id, paid.tx_hash)

    return supplying


def _told(kind: NoticeKind, offer: Mapping[str, Any]) -> Notice:
    """What an offer adds to the pool, or took out of it again."""
    detail = {"supplies": offer["amounts"], **{name: offer[name] for name in ("model", "modelId", "site", "owner")}}
    return Notice(kind=kind, subject=offer["offer"], detail=detail)


def _take(rows: sa.Connection, deps: MmfDeps, document: dict[str, Any]) -> dict[str, Any]:
    wanted = SupplyRequest.model_validate(document)
    manifest = _offered(deps, wanted.spec_hash)
    if wanted.site not in deps.topology.paths():
        sites = ", ".join(site.name for site in deps.topology.sites)
        raise BadSupplyOffer(f"{wanted.site} is no site of the pool. Offer at one of: {sites}.")
    unknown = sorted(set(wanted.prices) - set(RESOURCES))
    if unknown:
        raise BadSupplyOffer(f"{unknown[0]} has a price and is no resource; resources are {', '.join(RESOURCES)}.")
    take_turn(rows, "pool")
    offer = SupplyOffer(
        offer_id=wanted.offer,
        model_id=wanted.model_id,
        model=manifest.name,
        owner=wanted.owner,
        site=wanted.site,
        amounts=wanted.amounts,
        prices={name: int(price) for name, price in wanted.prices.items()},
        pay_cap=int(wanted.pay_cap),
        until=wanted.until,
        nonce=wanted.nonce,
    )
    pool.take_offer(rows, offer, ResourceVector.of(manifest.supplies), deps.clock())
    return {"offer": offer.to_json()}


def _offered(deps: MmfDeps, spec_hash: str) -> Manifest:
    for manifest in deps.models.values():
        if manifest.spec_hash.hex() == spec_hash and manifest.kind == "CaaS" and manifest.supplies:
            return manifest
    raise BadSupplyOffer(
        f"The model's spec {spec_hash} is not installed here, or supplies nothing. Offer an installed CaaS model that "
        "supplies resources (`s4m models list`)."
    )


def _begin(
    rows: sa.Connection, deps: MmfDeps, offer_id: str, signed: dict[str, Any] | None, seed: str
) -> dict[str, Any]:
    """Ended at once where nothing stands on it; else what is moved where, or the refusal (and nothing is changed).

    Where something would have to be moved, what is warm for nobody yet is named first: it ends instead.
    """
    take_turn(rows, "pool")
    now = deps.clock()
    offer = pool.offer_named(rows, offer_id)
    if offer.state is not OfferState.STANDING:
        return {"offer": offer.to_json()}
    if signed is not None:
        request = WithdrawalRequest.model_validate(signed)
        if request.model_id != offer.model_id:
            raise BadSupplyOffer(f"{offer_id} is of model {offer.model_id}, signed is {request.model_id}.")
        pool.require_fresh(rows, request.owner, request.nonce)
    plan = drain.plan(rows, deps.models, deps.topology, offer)
    if plan.short and (warm := warm_and_unused(rows, now)):
        return {"warm": warm}
    if plan.short and not plan.moves:
        return {"refusal": _refusal(offer, plan)}
    if signed is not None:
        pool.use_nonce(rows, request.owner, request.nonce, now)
    if not plan.moves:
        pool.end_offer(rows, offer, now)
        return {"offer": pool.offer_named(rows, offer_id).to_json()}
    moved = drain.begin(rows, deps.models, deps.topology, plan.moves, seed, now)
    pool.mark(rows, offer_id, OfferState.WITHDRAWING, moved)
    specs = specs_of(rows, deps.models, instances_named(rows, moved.values()))
    return {"moved": moved, "specs": [asdict(spec) for spec in specs]}


def _refusal(offer: SupplyOffer, plan: drain.Plan) -> dict[str, Any]:
    names = ", ".join(str(one.get("instance", "a reservation")) for one in plan.standing) or "its site's instances"
    missing = ", ".join(f"{amount} {name}" for name, amount in plan.short.items())
    return {
        "detail": (
            f"{offer.site} would lack {missing}, and no other site takes {names}. Free that much there (release "
            "shares or reservations), offer it from elsewhere, or wait until the subscriptions named end."
        ),
        "offer": offer.offer_id,
        "needed": plan.short,
        "standing": plan.standing,
    }


def _give_up(
    rows: sa.Connection, deps: MmfDeps, offer_id: str, moved: dict[str, str], failed: dict[str, str]
) -> dict[str, Any]:
    take_turn(rows, "pool")
    drain.give_up(rows, moved, deps.clock())
    pool.mark(rows, offer_id, OfferState.STANDING, {})
    detail = f"Nothing was moved: {'; '.join(failed.values())}. Ask again."
    return {"refusal": {"detail": detail, "offer": offer_id, "needed": {}, "standing": []}}


def _switch(rows: sa.Connection, deps: MmfDeps, moved: dict[str, str], sockets: dict[str, str]) -> dict[str, Any]:
    """The instances to be stopped, and what was moved."""
    for turn in ("ar_vr", "digital_twin", "pool"):
        take_turn(rows, turn)
    idle = drain.switch(rows, moved, sockets, deps.clock())
    return {"idle": idle, "moves": drain.moves_of(rows, {old: new for old, new in moved.items() if old in idle})}


def _end(rows: sa.Connection, deps: MmfDeps, offer_id: str, idle: list[str]) -> dict[str, Any]:
    now = deps.clock()
    finish(rows, idle, now)
    offer = pool.offer_named(rows, offer_id)
    try:
        with rows.begin_nested():
            pool.end_offer(rows, offer, now)
    except OverAllocated as cause:
        pool.mark(rows, offer_id, OfferState.STANDING, {})
        return {"refusal": {"detail": f"{cause}", "offer": offer_id, "needed": {}, "standing": []}}
    return {"offer": pool.offer_named(rows, offer_id).to_json(), "moved": idle}


def _overdue(rows: sa.Connection, now: int) -> list[str]:
    return [one.offer_id for one in pool.offers(rows, [OfferState.STANDING]) if one.until <= now]


def _shown(rows: sa.Connection, now_ms: int) -> dict[str, Any]:
    return {
        "supplies": [payments.statement(rows, one, now_ms) for one in pool.offers(rows)],
        "payments": payments.payments(rows),
    }


def _begin_payments(rows: sa.Connection, deps: MmfDeps) -> dict[str, Any]:
    take_turn(rows, "pool")
    return {"payments": payments.open_payments(rows, deps.clock_ms())}


def _confirm(rows: sa.Connection, payment_id: str, tx_hash: str) -> dict[str, Any]:
    take_turn(rows, "pool")
    if not any(one["payment"] == payment_id for one in payments.payments(rows)):
        raise pool.UnknownSupplyOffer(f"{payment_id} was never begun. Begin the payments first.")
    payments.confirm_payment(rows, payment_id, tx_hash)
    return {"payments": [one for one in payments.payments(rows) if one["payment"] == payment_id]}
