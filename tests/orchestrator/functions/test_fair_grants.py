"""The grants of all shares that one model instance serves, as values: every rate of its own, max-min fair."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.instances.msis import Served
from orchestrator.requirements import RunningModel
from orchestrator.resources import RESOURCES, Isolation, ResourceVector
from orchestrator.vmof.grants import RATES, allocated, fair_grants

AMOUNTS = st.builds(lambda amounts: ResourceVector(*amounts), st.tuples(*[st.integers(0, 300)] * len(RESOURCES)))


def model(instance: str, granted: ResourceVector, supplies: ResourceVector) -> RunningModel:
    return RunningModel(
        role=instance, model="m", instance=instance, isolation=Isolation.SHARED, verdict="reuse", node="site-1",
        socket="s", granted=granted, supplies=supplies,
    )  # fmt: skip


def share(number: int, here: ResourceVector, elsewhere: ResourceVector, supply: ResourceVector) -> Served:
    """What it was allocated of the instance `here`, and of another that supplies nothing."""
    models = (model("elsewhere", elsewhere, ResourceVector()), model("here", here.only(supply), supply))
    return Served(str(number), 10_000, models, allocated(models))


@given(AMOUNTS, st.lists(st.tuples(AMOUNTS, AMOUNTS), max_size=6))
def test_no_share_has_less_than_its_claim_and_all_together_what_there_is(
    supply: ResourceVector, held: list[tuple[ResourceVector, ResourceVector]]
) -> None:
    shares = [share(number, here, elsewhere, supply) for number, (here, elsewhere) in enumerate(held)]
    grants = fair_grants("here", shares, supply)
    for rate in RESOURCES:
        before = {one.subscription_id: one.grant.all_amounts()[rate] for one in shares}
        more = {name: grants[name].all_amounts()[rate] - amount for name, amount in before.items()}
        claimed = sum(one.models[1].granted.all_amounts()[rate] for one in shares)
        spare = max(supply.all_amounts()[rate] - claimed, 0) if rate in RATES else 0
        assert sum(more.values()) == (spare if shares else 0)
        assert all(amount >= 0 for amount in more.values())
        assert max(more.values(), default=0) - min(more.values(), default=0) <= 1  # all can use all of it


@given(AMOUNTS, st.lists(st.tuples(AMOUNTS, AMOUNTS), min_size=1, max_size=6))
def test_sharing_anew_what_was_shared_changes_nothing(
    supply: ResourceVector, held: list[tuple[ResourceVector, ResourceVector]]
) -> None:
    shares = [share(number, here, elsewhere, supply) for number, (here, elsewhere) in enumerate(held)]
    grants = fair_grants("here", shares, supply)
    again = [replace(one, grant=grants[one.subscription_id]) for one in shares]
    assert fair_grants("here", again, supply) == grants
