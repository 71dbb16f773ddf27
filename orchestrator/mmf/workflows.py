"""What MMF does over several transactions: accept an offer (allocate, start, confirm); and as durable workflows adjust
a share (reserve, start, exchange) and end a share's uses (let go, stop, free).

Rows change only in transactions; the runtime is asked between them, in calls that may be repeated. A start that fails
undoes its allocation and touches nothing that others use. MMF's app starts them, the engine recovers the workflows.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa
from dbos import SQLAlchemyDatasource

from orchestrator.instances import ModelState
from orchestrator.instances.models import instances_named, sockets_of
from orchestrator.instances.repeats import start_once
from orchestrator.instances.transact import durable, read, step, transact, transact_again
from orchestrator.mmf import adjustment, ending, offers
from orchestrator.mmf.offer_rows import cause_of, change_offer, offer_name
from orchestrator.mmf.parting import at_once
from orchestrator.mmf.starter import Starter, specs_of
from orchestrator.models.manifests import Manifest
from orchestrator.requirements import Acceptance, Adjusted, Decision, FunctionCall, Offer, RunningModel, UseAdjustment
from orchestrator.resources.pool import Allocation, allocations_of
from orchestrator.resources.topology import ONE_SITE, Topology
from orchestrator.runtime.port import InstanceSpec, Runtime

P = ParamSpec("P")
R = TypeVar("R")


def now_s() -> int:
    """Wall-clock time, UTC seconds."""
    return int(time.time())


def now_ms() -> int:
    """Wall-clock time, UTC milliseconds."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True)
class MmfDeps:
    """What MMF stands on. `models` are the installed manifests by name; `msmf` hears of what starts and ends."""

    datasource: SQLAlchemyDatasource
    runtime: Runtime
    models: Mapping[str, Manifest]
    msmf: FunctionCall
    clock: Callable[[], int] = now_s
    topology: Topology = ONE_SITE
    clock_ms: Callable[[], int] = now_ms
    part: Callable[[Collection[str]], None] = at_once
    """waits until nobody calls over these sockets any more; an instance that was moved is stopped after it"""
    reader: sa.Engine | None = None
    """for reads outside transactions, where the datasource's engine would lock for them"""

    @property
    def site(self) -> str:
        """Where the house's own infrastructure and platform models run."""
        return self.topology.access

    @property
    def reading(self) -> sa.Engine:
        """Where to read."""
        return self.reader or self.datasource.engine


class MmfWorkflows:
    """The workflows, registered with the engine when made: make it once, before the engine is launched."""

    def __init__(self, deps: MmfDeps) -> None:
        self._deps = deps
        self._starter = Starter(deps.runtime)
        self.release = durable("mmf.release", self._release)
        self.adjust = durable("mmf.adjust", self._adjust)
        self.part = durable("mmf.part", self._part)

    def accept(self, offer_id: str) -> Acceptance:
        """Allocate, start and confirm, or undo it all.

        No workflow of the engine's: whoever asks is sure to ask again, and it goes on from what the last try left in
        the rows; what it left half undone the keeper ends (docs/decisions/0057).
        """
        answer = self._again(_accepted, offer_id)
        if answer.offer.state == "failed":
            return Acceptance(state="failed", cause=answer.cause)
        if answer.offer.state != "accepted":
            return Acceptance(state="stale", offer=answer.offer)
        started = self._starter.up(answer.specs, answer.sockets)
        models: Sequence[RunningModel] | None = answer.models
        if not started.failed and started.sockets != answer.sockets:
            models = self._again(_confirmed, offer_id, started.sockets)
        if started.failed or not models:
            return self._give_up(answer.offer, started.failed)
        return Acceptance(state="accepted", models=tuple(models))

    def _give_up(self, offer: Offer, failed: Mapping[str, str]) -> Acceptance:
        cause = "; ".join(failed.values()) or "the share was let go while its models were being started"
        idle = self._again(_failed, offer, sorted(failed), cause)
        if idle:
            self._starter.down(idle)
            self._again(_finished, idle)
        return Acceptance(state="failed", cause=cause)

    def _adjust(self, key: str, msi: str, wanted: dict[str, Any]) -> dict[str, Any]:
        """Adjusted as JSON: another size for a running share, or everything as it was."""
        offer_id = offer_name(key)
        reserved = self._change(_reserved, msi, wanted, offer_id)
        answer = Adjusted.model_validate(reserved["answer"])
        if answer.state != "adjusted":
            return answer.to_json()
        started = step("start", self._start, reserved["specs"])
        failed = dict(started["failed"])
        if failed:
            idle = self._change(_given_back, msi, wanted, offer_id, reserved["before"], failed)
            self._stop(idle)
            return Adjusted(state="failed", decision=answer.decision, cause="; ".join(failed.values())).to_json()
        decision = answer.decision.to_json()
        models, idle = self._change(_exchanged, msi, wanted, offer_id, decision, started["sockets"])
        if models is None:
            cause = "the share was let go while it was being adjusted"
            lost = dict.fromkeys(started["sockets"], cause)
            self._stop(self._change(_given_back, msi, wanted, offer_id, reserved["before"], lost))
            return Adjusted(state="gone", decision=answer.decision, cause=cause).to_json()
        if idle:
            start_once(f"{offer_id}:part", self.part, idle)  # the routes follow our answer
        running = tuple(RunningModel.model_validate(model) for model in models)
        return Adjusted(state="adjusted", decision=answer.decision, models=running, stopped=tuple(idle)).to_json()

    def _part(self, idle: list[str]) -> None:
        """Stop what an update gave up, after the last call over it."""
        step("part", self._wait_for_calls, idle)
        self._stop(idle)

    def _wait_for_calls(self, idle: list[str]) -> None:
        self._deps.part(read(self._deps.reading, sockets_of, idle))

    def _stop(self, idle: list[str]) -> None:
        if idle:
            step("stop", self._starter.down, idle)
            self._change(_finished, idle)

    def _release(self, msi: str, subscription_id: str) -> dict[str, Any]:
        """The instances that were stopped, as JSON."""
        idle: list[str] = self._change(_let_go, subscription_id, msi)
        self._stop(idle)
        return {"msi": msi, "subscriptionId": subscription_id, "stopped": idle}

    def _start(self, specs: list[dict[str, Any]]) -> dict[str, dict[str, str]]:
        started = self._starter.up([InstanceSpec.of(spec) for spec in specs])
        return {"sockets": started.sockets, "failed": started.failed}

    def _change(self, change: Callable[..., Any], *args: Any) -> Any:
        return transact(self._deps.datasource, change, self._deps, *args)

    def _again(
        self, change: Callable[Concatenate[sa.Connection, MmfDeps, P], R], *args: P.args, **named: P.kwargs
    ) -> R:
        return transact_again(self._deps.datasource, change, self._deps, *args, **named)


