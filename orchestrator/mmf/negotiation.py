"""What MMF says in its talk with VMOF: what an overtaken offer lacks by now, and what it could do instead of what it
cannot.

Used by the offers, in the transaction of the acceptance or of the refusal. Each counter-offer is the same request with
one thing otherwise (a lower degree of isolation, a lower rate, another site to enter at), decided on the same rows and
with its own reasons. Nothing is allocated or kept free by it.
"""

from collections.abc import Callable, Iterator

from orchestrator.requirements import Change, Decision, Lack, OfferRequest, RoleRequirement, lacks_of
from orchestrator.resources import Isolation, ResourceVector
from orchestrator.resources.topology import Topology

MOST_SITES = 4
"""Sites to enter at that are tried, the quickest to reach first: each costs a look at all candidates."""
CARRIED = ("bandwidth_mbps", "spectrum_mhz")
"""What a lower rate takes less of."""

Decide = Callable[[OfferRequest], Decision | None]
"""None where it is plain that nothing is feasible"""


def counters(
    request: OfferRequest, refused: Decision, topology: Topology, decide: Decide
) -> Iterator[tuple[Change, OfferRequest, Decision]]:
    """Each change that alone would do, as a request with its decision; at most one of a kind."""
    lacks = [lack for some in refused.needed.values() for lack in some]
    for tried in (_degrees(request), _rates(request, lacks), _sites(request, lacks, topology)):
        for change, other in tried:
            decision = decide(other)
            if decision is not None and decision.feasible:
                yield change, other, decision
                break


def _degrees(request: OfferRequest) -> Iterator[tuple[Change, OfferRequest]]:
    """The next lower degree first."""
    for degree in range(int(request.isolation) - 1, -1, -1):
        change = Change(name="isolation", asked=int(request.isolation), offered=degree)
        yield change, request.model_copy(update={"isolation": Isolation(degree)})


def _rates(request: OfferRequest, lacks: list[Lack]) -> Iterator[tuple[Change, OfferRequest]]:
    """The highest rate that leaves nothing of the links' bandwidth and spectrum lacking."""
    short = [lack for lack in lacks if lack.name.split(" ")[0] in CARRIED and float(lack.needed) > 0]
    asked = max((role.resources.bandwidth_mbps for role in request.roles), default=0)
    part = min((float(lack.available) / float(lack.needed) for lack in short), default=0.0)
    if int(asked * part) > 0:
        change = Change(name="rate", asked=asked, offered=int(asked * part))
        yield change, request.model_copy(update={"roles": tuple(_slower(role, part) for role in request.roles)})


def _slower(role: RoleRequirement, part: float) -> RoleRequirement:
    amounts = role.resources.amounts()
    less = {name: int(amount * part) if name in CARRIED else amount for name, amount in amounts.items()}
    return role.model_copy(update={"resources": ResourceVector.of(less)})


def _sites(request: OfferRequest, lacks: list[Lack], topology: Topology) -> Iterator[tuple[Change, OfferRequest]]:
    """Where the way is what lacks."""
    if not any(lack.kind in ("latency", "link") for lack in lacks):
        return
    here = request.access or topology.access
    ways = topology.paths(here) or topology.paths(topology.access)
    others = sorted((way.latency_ms, site) for site, way in ways.items() if site != here)
    for _, site in others[:MOST_SITES]:
        yield Change(name="access", asked=here, offered=site), request.model_copy(update={"access": site})


def overtaken(offered: Decision, now: Decision) -> str:
    """What each placement that was offered lacks by now; where it lacks nothing, something better has come free."""
    causes: list[str] = []
    for one in offered.placements:
        if one in now.placements:
            continue
        name = one.node if one.verdict == "create" else one.instance
        reasons = now.reasons.get(one.role, ())
        lacks = next((each.lacks for each in reasons if (each.candidate, each.action) == (name, one.verdict)), ())
        why = f"lacks {lacks_of(lacks)} by now" if lacks else "is not the best any more"
        causes.append(f"{one.role}: {one.verdict} {name} {why}")
    return "; ".join(causes) or "the request cannot be filled any more"
