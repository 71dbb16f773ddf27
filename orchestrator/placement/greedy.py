"""Greedy placement of one share: per role reuse a running instance, else scale one, else create one on a node.

A pure function of one view of the candidates; MMF runs it for an offer and again, inside the transaction, when the
offer is accepted. Roles are filled in the order given, each seeing what the ones before took. Every candidate that was
looked at leaves a reason; a role that cannot be filled says what would have been enough. O(roles × candidates).
"""

from dataclasses import dataclass, field
from hashlib import sha256

from orchestrator.placement.candidates import Candidates, ModelOption, NodeRoom, RunningInstance
from orchestrator.requirements import CandidateReason, Decision, Lack, OfferRequest, Placement, RoleRequirement, Verdict
from orchestrator.resources import Isolation, ResourceVector, may_share

RANK: dict[Verdict, int] = {"reuse": 0, "modify": 1, "create": 2}


@dataclass(slots=True)
class _Taken:
    """What the roles before this one took, on top of the view."""

    nodes: dict[str, ResourceVector] = field(default_factory=dict)
    rooms: dict[str, ResourceVector] = field(default_factory=dict)
    shares: dict[str, int] = field(default_factory=dict)

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


def instance_name(model: str, seed: str) -> str:
    """Id of a new instance of `model`, the same for the same seed."""
    return f"{model}-{sha256(f'{model}/{seed}'.encode()).hexdigest()[:10]}"


def greedy(request: OfferRequest, candidates: Candidates, seed: str = "") -> Decision:
    """The decision for one share; infeasible as soon as one role cannot be filled (all roles keep their reasons)."""
    taken = _Taken()
    placements: list[Placement] = []
    reasons: dict[str, tuple[CandidateReason, ...]] = {}
    needed: dict[str, tuple[Lack, ...]] = {}
    for role in request.roles:
        options = _options(request, role, candidates, taken)
        chosen = _best(options)
        reasons[role.role] = tuple(_reason(option, option is chosen) for option in options)
        if chosen is None:
            needed[role.role] = _least(role, options)
            continue
        _take(taken, chosen)
        placements.append(_placement(role, chosen, seed))
    return Decision(
        feasible=not needed,
        verdict=max((p.verdict for p in placements), key=RANK.__getitem__, default="create"),
        placements=tuple(placements) if not needed else (),
        reasons=reasons,
        needed=needed,
    )


def _options(
    request: OfferRequest, role: RoleRequirement, candidates: Candidates, taken: _Taken
) -> tuple[_Option, ...]:
    """Reuse first; modify and create only where no reuse is feasible."""
    model = candidates.models.get(role.model)
    if model is None:
        return ()
    rooms = {node.node: node for node in candidates.nodes}
    running = candidates.instances.get(model.name, ())
    reuse = tuple(_reuse(request, role, model, one, rooms.get(one.node), taken) for one in running)
    if model.is_supply or any(not option.lacks for option in reuse):
        return reuse
    modify = tuple(
        _modify(request, role, model, one, rooms.get(one.node), taken)
        for one, refused in zip(running, reuse, strict=True)
        if all(lack.kind in ("shares", "resource") for lack in refused.lacks)
    )
    if any(not option.lacks for option in modify):
        return reuse + modify
    create = tuple(_create(request, role, model, node, taken) for node in candidates.nodes)
    return reuse + modify + create


def _reuse(
    request: OfferRequest,
    role: RoleRequirement,
    model: ModelOption,
    one: RunningInstance,
    node: NodeRoom | None,
    taken: _Taken,
) -> _Option:
    own = role.resources.only(model.supplies)
    rest = role.resources - own
    shares = one.shares + taken.shares.get(one.instance_id, 0)
    room = one.room - taken.rooms.get(one.instance_id, ResourceVector())
    lacks = (
        *_isolation(request, model, one),
        *_shares(shares, model.max_shares * one.scale),
        *_resources(own, room),
        *_node_lacks(role, model, rest, node, taken),
    )
    fullest = -shares / (model.max_shares * one.scale)
    order = (0.0 if one.running else 1.0, fullest, one.instance_id)
    return _Option("reuse", one.instance_id, one.node, rest, own, lacks, order)


