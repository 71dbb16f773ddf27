"""Reservations through MMF's door, and what they mean for placement: room for one cluster, kept from the other."""

import time
from pathlib import Path
from typing import Any

import pytest
from function_house import House, Loop, build, tear_down
from memory_runtime import MemoryRuntime

from orchestrator.errors import PeerRefused
from orchestrator.models.manifests import manifests
from orchestrator.resources import ResourceVector


def room(house: House, until: int, **changes: Any) -> dict[str, Any]:
    amounts = {"bandwidth_mbps": 19_900}
    return {
        "reservation": "forecast-1", "node": "site-1", "cluster": "digital_twin", "amounts": amounts, "until": until,
        **changes,
    }  # fmt: skip


def refused(work: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
    with pytest.raises(PeerRefused) as caught:
        work(*args, **kwargs)
    return caught.value.reason


def test_what_is_reserved_for_one_cluster_is_kept_from_the_other_until_it_ends(house: House) -> None:
    later = int(time.time()) + 3600
    made = house.mmf.post("/reservations", room(house, later), "controller:1")
    assert made["amounts"] == {"bandwidth_mbps": 19_900}
    assert house.mmf.post("/reservations", room(house, later), "controller:1") == made
    pool = house.mmf.get("/pool")
    assert (pool["reserved"], pool["free"]["bandwidth_mbps"]) == ({"bandwidth_mbps": 19_900}, 100)

    lack = refused(house.instantiate, 1, "terahertz-link", qoe={"rate_mbps": 250})["needed"]["model"][0]
    assert (lack["name"], lack["needed"], lack["available"]) == ("bandwidth_mbps", 250, 100)

    own = room(house, later, reservation="forecast-2", cluster="ar_vr", amounts={"bandwidth_mbps": 90})
    house.mmf.post("/reservations", own, "controller:2")
    assert house.instantiate(1, "terahertz-link", qoe={"rate_mbps": 95})["state"] == "running"
    drawn = {one["reservation"]: one["drawn"] for one in house.mmf.get("/reservations")["reservations"]}
    assert drawn == {"forecast-1": {}, "forecast-2": {"bandwidth_mbps": 90}}

    house.keeper()
    made = [(one["subject"], one["detail"]["cluster"]) for one in house.told("reservation.made", 2)]
    assert made == [("forecast-1", "digital_twin"), ("forecast-2", "ar_vr")]
    house.mmf.delete("/reservations/forecast-1", "controller:3")
    house.keeper()
    assert [one["subject"] for one in house.told("reservation.ended", 1)] == ["forecast-1"]
    assert house.instantiate(2, "terahertz-link", qoe={"rate_mbps": 250})["state"] == "running"
    house.release(1)
    assert house.mmf.get("/pool")["reserved"] == {"bandwidth_mbps": 90}


def test_the_keeper_ends_what_is_over(tmp_path: Path, loop: Loop) -> None:
    times = [1_800_000_000]
    until = times[0] + 1
    house = build(tmp_path, loop.loop, manifests(), runtime=MemoryRuntime(tmp_path), clock=lambda: times[-1])
    everything = dict.fromkeys(ResourceVector().all_amounts(), 1)
    name = "forecast-of-all-that-there-is-of-everything-at-this-site"
    house.mmf.post("/reservations", room(house, until, reservation=name, amounts=everything), "controller:1")
    times.append(until)
    house.keeper()
    [told] = house.told("reservation.ended", 1)
    assert (told["subject"], told["detail"]["until"]) == (name, until)
    assert house.mmf.get("/reservations") == {"reservations": []}
    assert house.mmf.get("/pool")["reserved"] == {}
    tear_down(house, loop)


def test_reservations_that_cannot_be_are_refused_by_name_and_change_nothing(house: House) -> None:
    later = int(time.time()) + 3600
    post = house.mmf.post
    assert refused(post, "/reservations", room(house, later, node="moon"), "k1")["code"] == "bad_reservation"
    assert refused(post, "/reservations", room(house, 1), "k2")["code"] == "bad_reservation"
    much = room(house, later, amounts={"bandwidth_mbps": 20_001})
    assert refused(post, "/reservations", much, "k3")["code"] == "over_allocated"
    assert refused(post, "/reservations", room(house, later, amounts={"gold": 1}), "k4")["code"] == "malformed_call"
    assert refused(post, "/reservations", room(house, later))["code"] == "malformed_call"
    assert house.mmf.delete("/reservations/none", "k5") is None
    assert house.mmf.get("/reservations") == {"reservations": []}