@dataclass(frozen=True, slots=True)
class _Answer:
    """An acceptance's first half: the offer, how its instances are to run, and what the share has where they answer on
    these sockets."""

    offer: Offer
    cause: str = ""
    specs: Sequence[InstanceSpec] = ()
    sockets: Mapping[str, str] = field(default_factory=dict)
    models: Sequence[RunningModel] = ()


def _accepted(rows: sa.Connection, deps: MmfDeps, offer_id: str) -> _Answer:
    offer = offers.accept(rows, deps.models, offer_id, deps.clock(), deps.topology)
    if offer.state != "accepted":
        return _Answer(offer, cause_of(rows, offer.offer_id))
    held = offers.holdings(rows, offer)
    sockets = {one.instance_id: one.socket for _, one in held if one.state is ModelState.RUNNING}
    specs = specs_of(rows, deps.models, list({one.instance_id: one for _, one in held}.values()))
    return _Answer(offer, "", specs, sockets, offers.running_models(rows, deps.models, held, {}))


def _confirmed(
    rows: sa.Connection, deps: MmfDeps, offer_id: str, sockets: Mapping[str, str]
) -> Sequence[RunningModel] | None:
    return offers.confirm(rows, deps.models, offer_id, sockets, deps.clock())


def _reserved(rows: sa.Connection, deps: MmfDeps, msi: str, wanted: dict[str, Any], offer_id: str) -> dict[str, Any]:
    """The answer so far, what the share held before, and how the instances of its new size are to run."""
    asked = UseAdjustment.model_validate(wanted)
    before = [allocation.row() for allocation in allocations_of(rows, asked.request.subscription_id)]
    answer = adjustment.reserve(
        rows, deps.models, msi, asked.revision, asked.request, offer_id, deps.clock(), deps.topology
    )
    placed = instances_named(rows, {one.instance for one in answer.decision.placements})
    specs = specs_of(rows, deps.models, placed) if answer.state == "adjusted" else []
    return {"answer": answer.to_json(), "before": before, "specs": [asdict(spec) for spec in specs]}


def _exchanged(
    rows: sa.Connection,
    deps: MmfDeps,
    msi: str,
    wanted: dict[str, Any],
    offer_id: str,
    decision: dict[str, Any],
    sockets: Mapping[str, str],
) -> tuple[list[dict[str, Any]] | None, list[str]]:
    asked, chosen = UseAdjustment.model_validate(wanted), Decision.model_validate(decision)
    return adjustment.exchange(
        rows, deps.models, msi, asked.revision, asked.request, offer_id, chosen, sockets, deps.clock(), deps.topology
    )


def _given_back(
    rows: sa.Connection,
    deps: MmfDeps,
    msi: str,
    wanted: dict[str, Any],
    offer_id: str,
    before: list[dict[str, Any]],
    failed: Mapping[str, str],
) -> list[str]:
    asked, held = UseAdjustment.model_validate(wanted), [Allocation.of(row) for row in before]
    cause = "; ".join(sorted(set(failed.values())))
    return adjustment.give_back(
        rows, deps.models, msi, asked.revision, asked.request, offer_id, held, cause, sorted(failed), deps.clock()
    )


def _let_go(rows: sa.Connection, deps: MmfDeps, subscription_id: str, msi: str) -> list[str]:
    return ending.let_go(rows, deps.models, subscription_id, msi, (), deps.clock())


def _finished(rows: sa.Connection, deps: MmfDeps, instance_ids: list[str]) -> None:
    ending.finish(rows, instance_ids, deps.clock())


def _failed(rows: sa.Connection, deps: MmfDeps, offer: Offer, failed: Sequence[str], cause: str) -> list[str]:
    idle = ending.let_go(rows, deps.models, offer.subscription_id, offer.msi, failed, deps.clock())
    change_offer(rows, offer.offer_id, "failed", cause)
    return idle
