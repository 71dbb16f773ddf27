"""Which MSI a service joins: services of like QoE share one where isolation and room permit. Pure; used by VMOF."""

from collections.abc import Sequence

from orchestrator.instances import MsiState
from orchestrator.instances.msis import Msi
from orchestrator.requirements import CandidateReason, Lack, ServiceRequirements
from orchestrator.resources import may_share


def choose_msi(
    requirements: ServiceRequirements, candidates: Sequence[Msi]
) -> tuple[Msi | None, tuple[CandidateReason, ...]]:
    """The MSI to join, a running and full one before a new and empty one; None = create. A reason for every one."""
    lacks = {one.msi_id: _lacks(requirements, one) for one in candidates}
    fit = [one for one in candidates if not lacks[one.msi_id]]
    best = min(fit, key=lambda one: (one.state is not MsiState.RUNNING, -one.shares, one.msi_id), default=None)
    reasons = tuple(
        CandidateReason(candidate=one.msi_id, action="reuse", chosen=one is best, lacks=lacks[one.msi_id])
        for one in candidates
    )
    return best, reasons


def _lacks(wanted: ServiceRequirements, one: Msi) -> tuple[Lack, ...]:
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
