"""Greedy placement of one share: per role reuse a running instance (the quickest, then the fullest), else scale one,
else create one on a node.

A pure function of one view of the candidates; MMF runs it for an offer and again, inside the transaction, when the
offer is accepted. Roles are filled in the order given, each seeing what the ones before took. Every candidate that was
looked at leaves a reason; a role that cannot be filled says what would have been enough. O(roles × candidates).

Reliability is of all roles together: their availabilities multiply. A candidate lacks it where the service could not
attain what is asked with it, even with the most available candidate in every role that is still to be filled.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from orchestrator.placement.candidates import Candidates, LinkRoom, ModelOption, NodeRoom, RunningInstance
from orchestrator.qoe.reliability import in_series, told
from orchestrator.requirements import CandidateReason, Decision, Lack, OfferRequest, Placement, RoleRequirement, Verdict
from orchestrator.resources import Isolation, ResourceVector, may_share

RANK: dict[Verdict, int] = {"reuse": 0, "modify": 1, "create": 2}
ROUNDING = 1e-12
"""by which products of availabilities may differ"""


@dataclass(slots=True)
class _Taken:
    """What the roles before this one took, on top of the view."""

    nodes: dict[str, ResourceVector] = field(default_factory=dict)
    rooms: dict[str, ResourceVector] = field(default_factory=dict)
    shares: dict[str, int] = field(default_factory=dict)
    links: dict[str, ResourceVector] = field(default_factory=dict)
    reliability: float = 1.0
    """what they attain together"""

    def on_node(self, node: str) -> ResourceVector:
        return self.nodes.get(node, ResourceVector())


@dataclass(frozen=True, slots=True)
class _Option:
    """One way to fill a role: what it takes of the node and of the instance's own supplies, and what it lacks."""

    action: Verdict
    candidate: str
    node: str
    from_node: ResourceVector
    from_own: ResourceVector
    lacks: tuple[Lack, ...]
    order: tuple[float | str, ...]
    """smaller is better among feasible options of one action"""
    availability: float


def instance_name(model: str, seed: str) -> str:
    """Id of a new instance of `model`, the same for the same seed."""
    return f"{model}-{sha256(f'{model}/{seed}'.encode()).hexdigest()[:10]}"


@dataclass(frozen=True, slots=True)
class _Ask:
    """One role to be filled: who asks, for what model, and what a share takes of the instance and of its node."""

    request: OfferRequest
    role: RoleRequirement
    model: ModelOption
    own: ResourceVector
    rest: ResourceVector
    flow: ResourceVector
    """what the share takes of every link between the user and the instance's site"""
    nodes: Mapping[str, NodeRoom]
    taken: _Taken
    others: float
    """the most that the roles still to be filled beside this one can attain together"""
    strangers: dict[tuple[Isolation, str], tuple[Lack, ...]] = field(default_factory=dict)
    """degree and cluster → why its instances cannot be shared: the same for all of them, so found once"""
    crossed: dict[str, tuple[Lack, ...]] = field(default_factory=dict)
    """link → what it lacks: many ways go over it"""


def flow(resources: ResourceVector) -> ResourceVector:
    """What a share's traffic takes of each link that it crosses: the bandwidth and the spectrum of its role."""
    return ResourceVector(bandwidth_mbps=resources.bandwidth_mbps, spectrum_mhz=resources.spectrum_mhz)


def greedy(request: OfferRequest, candidates: Candidates, seed: str = "", *, steadiest: bool = False) -> Decision:
    """The decision for one share; infeasible as soon as one role cannot be filled (all roles keep their reasons).

    `steadiest` fills each role with its most available candidate and asks for no reliability.
    """
    if steadiest:
        request = request.model_copy(update={"reliability": 0.0})
    taken = _Taken()
    nodes = {node.node: node for node in candidates.nodes}
    rests = best_rests(request, candidates)
    placements: list[Placement] = []
    reasons: dict[str, tuple[CandidateReason, ...]] = {}
    needed: dict[str, tuple[Lack, ...]] = {}
    for role, others in zip(request.roles, rests, strict=True):
        ask = ask_for(request, role, candidates, nodes, taken, others)
        options = _options(ask, candidates.instances.get(role.model, ()), every=steadiest) if ask else ()
        chosen = _steadiest(options) if steadiest else _best(options)
        reasons[role.role] = tuple(_reason(option, option is chosen) for option in options)
        if chosen is None:
            least = _least(options)
            needed[role.role] = least.lacks if least else _nobody(role)
            if least:  # what it would take is missing to the roles after it, too: all needs together are enough
                _take(taken, least, flow(role.resources), nodes.get(least.node))
            continue
        _take(taken, chosen, flow(role.resources), nodes[chosen.node])
        placements.append(_placement(role, chosen, seed))
    return Decision(
        feasible=not needed,
        verdict=max((p.verdict for p in placements), key=RANK.__getitem__, default="create"),
        placements=tuple(placements) if not needed else (),
        reasons=reasons,
        needed=needed,
        reliability=told(taken.reliability),
    )


