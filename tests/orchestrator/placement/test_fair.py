"""Fair sharing inside an MSI, as values: everybody's claim, and the spare max-min."""

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.placement import with_spare

ASKERS = st.dictionaries(
    st.text("abcdef", min_size=1), st.tuples(st.integers(0, 500), st.integers(0, 2000)), max_size=8
)
"""Asker → claim and wish; a wish may be below the claim."""


def test_spare_goes_evenly_to_whoever_can_use_it() -> None:
    claims, wishes = {"a": 50, "b": 50, "c": 50}, {"a": 60, "b": 400, "c": 400}
    assert with_spare(400, claims, wishes) == {"a": 60, "b": 170, "c": 170}


@given(st.integers(0, 5000), ASKERS)
def test_claims_are_kept_and_the_spare_is_shared_max_min(supply: int, asked: dict[str, tuple[int, int]]) -> None:
    claims, wishes = ({name: pair[number] for name, pair in asked.items()} for number in (0, 1))
    given_ = with_spare(supply, claims, wishes)
    more = {name: given_[name] - claims[name] for name in asked}
    wanted = {name: max(wishes[name] - claims[name], 0) for name in asked}
    assert all(0 <= more[name] <= wanted[name] for name in asked)
    assert sum(given_.values()) <= max(supply, sum(claims.values()))

    spare = max(supply - sum(claims.values()), 0)
    assert sum(more.values()) == min(spare, sum(wanted.values()))  # nothing is left while somebody could use it
    short = [more[name] for name in asked if more[name] < wanted[name]]
    assert all(other <= least + 1 for least in short for other in more.values())  # who wants more has the most


@given(st.integers(0, 5000), ASKERS.filter(bool))
def test_who_wants_less_leaves_nobody_worse_off(supply: int, asked: dict[str, tuple[int, int]]) -> None:
    claims, wishes = ({name: pair[number] for name, pair in asked.items()} for number in (0, 1))
    humble = min(asked)
    before, after = with_spare(supply, claims, wishes), with_spare(supply, claims, {**wishes, humble: 0})
    assert after[humble] == claims[humble]
    assert all(after[name] >= before[name] for name in asked if name != humble)
