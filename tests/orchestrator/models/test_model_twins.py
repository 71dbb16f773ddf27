"""Sensors and the digital twin that follows them: what is sensed is noisy and faulty, the twin is near the truth."""

import math
from typing import Any

import numpy as np
import pytest
from model_calls import ask, cpu_seconds, value

from orchestrator.models.digital_twin import DigitalTwin, filters_for
from orchestrator.models.errors import BadCall, NotThere, OverGrant
from orchestrator.models.sensors import FAULTS, faults, read, sense
from orchestrator.models.things import KINDS, truth

BEGIN = 1.7e9


def readings(kind: str = "machine", name: str = "lathe", t: float = BEGIN, **more: Any) -> Any:
    return value(ask(read, {"kind": kind, "name": name, "t": t, "seconds": 60, "rate_hz": 1, **more}))


def follow(twin: DigitalTwin, minutes: int = 12, tenant: str = "1", mcores: int = 160, kind: str = "machine") -> float:
    """Feeds some minutes of a thing's sensors to the twin; when the last reading was."""
    last = 0.0
    for minute in range(minutes):
        seen = readings(kind, t=BEGIN + 60 * minute)
        ask(twin.observe, {"object": "lathe", **seen}, tenant, computing_mcores=mcores)
        last = seen["t"][-1]
    return last


@pytest.mark.parametrize("kind", KINDS)
def test_a_sensor_errs_by_its_noise_around_the_truth(kind: str) -> None:
    moments = BEGIN + np.arange(0, 3600.0, 2.0)
    for channel in KINDS[kind].channels:
        real = truth(kind, "one", moments)[channel.name]
        errors = sense("one", channel, moments, real) - real
        well = np.ones(len(moments), bool)
        for fault in faults("one", channel.name, BEGIN, BEGIN + 3600):
            well &= (moments < fault.begin) | (moments >= fault.end)
        assert 0.8 * channel.noise < errors[well].std() < 1.2 * channel.noise
        assert abs(errors[well].mean()) < channel.drift + 3 * channel.noise / math.sqrt(well.sum())
        assert real.std() > channel.noise / 2


def test_faults_of_every_kind_come_and_go() -> None:
    found = faults("one", "temperature_c", 0, 40 * 3600)
    assert {fault.kind for fault in found} == set(FAULTS)
    assert all(5 <= fault.end - fault.begin < 60 for fault in found)
    channel = next(each for each in KINDS["machine"].channels if each.name == "temperature_c")
    for fault in found[:12]:
        moments = np.linspace(fault.begin, fault.end - 0.1, 50)
        told = sense("one", channel, moments, truth("machine", "one", moments)["temperature_c"])
        error = told - truth("machine", "one", moments)["temperature_c"]
        match fault.kind:
            case "stuck":
                assert np.ptp(told) == 0
            case "dropout":
                assert np.isnan(told).all()
            case "bias":
                assert abs(error.mean()) > 6 * channel.noise
            case "spikes":
                assert (np.abs(error) > 20 * channel.noise).any()


def test_readings_repeat_and_each_thing_has_its_own() -> None:
    assert readings() == readings()
    assert readings()["channels"] != readings(name="mill")["channels"]
    assert readings()["channels"] != readings(t=BEGIN + 60)["channels"]
    assert list(readings("patient", channels=["heart_bpm"])["channels"]) == ["heart_bpm"]


def test_granted_computing_bounds_the_rate_the_quantity_and_the_cost() -> None:
    params = {"seconds": 60, "rate_hz": 200, "t": BEGIN}
    slow, fast = (ask(read, params, computing_mcores=mcores) for mcores in (10, 400))
    assert (slow.info["rate_hz"], fast.info["rate_hz"]) == (5.0, 200.0)
    assert fast.info["samples"] + fast.info["dropped"] == 48_000
    assert fast.quantity == math.ceil(fast.info["samples"] / 100)
    assert 30 * slow.quantity < fast.quantity
    dear = cpu_seconds(lambda: ask(read, params, computing_mcores=400))
    assert dear > 4 * cpu_seconds(lambda: ask(read, params, computing_mcores=10))


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"kind": "volcano"}, "kind"),
        ({"channels": ["heart_bpm"]}, "channels"),
        ({"seconds": 0}, "seconds"),
        ({"rate_hz": "often"}, "rate_hz"),
        ({"name": ""}, "name"),
        ({"t": -1}, "t"),
    ],
)
def test_bad_sensor_calls_are_refused_by_name(params: dict[str, Any], named: str) -> None:
    with pytest.raises(BadCall, match=named):
        ask(read, params)


@pytest.mark.parametrize("kind", KINDS)
def test_the_twin_is_nearer_to_the_truth_than_its_sensors(kind: str) -> None:
    misses: dict[str, list[float]] = {}
    for name in map(str, range(1, 9)):
        twin = DigitalTwin()
        for minute in range(8):
            seen = readings(kind, name, BEGIN + 60 * minute)
            ask(twin.observe, {"object": name, **seen}, computing_mcores=160)
        state = value(ask(twin.state, {"object": name}))
        real = truth(kind, name, np.array([state["t"]]))
        for channel, told in state["channels"].items():
            if not faults(name, channel, state["t"] - 60, state["t"]):  # a sensor that lies now misleads any twin
                misses.setdefault(channel, []).append(told["level"] - float(real[channel][0]))
    noise = {channel.name: channel.noise for channel in KINDS[kind].channels}
    rms = {name: math.sqrt(float(np.mean(np.square(found)))) for name, found in misses.items()}
    assert all(rms[name] < 1.25 * noise[name] for name in rms)
    assert np.mean([rms[name] / noise[name] for name in rms]) < 0.8