def _modify(
    request: OfferRequest,
    role: RoleRequirement,
    model: ModelOption,
    one: RunningInstance,
    node: NodeRoom | None,
    taken: _Taken,
) -> _Option:
    own = role.resources.only(model.supplies)
    more = (role.resources - own) + model.consumes
    shares = one.shares + taken.shares.get(one.instance_id, 0)
    room = one.room + model.supplies - taken.rooms.get(one.instance_id, ResourceVector())
    too_large = one.scale >= model.max_scale
    lacks = (
        *_isolation(request, model, one),
        *((Lack(kind="state", name="scale", needed=one.scale + 1, available=model.max_scale),) if too_large else ()),
        *_shares(shares, model.max_shares * (one.scale + 1)),
        *_resources(own, room),
        *_node_lacks(role, model, more, node, taken),
    )
    return _Option("modify", one.instance_id, one.node, more, own, lacks, (float(one.scale), one.instance_id))


def _create(request: OfferRequest, role: RoleRequirement, model: ModelOption, node: NodeRoom, taken: _Taken) -> _Option:
    own = role.resources.only(model.supplies)
    cost = (role.resources - own) + model.consumes
    cannot = request.isolation not in model.isolation
    degrees = ", ".join(str(int(degree)) for degree in sorted(model.isolation))
    lacks = (
        *((Lack(kind="isolation", name="degree", needed=int(request.isolation), available=degrees),) if cannot else ()),
        *_resources(own, model.supplies),
        *_node_lacks(role, model, cost, node, taken),
    )
    left = node.free - taken.on_node(node.node)
    return _Option(
        "create", node.node, node.node, cost, own, lacks, (node.latency_ms, -left.computing_mcores, node.node)
    )


def _isolation(request: OfferRequest, model: ModelOption, one: RunningInstance) -> tuple[Lack, ...]:
    if model.is_supply or (one.isolation is Isolation.DEDICATED and one.msi == request.msi):
        return ()
    if may_share(request.isolation, request.cluster, one.isolation, one.cluster):
        return ()
    wanted = f"degree {int(request.isolation)} in {request.cluster}"
    return (
        Lack(kind="isolation", name="degree", needed=wanted, available=f"degree {int(one.isolation)} in {one.cluster}"),
    )


def _shares(taken: int, bound: int) -> tuple[Lack, ...]:
    return () if taken < bound else (Lack(kind="shares", name="max_shares", needed=taken + 1, available=bound),)


def _resources(needed: ResourceVector, room: ResourceVector) -> tuple[Lack, ...]:
    if needed.fits(room):
        return ()
    wanted, there = needed.amounts(), room.all_amounts()
    return tuple(
        Lack(
            kind="resource", name=name, needed=wanted[name], available=max(there[name], 0), unit=name.rpartition("_")[2]
        )
        for name in needed.shortfall(room)
    )


def _node_lacks(
    role: RoleRequirement, model: ModelOption, cost: ResourceVector, node: NodeRoom | None, taken: _Taken
) -> tuple[Lack, ...]:
    if node is None:
        return (Lack(kind="state", name="node", needed="a node in the pool", available="withdrawn"),)
    latency = model.latency_ms + node.latency_ms
    late = latency > role.latency_ms + 1e-9
    return (
        *_resources(cost, node.free - taken.on_node(node.node)),
        *(
            (Lack(kind="latency", name="latency_ms", needed=latency, available=role.latency_ms, unit="ms"),)
            if late
            else ()
        ),
    )


def _best(options: tuple[_Option, ...]) -> _Option | None:
    feasible = [option for option in options if not option.lacks]
    return min(feasible, key=lambda option: (RANK[option.action], option.order), default=None)


def _least(role: RoleRequirement, options: tuple[_Option, ...]) -> tuple[Lack, ...]:
    """Of all options, what the one that lacks least would need."""
    if not options:
        return (Lack(kind="model", name=role.model, needed="an instance or a node to run one on", available="none"),)
    return min(options, key=lambda option: (len(option.lacks), -RANK[option.action], option.candidate)).lacks


def _reason(option: _Option, chosen: bool) -> CandidateReason:
    return CandidateReason(candidate=option.candidate, action=option.action, chosen=chosen, lacks=option.lacks)


def _take(taken: _Taken, option: _Option) -> None:
    taken.nodes[option.node] = taken.on_node(option.node) + option.from_node
    if option.action != "create":
        taken.rooms[option.candidate] = taken.rooms.get(option.candidate, ResourceVector()) + option.from_own
        taken.shares[option.candidate] = taken.shares.get(option.candidate, 0) + 1


def _placement(role: RoleRequirement, option: _Option, seed: str) -> Placement:
    created = option.action == "create"
    instance = instance_name(role.model, f"{seed}/{role.role}") if created else option.candidate
    return Placement(role=role.role, model=role.model, verdict=option.action, instance=instance, node=option.node)
