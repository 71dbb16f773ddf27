"""Fair sharing: every share's grant, the rates that a model instance supplies shared max-min fairly among its shares.

A share keeps what was allocated to it; what an instance has beyond that is dealt out, of rendering up to what each
one's objects could use. VMOF calls it in the transaction that lets a share in or out. Only rates are dealt out: they
can be taken back at once when a neighbour comes; stored bytes cannot.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

import sqlalchemy as sa

from orchestrator.instances.models import lock_instances
from orchestrator.instances.msis import Served, Share, served_by, write_grants
from orchestrator.placement import with_spare
from orchestrator.requirements import RunningModel
from orchestrator.resources import ResourceVector
from orchestrator.resources.pool import capacities_of, nodes, total

RATES = ("computing_mcores", "bandwidth_mbps", "protocol_stack_sessions", "rendering_k", "spectrum_mhz")
"""Resources whose grant a model holds each call to, so that a smaller one counts from the next call on."""


def allocated(models: Sequence[RunningModel]) -> ResourceVector:
    """What all models of a share were allocated for it."""
    return total({model.instance: model.granted for model in models}.values())


def suppliers(*shares: Share | None) -> set[str]:
    """The model instances of which these shares have rates that the instance supplies itself."""
    return {model.instance for share in shares if share for model in share.models if _rates(model.supplies)}


def fair_grants(instance: str, shares: Sequence[Served], supply: ResourceVector) -> dict[str, ResourceVector]:
    """The grants of all shares that one model instance serves; `supply` is what it has now."""
    grants = {share.subscription_id: share.grant for share in shares}
    for rate in _rates(supply):
        for name, amount in _fair(instance, shares, rate, supply.all_amounts()[rate]).items():
            grants[name] = ResourceVector.of({**grants[name].amounts(), rate: amount})
    return grants


def _fair(instance: str, shares: Sequence[Served], rate: str, supply: int) -> dict[str, int]:
    """What each share that has this rate of the instance is granted of it, with what other instances gave it."""
    mine = {share.subscription_id: share for share in shares if _supplier(share, rate) == instance}
    claims = {name: _of(instance, share, rate) for name, share in mine.items()}
    wishes = {name: share.rendering_k if rate == "rendering_k" else supply for name, share in mine.items()}
    given = with_spare(supply, claims, wishes)
    whole = {name: allocated(share.models).all_amounts()[rate] for name, share in mine.items()}
    return {name: whole[name] - claims[name] + given[name] for name in mine}


def regrant(rows: sa.Connection, instance_ids: Iterable[str]) -> dict[str, ResourceVector]:
    """Share anew what these instances supply; answers the grants that changed.

    What a share was told of an instance when it came may be old: the instance may have been scaled since.
    """
    names = sorted(instance_ids)
    if not names:
        return {}
    lock_instances(rows, names)  # they may serve shares of both clusters, whose turns do not exclude each other
    shares, capacities = served_by(rows, names), capacities_of(rows, names)
    grants = {share.subscription_id: share.grant for share in shares}
    for name in names:
        served = [replace(share, grant=grants[share.subscription_id]) for share in shares if share.uses(name)]
        grants |= fair_grants(name, served, capacities.get(name, ResourceVector()))
    changed = {one.subscription_id: grant for one in shares if (grant := grants[one.subscription_id]) != one.grant}
    write_grants(rows, changed)
    return changed


def regrant_all(rows: sa.Connection) -> dict[str, ResourceVector]:
    """Share every instance's rates anew: after an attempt that scaled one came to nothing, and it shrank again."""
    return regrant(rows, [node.node_id for node in nodes(rows, "model") if _rates(node.capacity)])


def _rates(amounts: ResourceVector) -> Collection[str]:
    return amounts.amounts().keys() & set(RATES)


def _supplier(share: Served, rate: str) -> str:
    """The instance of which a share has this rate: the first by role, where several supply it."""
    return next((model.instance for model in share.models if rate in model.supplies.amounts()), "")


def _of(instance: str, share: Served, rate: str) -> int:
    """What a share was allocated of an instance's rate, in whatever roles."""
    return next(model.granted.all_amounts()[rate] for model in share.models if model.instance == instance)
