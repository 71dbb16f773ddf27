"""What a placement of one share is worth: revenue − use − opening − dedicated cost, in the batch problem's terms.

Used by `exact` and the tests. Money here is points: one point an mcore, Mb/s, K, MiB or MHz, ten a protocol session. A
request's revenue is a multiple of its use by isolation degree, as in `generator.PRICE`. Points rank placements; they
bill nobody.
"""

from collections.abc import Mapping
from types import MappingProxyType

from orchestrator.placement.candidates import ModelOption
from orchestrator.requirements import RoleRequirement, Verdict
from orchestrator.resources import Isolation, ResourceVector

POINTS = ResourceVector(
    computing_mcores=1, bandwidth_mbps=1, protocol_stack_sessions=10, rendering_k=1, storage_mib=1, spectrum_mhz=1
)
"""Points of one unit of each resource."""
REVENUE: Mapping[Isolation, int] = MappingProxyType(
    {Isolation.SHARED: 10, Isolation.CLUSTER: 13, Isolation.DEDICATED: 16}
)
"""By degree: how many times its use cost a request is worth."""


def points(amounts: ResourceVector) -> int:
    """What these amounts cost."""
    prices = POINTS.amounts()
    return sum(amount * prices[name] for name, amount in amounts.amounts().items())


def revenue(roles: tuple[RoleRequirement, ...], isolation: Isolation) -> int:
    """What a share with these roles earns where all of them are filled."""
    return REVENUE[isolation] * sum(points(role.resources) for role in roles)


def cost(role: RoleRequirement, model: ModelOption, action: Verdict, isolation: Isolation) -> int:
    """Use, and for what is scaled or opened the instance's own consumption; a dedicated instance pays that twice, as
    nobody else will ever help to carry it."""
    opening = points(model.consumes) if action != "reuse" else 0
    dedicated = opening if isolation is Isolation.DEDICATED and action == "create" else 0
    return points(role.resources) + opening + dedicated