def ask_for(
    request: OfferRequest,
    role: RoleRequirement,
    candidates: Candidates,
    nodes: Mapping[str, NodeRoom],
    taken: _Taken,
    others: float,
) -> _Ask | None:
    """What is asked of a role's candidates; None where its model is not on offer."""
    model = candidates.models.get(role.model)
    if model is None:
        return None
    own = role.resources.only(model.supplies)
    return _Ask(request, role, model, own, role.resources - own, flow(role.resources), nodes, taken, others)


def best_rests(request: OfferRequest, candidates: Candidates) -> list[float]:
    """Of each role the most that the roles after it can attain together."""
    best = [_most_available(role.model, candidates) for role in request.roles]
    return [in_series(best[number + 1 :]) for number in range(len(best))]


def _most_available(name: str, candidates: Candidates) -> float:
    model = candidates.models.get(name)
    fresh = [model.availability] if model and not model.is_supply else []
    return max([one.availability for one in candidates.instances.get(name, ())] + fresh, default=1.0)


def _options(ask: _Ask, running: Sequence[RunningInstance], *, every: bool = False) -> tuple[_Option, ...]:
    """Reuse first; modify and create only where no reuse is feasible, or `every` option is asked for."""
    standing = _of_running(ask, running, every=every)
    if ask.model.is_supply or (not every and any(not option.lacks for option in standing)):
        return standing
    more = ask.rest + ask.model.consumes
    return standing + tuple(_create(ask, node, more) for node in ask.nodes.values())


def _of_running(ask: _Ask, running: Sequence[RunningInstance], *, every: bool = False) -> tuple[_Option, ...]:
    """What needs no new instance: reuse, and where that is not feasible (or `every` is asked for) modify."""
    reuse = tuple(_reuse(ask, one) for one in running)
    if ask.model.is_supply or (not every and any(not option.lacks for option in reuse)):
        return reuse
    more = ask.rest + ask.model.consumes
    return reuse + tuple(
        _modify(ask, one, more)
        for one, refused in zip(running, reuse, strict=True)
        if all(lack.kind in ("shares", "resource") or lack.name == "queue" for lack in refused.lacks)
    )


def _reuse(ask: _Ask, one: RunningInstance) -> _Option:
    bound = ask.model.max_shares * one.scale
    shares = one.shares + ask.taken.shares.get(one.instance_id, 0)
    lacks = (
        *_isolation(ask, one),
        *ask.request.avoid.get(one.instance_id, ()),
        *_shares(shares, bound),
        *lacking(ask.own, _room(ask, one)),
        *_node_lacks(ask, ask.rest, ask.nodes.get(one.node)),
        *_unreliable(ask, one.availability),
    )
    order = (0.0 if one.running else 1.0, one.slow_ms, -shares / bound, one.instance_id)
    return _Option("reuse", one.instance_id, one.node, ask.rest, ask.own, lacks, order, one.availability)


def _modify(ask: _Ask, one: RunningInstance, more: ResourceVector) -> _Option:
    bound = ask.model.max_scale
    largest = (Lack(kind="state", name="scale", needed=one.scale + 1, available=bound),) if one.scale >= bound else ()
    lacks = (
        *_isolation(ask, one),
        *largest,
        *_shares(one.shares + ask.taken.shares.get(one.instance_id, 0), ask.model.max_shares * (one.scale + 1)),
        *lacking(ask.own, _room(ask, one) + ask.model.supplies),
        *_node_lacks(ask, more, ask.nodes.get(one.node)),
        *_unreliable(ask, one.availability),
    )
    order = (float(one.scale), one.instance_id)
    return _Option("modify", one.instance_id, one.node, more, ask.own, lacks, order, one.availability)


def _create(ask: _Ask, node: NodeRoom, cost: ResourceVector) -> _Option:
    lacks = (
        *_degree(ask),
        *lacking(ask.own, ask.model.supplies),
        *_node_lacks(ask, cost, node),
        *_unreliable(ask, ask.model.availability),
    )
    left = node.free.computing_mcores - ask.taken.on_node(node.node).computing_mcores
    order = (node.latency_ms, -left, node.node)
    return _Option("create", node.node, node.node, cost, ask.own, lacks, order, ask.model.availability)


def _degree(ask: _Ask) -> tuple[Lack, ...]:
    wanted, offered = ask.request.isolation, ask.model.isolation
    if wanted in offered:
        return ()
    degrees = ", ".join(str(int(degree)) for degree in sorted(offered))
    return (Lack(kind="isolation", name="degree", needed=int(wanted), available=degrees),)


def _room(ask: _Ask, one: RunningInstance) -> ResourceVector:
    """What is free of an instance's own supplies, after the roles before this one."""
    taken = ask.taken.rooms.get(one.instance_id)
    return one.room - taken if taken else one.room


def _isolation(ask: _Ask, one: RunningInstance) -> tuple[Lack, ...]:
    request = ask.request
    if one.isolation is Isolation.DEDICATED and one.msi == request.msi:
        return ()
    if ask.model.is_supply and request.isolation is Isolation.SHARED:
        return ()
    kind = (one.isolation, one.cluster)
    if kind not in ask.strangers:
        ask.strangers[kind] = _strangers(request, one)
    return ask.strangers[kind]


