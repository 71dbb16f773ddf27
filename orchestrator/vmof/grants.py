"""Fair sharing: every share's grant, its rendering shared max-min fairly among all whom one model instance renders for.

A share keeps what was allocated to it; what the server has beyond that is dealt out up to what each one's objects
could use. VMOF calls it in the transaction that lets a share in or out.
"""

from collections.abc import Sequence
from dataclasses import replace

import sqlalchemy as sa

from orchestrator.instances.msis import Share, rendered_by, rendering_servers, set_grant
from orchestrator.instances.tables import INSTANCES
from orchestrator.placement import fair_shares
from orchestrator.requirements import RunningModel
from orchestrator.resources import ResourceVector
from orchestrator.resources.pool import capacity_of, total

_LOCK = sa.select(INSTANCES.c.instance_id).where(INSTANCES.c.instance_id == sa.bindparam("mine")).with_for_update()


def allocated(models: Sequence[RunningModel]) -> ResourceVector:
    """What all models of a share were allocated for it."""
    return total({model.instance: model.granted for model in models}.values())


def fair_grants(shares: Sequence[Share], supply: int) -> dict[str, ResourceVector]:
    """The grants of all shares that one model instance renders for; `supply` is what it has now, in K."""
    held = {share.subscription_id: allocated(share.models) for share in shares}
    wishes = {
        share.subscription_id: max(share.rendering_k - held[share.subscription_id].rendering_k, 0) for share in shares
    }
    spare = max(supply - sum(amounts.rendering_k for amounts in held.values()), 0)
    more = fair_shares(spare, wishes)
    return {name: replace(amounts, rendering_k=amounts.rendering_k + more[name]) for name, amounts in held.items()}


def regrant(rows: sa.Connection, rendering_instance: str) -> dict[str, ResourceVector]:
    """Share one server's rendering anew; answers the grants that changed.

    What a share was told of the server when it came may be old: the server may have been scaled since.
    """
    if rendering_instance:
        _alone(rows, rendering_instance)
    shares = rendered_by(rows, rendering_instance) if rendering_instance else ()
    before = {share.subscription_id: share.grant for share in shares}
    supply = capacity_of(rows, rendering_instance).rendering_k
    changed = {name: grant for name, grant in fair_grants(shares, supply).items() if grant != before[name]}
    for name, grant in changed.items():
        set_grant(rows, name, grant)
    return changed


def _alone(rows: sa.Connection, rendering_instance: str) -> None:
    """A server may render for shares of both clusters, whose turns do not exclude each other: lock its row."""
    rows.execute(_LOCK, {"mine": rendering_instance})


def regrant_all(rows: sa.Connection) -> dict[str, ResourceVector]:
    """Share every server's rendering anew: after an attempt that scaled one came to nothing, and it shrank again."""
    changed: dict[str, ResourceVector] = {}
    for server in rendering_servers(rows):
        changed |= regrant(rows, server)
    return changed
