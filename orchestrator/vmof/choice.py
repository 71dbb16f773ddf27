"""Which MSI a service joins: services of like QoE share one where isolation, room and its measured performance permit.

Pure; used by VMOF. An MSI whose models are full may be modified; what is measured says both who cannot be joined (it
is strained, or its users are under their floors) and who is to be joined first (the quickest, then the emptiest).
"""

from collections.abc import Mapping, Sequence

from orchestrator.instances import MsiState
from orchestrator.instances.msis import Msi
from orchestrator.placement.strain import slowness, strains
from orchestrator.requirements import Lack, MsiCandidate, Performance, ServiceRequirements
from orchestrator.resources import may_share

NOTHING: Mapping[str, Performance] = {}


def choose_msi(
    requirements: ServiceRequirements, candidates: Sequence[Msi], performance: Mapping[str, Performance] = NOTHING
) -> tuple[Msi | None, tuple[MsiCandidate, ...]]:
    """The MSI to join, and a reason for every one. None = create.

    One that runs and has room comes before one that would have to be modified; then the quicker one, then the one with
    more room; where no room was measured, the fuller one, so that few are opened.
    """
    slow = slowness({one.msi_id: performance[one.msi_id] for one in candidates if one.msi_id in performance})
    reasons = [reason for one in candidates for reason in _reasons(requirements, one, performance.get(one.msi_id))]
    actions = {one.candidate: one.action for one in reasons if not one.lacks}

    def order(one: Msi) -> tuple[bool, bool, float, int, str]:
        room = room_in(one, performance.get(one.msi_id))
        full = actions[one.msi_id] == "modify"
        waiting = one.state is not MsiState.RUNNING
        return full, waiting, slow.get(one.msi_id, 0.0), -one.shares if room is None else -room, one.msi_id

    best = min((one for one in candidates if one.msi_id in actions), key=order, default=None)
    chosen = (best.msi_id, actions[best.msi_id]) if best else None
    return best, tuple(one.model_copy(update={"chosen": (one.candidate, one.action) == chosen}) for one in reasons)


def room_in(one: Msi, performance: Performance | None) -> int | None:
    """How many more shares its models take as they are: as measured, less those that came since. None: not measured."""
    return max(performance.free_shares - (one.shares - performance.shares), 0) if performance else None


def _reasons(wanted: ServiceRequirements, one: Msi, performance: Performance | None) -> list[MsiCandidate]:
    """Reuse; and where room in its models is all that lacks, modify."""
    lacks = (*_promises(wanted, one), *_performance(wanted, performance))
    full = _room(one, performance) if not lacks else ()
    reuse = MsiCandidate(
        candidate=one.msi_id, action="reuse", chosen=False, lacks=(*lacks, *full), performance=performance
    )
    modify = MsiCandidate(candidate=one.msi_id, action="modify", chosen=False, performance=performance)
    return [reuse, modify] if full else [reuse]


def _room(one: Msi, performance: Performance | None) -> tuple[Lack, ...]:
    if room_in(one, performance) != 0:
        return ()
    return (Lack(kind="shares", name="free_shares", needed=1, available=0),)


def _performance(wanted: ServiceRequirements, performance: Performance | None) -> tuple[Lack, ...]:
    if performance is None:
        return ()
    lacks = strains(performance)
    if wanted.qoe.immersion_floor and performance.under_floor:
        under = Lack(kind="performance", name="under_floor", needed=0, available=performance.under_floor, unit="users")
        lacks = (*lacks, under)
    return lacks


def _promises(wanted: ServiceRequirements, one: Msi) -> tuple[Lack, ...]:
    lacks: list[Lack] = []
    if not may_share(wanted.isolation, wanted.service_type, one.isolation, one.cluster):
        needed, there = f"degree {int(wanted.isolation)}", f"degree {int(one.isolation)}"
        lacks.append(Lack(kind="isolation", name="degree", needed=needed, available=there))
    if one.shares >= one.max_shares:
        lacks.append(Lack(kind="shares", name="max_shares", needed=one.shares + 1, available=one.max_shares))
    if one.latency_ms > wanted.qoe.latency_ms:
        latency, asked = one.latency_ms, wanted.qoe.latency_ms
        lacks.append(Lack(kind="latency", name="latency_ms", needed=asked, available=latency, unit="ms"))
    if one.reliability < wanted.qoe.reliability:
        asked, there_is = wanted.qoe.reliability, one.reliability
        lacks.append(Lack(kind="reliability", name="reliability", needed=asked, available=there_is))
    return tuple(lacks)
