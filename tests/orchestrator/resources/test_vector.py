"""Resource vectors and who may share with whom."""

import pytest
from pydantic import TypeAdapter

from orchestrator.resources import RESOURCES, Isolation, Resources, ResourceVector, may_share


def test_vectors_add_subtract_and_scale_by_name() -> None:
    some = ResourceVector(computing_mcores=200, rendering_k=10)
    assert some + some == some * 2
    assert (some * 3 - some).amounts() == {"computing_mcores": 400, "rendering_k": 20}
    assert not ResourceVector()


def test_shortfall_names_every_missing_resource_and_only_those() -> None:
    wanted = ResourceVector(computing_mcores=200, rendering_k=10, storage_mib=1)
    room = ResourceVector(computing_mcores=150, storage_mib=1)
    assert not wanted.fits(room)
    assert wanted.shortfall(room) == {"computing_mcores": 50, "rendering_k": 10}
    assert wanted.fits(wanted)
    assert wanted.shortfall(wanted) == {}


@pytest.mark.parametrize("amounts", [{"gpu": 1}, {"rendering_k": -1}, {"rendering_k": 1.5}, {"rendering_k": True}])
def test_amounts_that_are_none_are_refused(amounts: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"resource|whole number"):
        ResourceVector.of(amounts)


def test_json_holds_only_what_is_not_zero_and_reads_back() -> None:
    shape: TypeAdapter[ResourceVector] = TypeAdapter(Resources)
    some = ResourceVector(bandwidth_mbps=250)
    assert shape.dump_python(some, mode="json") == {"bandwidth_mbps": 250}
    assert shape.validate_python({"bandwidth_mbps": 250}) == some
    assert set(some.all_amounts()) == set(RESOURCES)


@pytest.mark.parametrize(
    ("wanted", "offered", "same_cluster", "allowed"),
    [
        (0, 0, False, True),
        (0, 1, True, True),
        (0, 1, False, False),
        (1, 0, True, False),
        (1, 1, True, True),
        (1, 1, False, False),
        (0, 2, True, False),
        (2, 0, True, False),
        (2, 2, True, False),
    ],
)
def test_isolation_lets_in_only_whom_both_sides_were_promised(
    wanted: int, offered: int, same_cluster: bool, allowed: bool
) -> None:
    there = "ar_vr" if same_cluster else "digital_twin"
    assert may_share(Isolation(wanted), "ar_vr", Isolation(offered), there) is allowed
