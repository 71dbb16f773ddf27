"""The end of uses: let go of, idle instances ended or left smaller, what they held freed, in the pool's turn.

Used by MMF's workflows and routes. Rows only: the runtime ends the processes between `let_go` and `finish`.
"""

from collections.abc import Collection, Sequence

import sqlalchemy as sa

from orchestrator.instances import IllegalMove, ModelMove, ModelState, take_turn
from orchestrator.instances.lives import end_life
from orchestrator.instances.models import (
    STANDING,
    ModelInstance,
    drop_uses,
    instance,
    lock_instances,
    move_instance,
    uses,
)
from orchestrator.mmf.catalogue import Models
from orchestrator.mmf.sizes import shrink
from orchestrator.resources.pool import free_instance, free_share


def let_go(
    rows: sa.Connection, models: Models, subscription_id: str, msi: str, failed: Collection[str], now: int
) -> list[str]:
    """End a share's uses and free what it held; answers the instances that have lost their last user.

    Those keep what they themselves hold until `finish`: their processes still run. What others use is not touched, nor
    what is kept warm.
    """
    take_turn(rows, "pool")
    named = sorted({use.instance_id for use in uses(rows, subscription_id, msi)})
    lock_instances(rows, named)
    drop_uses(rows, subscription_id, msi)
    idle: list[str] = []
    for instance_id in named:
        free_share(rows, instance_id, subscription_id)
        one = instance(rows, instance_id)
        if one is not None and not let_stand(rows, models, one, failed, now):
            idle.append(instance_id)
    return idle


def let_stand(rows: sa.Connection, models: Models, one: ModelInstance, failed: Collection[str], now: int) -> bool:
    """Whether an instance that lost a user stays, perhaps smaller: for others, or warm. Else it is to be ended."""
    if one.supply or one.state not in STANDING:
        return True
    failing = one.instance_id in failed
    if one.shares or (one.warm_until > now and not failing):
        shrink(rows, models[one.model], one, now)
        return True
    ends = ModelMove.FAIL if failing and one.state is ModelState.PLANNED else ModelMove.STOP
    move_instance(rows, one.instance_id, ends, now)
    return False


def finish(rows: sa.Connection, instance_ids: Sequence[str], now: int) -> None:
    """The processes of these instances are gone: free what they held."""
    take_turn(rows, "pool")
    for instance_id in instance_ids:
        one = instance(rows, instance_id)
        if one is None or one.state in STANDING:
            raise IllegalMove(f"{instance_id} is to be kept, not to be ended. This is a fault of MMF; report it.")
        if one.state is ModelState.STOPPING:
            move_instance(rows, instance_id, ModelMove.FINISH, now)
            end_life(rows, one, now)
        free_instance(rows, instance_id)
