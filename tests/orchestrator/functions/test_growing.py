"""A local controller asks for more than its server has: the global one has that scaled within the pool, and held."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from function_house import House, Loop, build, tear_down
from memory_runtime import MemoryRuntime

from orchestrator.errors import PeerRefused
from orchestrator.measures import Measure, MeasuredObject, Measures
from orchestrator.models.manifests import manifests
from orchestrator.supervise_global import GlobalSupervisor
from orchestrator.supervise_local import LocalSupervisor

USERS = range(1, 5)
OBJECTS = 56
EPOCH_S = 60.0


@pytest.fixture
def shared(tmp_path: Path, loop: Loop) -> Iterator[House]:
    """Four travellers of one server that has 4,000 K."""
    house = build(tmp_path, loop.loop, manifests(), runtime=MemoryRuntime(tmp_path))
    for number in USERS:
        house.instantiate(number)
    yield house
    tear_down(house, loop)


class Gateway:
    """The outside of a local supervisor: tells that everybody looks at all objects and is promised more than these."""

    def __init__(self) -> None:
        self.rate_bps = 2e8
        self.frames = 0

    def get(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        assert (path, params) == ("/measures", None)
        self.frames += 1
        objects = tuple(MeasuredObject(object=number, attention=5.0, k=20.0) for number in range(OBJECTS))
        measures = tuple(
            Measure(
                subscription_id=str(name),
                at=float(self.frames),
                rate_bps=self.rate_bps,
                bit_error=0.0,
                bits_per_k=5e5,
                floor=1_000.0,
                objects=objects,
            )
            for name in USERS
        )
        return Measures(measures=measures).to_json()


class Clock:
    """Seconds that a test lets go by."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


def server(house: House) -> dict[str, Any]:
    (one,) = house.rows("SELECT * FROM model_instances WHERE model = 'rendering-server' AND state = 'running'")
    return one


def granted_k(house: House) -> int:
    grants = house.vmof.get("/instances", {"grants": "true"})["grants"]
    return sum(int(grant["rendering_k"]) for grant in grants.values())


def grow(house: House, instance: str, scale: int, key: str) -> dict[str, Any]:
    answer: dict[str, Any] = house.mmf.put(f"/models/{instance}/scale", {"scale": scale}, key)
    return answer


def test_links_carry_more_than_the_server_has_it_grows_and_shrinks_when_they_carry_less(shared: House) -> None:
    gateway, clock = Gateway(), Clock()
    above = GlobalSupervisor(shared.store, shared.mmf, manifests(), EPOCH_S, clock)
    local = LocalSupervisor(shared.store, gateway, shared.vmof, lambda: None, above.hear, clock)
    local.look()
    above.look()
    assert (server(shared)["scale"], granted_k(shared)) == (1, 4_000)

    gateway.rate_bps = 1e9
    clock.now += 1
    local.look()
    above.look()
    assert (server(shared)["scale"], server(shared)["least_scale"]) == (2, 2)
    clock.now += 1
    local.look()
    assert granted_k(shared) == 8_000, "more than the first size, dealt out to the same users"
    (running,) = [one for one in shared.runtime.observe() if one.instance_id == server(shared)["instance_id"]]
    assert running.grant["rendering_k"] == 8_000

    gateway.rate_bps = 2e8
    for _ in range(2):  # what was needed in an epoch counts until its end
        clock.now += EPOCH_S
        local.look()
        above.look()
    assert (server(shared)["scale"], server(shared)["least_scale"]) == (2, 1)
    shared.release(USERS[-1])
    assert server(shared)["scale"] == 1
    assert granted_k(shared) <= 4_000


def test_server_that_cannot_grow_stays_as_it_is_and_it_is_told_why(shared: House) -> None:
    name = server(shared)["instance_id"]
    free = shared.mmf.get("/pool")["free"]["computing_mcores"]
    kept = {"reservation": "other", "node": "site-1", "cluster": "digital_twin", "until": 1 << 40}
    shared.mmf.post("/reservations", {**kept, "amounts": {"computing_mcores": free - 100}}, "keep")
    before = shared.rows("SELECT * FROM nodes ORDER BY node_id")
    answer = grow(shared, name, 2, "grow:1")
    assert (answer["scale"], answer["grown"]) == (1, False)
    assert [(one["name"], one["needed"], one["available"]) for one in answer["short"]] == [
        ("computing_mcores", 200, 100)
    ]
    assert shared.rows("SELECT * FROM nodes ORDER BY node_id") == before

    shared.mmf.delete("/reservations/other", "free")
    answer = grow(shared, name, 5, "grow:2")
    assert (answer["scale"], answer["short"][0]["name"]) == (2, "scale"), "as large as placement scales one"
    assert grow(shared, name, 5, "grow:2") == answer
    for instance, scale, code in (
        ("nobody", 2, "unknown_instance"),
        (name, 0, "malformed_call"),
        ("infrastructure-3879e01e57", 2, "unknown_instance"),
    ):
        with pytest.raises(PeerRefused) as caught:
            grow(shared, instance, scale, f"grow:{instance}")
        assert caught.value.reason["code"] == code
    assert server(shared)["scale"] == 2