def _strangers(request: OfferRequest, one: RunningInstance) -> tuple[Lack, ...]:
    if may_share(request.isolation, request.cluster, one.isolation, one.cluster):
        return ()
    wanted = f"degree {int(request.isolation)} in {request.cluster}"
    there = f"degree {int(one.isolation)} in {one.cluster}"
    return (Lack(kind="isolation", name="degree", needed=wanted, available=there),)


def _shares(taken: int, bound: int) -> tuple[Lack, ...]:
    return () if taken < bound else (Lack(kind="shares", name="max_shares", needed=taken + 1, available=bound),)


def lacking(needed: ResourceVector, room: ResourceVector) -> tuple[Lack, ...]:
    """A lack for each resource of which `room` has less than is needed."""
    if needed.fits(room):
        return ()
    return tuple(
        Lack(kind="resource", name=name, needed=wanted, available=max(there, 0), unit=name.rpartition("_")[2])
        for name, wanted, there in needed.beyond(room)
    )


def _node_lacks(ask: _Ask, cost: ResourceVector, node: NodeRoom | None) -> tuple[Lack, ...]:
    if node is None:
        return (Lack(kind="state", name="node", needed="a node in the pool", available="withdrawn"),)
    taken = ask.taken.nodes.get(node.node)
    lacks = lacking(cost, node.free - taken if taken else node.free)
    if node.closed:
        down = Lack(kind="runtime", name=f"domain of {node.node}", needed="one that is up", available=node.closed)
        lacks = (down, *lacks)
    if node.links and ask.flow:
        lacks += _links(ask, node)
    latency, asked = ask.model.latency_ms + node.latency_ms, ask.role.latency_ms
    if latency > asked + 1e-9:
        lacks += (Lack(kind="latency", name="latency_ms", needed=latency, available=asked, unit="ms"),)
    return lacks


def _unreliable(ask: _Ask, availability: float) -> tuple[Lack, ...]:
    """Where the service with this candidate, and the best in the roles after it, attains less than is asked."""
    attained, asked = ask.taken.reliability * availability * ask.others, ask.request.reliability
    if attained >= asked - ROUNDING:
        return ()
    return (Lack(kind="reliability", name="reliability", needed=asked, available=told(attained)),)


def _links(ask: _Ask, node: NodeRoom) -> tuple[Lack, ...]:
    """What the links on the way lack."""
    crossed = ask.crossed
    for link in node.links:
        if link.link not in crossed:
            crossed[link.link] = _link(ask, link)
    return tuple(lack for link in node.links for lack in crossed[link.link])


def _link(ask: _Ask, link: LinkRoom) -> tuple[Lack, ...]:
    taken = ask.taken.links.get(link.link)
    lacks = lacking(ask.flow, link.free - taken if taken else link.free)
    return tuple(lack.model_copy(update={"kind": "link", "name": f"{lack.name} of {link.link}"}) for lack in lacks)


def _best(options: tuple[_Option, ...]) -> _Option | None:
    feasible = [option for option in options if not option.lacks]
    return min(feasible, key=lambda option: (RANK[option.action], option.order), default=None)


def _steadiest(options: tuple[_Option, ...]) -> _Option | None:
    feasible = [option for option in options if not option.lacks]
    return min(feasible, key=lambda one: (-one.availability, RANK[one.action], one.order), default=None)


def _least(options: tuple[_Option, ...]) -> _Option | None:
    """Of all options, the one that lacks least."""
    return min(options, key=lambda option: (len(option.lacks), -RANK[option.action], option.candidate), default=None)


def _nobody(role: RoleRequirement) -> tuple[Lack, ...]:
    return (Lack(kind="model", name=role.model, needed="an instance or a node to run one on", available="none"),)


def _reason(option: _Option, chosen: bool) -> CandidateReason:
    return CandidateReason(
        candidate=option.candidate,
        action=option.action,
        chosen=chosen,
        lacks=option.lacks,
        availability=told(option.availability),
    )


def _take(taken: _Taken, option: _Option, crossing: ResourceVector, node: NodeRoom | None) -> None:
    taken.nodes[option.node] = taken.on_node(option.node) + option.from_node
    taken.reliability *= option.availability
    for link in node.links if node and crossing else ():
        taken.links[link.link] = taken.links.get(link.link, ResourceVector()) + crossing
    if option.action != "create":
        taken.rooms[option.candidate] = taken.rooms.get(option.candidate, ResourceVector()) + option.from_own
        taken.shares[option.candidate] = taken.shares.get(option.candidate, 0) + 1


def _placement(role: RoleRequirement, option: _Option, seed: str) -> Placement:
    created = option.action == "create"
    instance = instance_name(role.model, f"{seed}/{role.role}") if created else option.candidate
    return Placement(role=role.role, model=role.model, verdict=option.action, instance=instance, node=option.node)
