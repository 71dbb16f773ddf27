"""Service requirements → sub-instance requirements: what one share needs of each role. Pure; used by VMOF."""

from collections.abc import Mapping
from dataclasses import replace
from math import ceil

from orchestrator.errors import Refusal
from orchestrator.models.digital_twin import MCORES_PER_FILTER, MOST_FILTERS
from orchestrator.models.manifests import Manifest
from orchestrator.qoe.immersion import CAP_K
from orchestrator.requirements import WHOLE, OfferRequest, RoleRequirement, ServiceRequirements
from orchestrator.resources import ResourceVector
from orchestrator.vmof.immersion import objects_seen, out_of_reach, rendering_for_floor

STEPPED = frozenset({"sensors", "communication-protocol", "digital-twin"})
"""Models that work at each update of a thing, for each thing."""
BASE_RATE_HZ = 10
"""Updates a second of one thing that the manifests' shares of these models are made for."""


class UnknownModel(Refusal):
    """A role names a model that is not installed here."""

    code = "unknown_model"
    title = "A model of the service is not installed"


def sub_instances(requirements: ServiceRequirements, msi: str, models: Mapping[str, Manifest]) -> OfferRequest:
    """One requirement a role: resources of one share, and its part of the latency in proportion to the model's own.

    Raises UnknownModel, or FloorOutOfReach where no rendering reaches the immersion floor.
    """
    missing = sorted(set(requirements.roles.values()) - set(models))
    if missing:
        raise UnknownModel(
            f"{requirements.service} needs {', '.join(missing)}, not installed here. Install the manifest or choose "
            "another service.",
            models=missing,
        )
    floor = requirements.qoe.immersion_floor
    if floor and not any(models[name].per_share.get("rendering_k") for name in requirements.roles.values()):
        raise out_of_reach(WHOLE, floor, 0.0)
    whole = sum(models[name].latency_ms for name in requirements.roles.values())
    return OfferRequest(
        subscription_id=requirements.subscription_id,
        msi=msi,
        cluster=requirements.service_type,
        isolation=requirements.isolation,
        access=requirements.access,
        reliability=requirements.qoe.reliability,
        roles=tuple(
            _role(role, models[name], requirements, whole) for role, name in sorted(requirements.roles.items())
        ),
    )


def rendering_wish(requirements: ServiceRequirements) -> int:
    """Rendering capacity in K that the user's objects could use at their cap."""
    return int(CAP_K) * objects_seen(requirements) * requirements.users


def msi_bound(requirements: ServiceRequirements, models: Mapping[str, Manifest]) -> int:
    """How many shares an MSI of this service takes: as many as the scarcest of its models, one where dedicated."""
    return min(models[name].max_shares for name in requirements.roles.values())


def _role(role: str, manifest: Manifest, requirements: ServiceRequirements, whole_ms: float) -> RoleRequirement:
    part = manifest.latency_ms / whole_ms if whole_ms else 1.0
    share = _in_step(manifest, _per_share(manifest, requirements.qoe.rate_mbps), requirements)
    if share.rendering_k:
        share = replace(share, rendering_k=max(share.rendering_k, rendering_for_floor(requirements, role)))
    return RoleRequirement(
        role=role,
        model=manifest.name,
        resources=share * requirements.users,
        latency_ms=requirements.qoe.latency_ms * part,
    )


def _per_share(manifest: Manifest, rate_mbps: int) -> ResourceVector:
    """The manifest's share; of a link, bandwidth as asked for and spectrum in proportion, rounded up."""
    share = ResourceVector.of(manifest.per_share)
    if not share.bandwidth_mbps:
        return share
    spectrum = ceil(share.spectrum_mhz * rate_mbps / share.bandwidth_mbps)
    return ResourceVector.of({**share.amounts(), "bandwidth_mbps": rate_mbps, "spectrum_mhz": spectrum})


def _in_step(manifest: Manifest, share: ResourceVector, wanted: ServiceRequirements) -> ResourceVector:
    """Computing for the things to be followed, as often as asked for; of the twin's filters (one per 20 mcores, twelve
    at most) at least the asked part: the finer the bank, the truer what it foretells."""
    if manifest.name not in STEPPED:
        return share
    things, rate = max(len(wanted.things), 1), wanted.qoe.update_rate_hz
    computing = share.computing_mcores
    if manifest.name == "digital-twin" and wanted.qoe.fidelity_floor:
        filters = ceil(MOST_FILTERS * wanted.qoe.fidelity_floor)
        computing = max(computing, MCORES_PER_FILTER * filters)
    return replace(share, computing_mcores=computing * things * max(ceil(rate / BASE_RATE_HZ), 1))