def test_fidelity_falls_with_age_and_says_what_the_truth_confirms() -> None:
    twin = DigitalTwin()
    last = follow(twin)
    now, late, lost = (value(ask(twin.state, {"object": "lathe", "t": last + age})) for age in (0, 10, 300))
    assert now["fidelity"] > 0.95
    assert now["fidelity"] > late["fidelity"] > lost["fidelity"]
    assert lost["fidelity"] < 0.1
    assert (now["age_s"], late["age_s"], lost["age_s"]) == (0.0, 10.0, 300.0)
    for state, bound in ((now, 4), (late, 4)):
        real = truth("machine", "lathe", np.array([state["t"]]))
        for name, told in state["channels"].items():
            assert abs(told["level"] - float(real[name][0])) < bound * told["sigma"]
    assert late["channels"]["temperature_c"]["sigma"] > now["channels"]["temperature_c"]["sigma"]
    assert now["channels"]["temperature_c"]["rmse"] < 1.0


def test_granted_computing_makes_the_twin_truer_and_dearer() -> None:
    def rms(mcores: int) -> float:
        errors = []
        for name in ("1", "2", "3"):
            twin = DigitalTwin()
            for minute in range(10):
                seen = readings("street", name, BEGIN + 60 * minute)
                ask(twin.observe, {"object": name, **seen}, computing_mcores=mcores)
                state = value(ask(twin.state, {"object": name}))
                real = truth("street", name, np.array([state["t"]]))
                errors += [c["level"] - float(real[n][0]) for n, c in state["channels"].items()]
        return math.sqrt(float(np.mean(np.square(errors))))

    assert rms(240) < 0.8 * rms(20)
    assert (filters_for(20), filters_for(240), filters_for(10_000)) == (1, 12, 12)
    seen = readings(rate_hz=10)
    dear, cheap = (
        cpu_seconds(lambda mcores=mcores: ask(DigitalTwin().observe, {"object": "a", **seen}, computing_mcores=mcores))  # type: ignore[misc]
        for mcores in (240, 20)
    )
    assert dear > 2.5 * cheap
    assert ask(DigitalTwin().observe, {"object": "a", **seen}).quantity > 20


def test_a_spike_is_rejected_and_a_leap_is_followed() -> None:
    twin = DigitalTwin()

    def tell(t: float, *levels: float) -> Any:
        moments = [t + n for n in range(len(levels))]
        channels = {"x": {"values": list(levels), "variance": 0.01}}
        return value(ask(twin.observe, {"object": "a", "t": moments, "channels": channels}))["channels"]["x"]

    tell(0, *[5.0 + 0.1 * (-1) ** n for n in range(30)])
    spiked = tell(30, 500.0)
    assert spiked["rejected"] == 1
    assert spiked["level"] == pytest.approx(5.0, abs=0.3)
    assert tell(31, 5.0)["level"] == pytest.approx(5.0, abs=0.3)
    leapt = tell(32, *[80.0] * 8)
    assert leapt["level"] == pytest.approx(80.0, abs=0.3)
    assert leapt["rejected"] == 5


def test_gaps_in_a_channel_are_passed_over() -> None:
    channels = {"x": {"values": [1.0, None, 1.0]}, "y": {"values": [None, None, None]}}
    told = ask(DigitalTwin().observe, {"object": "a", "t": [1, 2, 3], "channels": channels})
    assert told.info["readings"] == 2
    assert list(value(told)["channels"]) == ["x"]


def test_tenants_twins_are_apart_and_can_be_forgotten() -> None:
    twin = DigitalTwin()
    follow(twin, minutes=1)
    with pytest.raises(NotThere, match="lathe"):
        ask(twin.state, {"object": "lathe"}, tenant="2")
    ask(twin.observe, {"object": "lathe", "t": [1], "channels": {"x": {"values": [7]}}}, tenant="2")
    assert list(value(ask(twin.state, {"object": "lathe"}, tenant="2"))["channels"]) == ["x"]
    twin.forget("2")
    with pytest.raises(NotThere):
        ask(twin.state, {"object": "lathe"}, tenant="2")
    assert value(ask(twin.state, {"object": "lathe"}))["fidelity"] > 0


def test_a_share_has_so_many_twins() -> None:
    twin = DigitalTwin()
    one = {"t": [1], "channels": {"x": {"values": [7]}}}
    for number in range(64):
        ask(twin.observe, {"object": str(number), **one})
    with pytest.raises(OverGrant, match="64"):
        ask(twin.observe, {"object": "another", **one})


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"t": [1], "channels": {"x": {"values": [1]}}}, "object"),
        ({"object": "a", "t": [], "channels": {"x": {"values": []}}}, "t is"),
        ({"object": "a", "t": [1], "channels": {}}, "channels"),
        ({"object": "a", "t": [1, 2], "channels": {"x": {"values": [1]}}}, "values"),
        ({"object": "a", "t": [1], "channels": {"x": {"values": ["hot"]}}}, "x"),
        ({"object": "a", "t": [1], "channels": {"x": {"values": [1], "variance": 0}}}, "variance"),
        ({"object": "a", "t": [1], "channels": {"x": [1]}}, "x is"),
    ],
)
def test_bad_readings_are_refused_by_name(params: dict[str, Any], named: str) -> None:
    with pytest.raises(BadCall, match=named):
        ask(DigitalTwin().observe, params)
