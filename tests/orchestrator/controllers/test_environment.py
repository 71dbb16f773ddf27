"""The global controller: designs cover what is forecast, within the room, explained, the same every time."""

import json

from orchestrator.controllers.environment import Demand, Design, GlobalController
from orchestrator.resources import ResourceVector

EPOCH_S = 300.0
SEATS = {"rendering_server": 8, "digital_twin": 4}
ROOM = ResourceVector(rendering_k=2_000, computing_mcores=8_000)


def demand(shares: int, rendering_k: int, granted_k: int = 0, model: str = "") -> Demand:
    wanted, granted = ResourceVector(rendering_k=rendering_k), ResourceVector(rendering_k=granted_k)
    return Demand(shares, wanted, granted, {model: shares} if model else {})


def designed(epochs: int, seed: int = 1, rendering_k: int = 600) -> tuple[Design, ...]:
    """After a steady demand of so many epochs."""
    controller = GlobalController(SEATS.__getitem__, EPOCH_S, seed)
    for epoch in range(1, epochs + 1):
        demands = {
            "ar_vr": demand(16, rendering_k, model="rendering_server"),
            "digital_twin": demand(4, 100, model="digital_twin"),
        }
        designs = controller.design(demands, ROOM, epoch * EPOCH_S)
        for forecaster in controller.due():
            forecaster.train()
    return designs


def test_design_steady_demand_covered_without_waste() -> None:
    vr, twin = sorted(designed(20), key=lambda one: one.cluster)
    assert 600 <= vr.reserve.rendering_k <= 900
    assert vr.models["rendering_server"] in (2, 3)
    assert 100 <= twin.reserve.rendering_k <= 150
    assert vr.until_s == 21 * EPOCH_S


def test_design_more_wanted_than_room_divided_within_it() -> None:
    designs = designed(20, rendering_k=5_000)
    assert sum(one.reserve.rendering_k for one in designs) <= ROOM.rendering_k
    assert all(one.reserve.rendering_k > 0 for one in designs)


def test_design_demand_falls_never_below_what_is_granted() -> None:
    controller = GlobalController(SEATS.__getitem__, EPOCH_S)
    for epoch in range(1, 10):
        (design,) = controller.design({"ar_vr": demand(0, 0, granted_k=400)}, ROOM, epoch * EPOCH_S)
    assert design.reserve.rendering_k >= 400


def test_design_model_no_longer_wanted_forecast_falls_to_none() -> None:
    controller = GlobalController(SEATS.__getitem__, EPOCH_S)
    for epoch in range(1, 30):
        wanted = demand(9, 0, model="rendering_server") if epoch < 10 else demand(0, 0)
        (design,) = controller.design({"ar_vr": wanted}, ROOM, epoch * EPOCH_S)
        if epoch == 9:
            assert design.models["rendering_server"] >= 2
    assert design.models == {"rendering_server": 0}


def test_design_trained_names_its_version_and_reasons_as_data() -> None:
    for design in designed(80):
        assert design.version
        assert design.reasons["shares"]["version"]["version"] == design.version
        json.dumps(design.reasons)


def test_design_same_looks_same_designs() -> None:
    assert designed(70) == designed(70)
