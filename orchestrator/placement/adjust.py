"""The decision for a share that runs already and is to be another size: in place before anywhere else. Pure.

Used by MMF when a running request is updated. Every role stays on its instance where that has room for the new size,
or can be scaled to it; only a role that cannot stay may go to another instance. While a role moves it holds both
places, so what it holds now counts as taken; what stays counts as free for its own new size.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from orchestrator.placement.candidates import Candidates, RunningInstance
from orchestrator.placement.exact import decide
from orchestrator.requirements import Decision, OfferRequest
from orchestrator.resources import ResourceVector


@dataclass(frozen=True, slots=True)
class Holding:
    """What one role of the share holds now."""

    role: str
    instance: str
    node: str
    own: ResourceVector
    """of the instance's own supplies"""
    on_node: ResourceVector


def adjusted(request: OfferRequest, view: Candidates, held: Sequence[Holding], seed: str = "") -> Decision:
    """The decision; a role whose placement names its present instance stays there, any other moves."""
    at = {one.role: one.instance for one in held}
    in_place = decide(request, _freed(view, held, only=at), seed)
    staying = _staying(in_place, at)
    if in_place.feasible and len(staying) == len(request.roles):
        return in_place
    kept = [one for one in held if one.role in staying]
    return decide(request, _freed(view, kept, only={one.role: one.instance for one in kept}, request=request), seed)


def _staying(decision: Decision, at: Mapping[str, str]) -> set[str]:
    """Roles for which the present instance was chosen."""
    return {
        role
        for role, reasons in decision.reasons.items()
        for one in reasons
        if one.chosen and one.action != "create" and one.candidate == at.get(role)
    }


def _freed(
    view: Candidates, held: Sequence[Holding], *, only: Mapping[str, str], request: OfferRequest | None = None
) -> Candidates:
    """The view as if these holdings were free; of a model that holds one of them, no other instance is a candidate.

    With a `request`, models of its other roles keep all their instances.
    """
    nodes = {node.node: node for node in view.nodes}
    rooms: dict[str, tuple[ResourceVector, int]] = {}
    for one in held:
        room, uses = rooms.get(one.instance, (ResourceVector(), 0))
        rooms[one.instance] = (room + one.own, uses + 1)
        node = nodes.get(one.node)
        if node is not None:
            nodes[one.node] = replace(node, free=node.free + one.on_node)
    moving = {role.model for role in request.roles if role.role not in only} if request else set()
    instances = {
        model: tuple(_as_free(one, rooms) for one in some if model in moving or one.instance_id in only.values())
        for model, some in view.instances.items()
    }
    return replace(view, instances=instances, nodes=tuple(nodes.values()))


def _as_free(one: RunningInstance, rooms: Mapping[str, tuple[ResourceVector, int]]) -> RunningInstance:
    if one.instance_id not in rooms:
        return one
    room, uses = rooms[one.instance_id]
    return replace(one, room=one.room + room, shares=one.shares - uses)
