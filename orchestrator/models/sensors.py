"""Sensors: the readings that sensors on a machine, a patient or a street give, with noise, drift and faults.

read {"kind": "machine"|"patient"|"street", "name", "t": UTC seconds, "seconds": 0.1..60, "rate_hz": 0.1..200,
      "channels": [names; all where none is named]}
The things are simulated (`things.py`), the same for whoever looks; each sensor errs in its own way: white noise, slow
drift, and now and then, for some seconds, a fault (stuck, spikes, bias, dropout: null) that it does not confess.
Rate: at most SAMPLES_PER_MCORE samples a second per granted millicore and SAMPLES_PER_SESSION per granted session of
the protocol stack that carries them, over all channels. Quantity: hundred samples delivered.
"""

import math
from dataclasses import dataclass

import numpy as np

from orchestrator.models.errors import BadCall
from orchestrator.models.serving import Answer, Program, Request, json_answer, run
from orchestrator.models.things import KINDS, Array, Channel, chances, truth

DEFAULT_MCORES = 40
DEFAULT_SESSIONS = 2
SAMPLES_PER_MCORE, SAMPLES_PER_SESSION = 2.0, 400.0
FAULT_WINDOW_S = 600.0
FAULT_CHANCE = 0.2
FAULTS = ("stuck", "spikes", "bias", "dropout")
SPIKE_CHANCE = 0.1


@dataclass(frozen=True)
class Fault:
    """What ails a sensor from `begin` to `end` (UTC seconds)."""

    kind: str
    begin: float
    end: float


def read(request: Request) -> Answer:
    kind, name = request.choice("kind", *KINDS), request.text("name", "1")
    begin, seconds = request.number("t", 0.0, 0.0, 1e11), request.number("seconds", 1.0, 0.1, 60.0)
    channels = _channels(kind, request)
    rate = min(request.number("rate_hz", 10.0, 0.1, 200.0), max(_most(request) / len(channels), 0.1))
    count = max(math.floor(seconds * rate + 1e-9), 1)
    t = begin + np.arange(count) / rate
    real = truth(kind, name, t)
    sensed = {channel.name: sense(name, channel, t, real[channel.name]) for channel in channels}
    value = {
        "kind": kind,
        "name": name,
        "t": [round(moment, 4) for moment in t.tolist()],
        "channels": {
            channel.name: {
                "unit": channel.unit,
                "variance": round(channel.noise**2, 8),
                "values": [None if math.isnan(number) else round(number, 5) for number in sensed[channel.name]],
            }
            for channel in channels
        },
    }
    delivered = sum(int(np.isfinite(values).sum()) for values in sensed.values())
    info = {"rate_hz": round(rate, 4), "samples": delivered, "dropped": count * len(channels) - delivered}
    return json_answer(value, max(math.ceil(delivered / 100), 1), info)


def sense(name: str, channel: Channel, t: Array, real: Array) -> Array:
    """What the sensor tells of the truth; nan where it tells nothing. The same for the same moments."""
    source = np.random.default_rng([*(int(256 * part) for part in chances(name, channel.name)), int(t[0] * 1000)])
    drift = channel.drift * np.sin(math.tau * (t / 86_400 + chances("drift", name, channel.name)[0]))
    told = np.asarray(real + drift + source.normal(0, channel.noise, t.size))
    spikes = source.random(t.size) < SPIKE_CHANCE
    for fault in faults(name, channel.name, float(t[0]), float(t[-1])):
        ill = (t >= fault.begin) & (t < fault.end)
        if not ill.any():
            continue
        match fault.kind:
            case "stuck":
                told[ill] = told[ill][0]
            case "spikes":
                told[ill & spikes] += 40 * channel.noise
            case "bias":
                told[ill] += 8 * channel.noise
            case _:
                told[ill] = np.nan
    return told


def faults(name: str, channel: str, begin: float, end: float) -> list[Fault]:
    """The faults that touch this time: at most one in each window of ten minutes."""
    found = []
    for window in range(int(begin // FAULT_WINDOW_S), int(end // FAULT_WINDOW_S) + 1):
        ill, which, start, length, *_ = chances("fault", name, channel, window)
        if ill < FAULT_CHANCE:
            at = window * FAULT_WINDOW_S + start * (FAULT_WINDOW_S - 60)
            found.append(Fault(FAULTS[int(which * len(FAULTS))], at, at + 5 + 50 * length))
    return [fault for fault in found if fault.end > begin and fault.begin <= end]


def _most(request: Request) -> float:
    """Samples a second."""
    made = request.granted("computing_mcores", DEFAULT_MCORES) * SAMPLES_PER_MCORE
    return min(made, request.granted("protocol_stack_sessions", DEFAULT_SESSIONS) * SAMPLES_PER_SESSION)


def _channels(kind: str, request: Request) -> list[Channel]:
    known = {channel.name: channel for channel in KINDS[kind].channels}
    asked = request.listed("channels", 0, len(known)) or list(known)
    if not all(isinstance(name, str) and name in known for name in asked):
        raise BadCall(f"channels must be some of {', '.join(known)}: what a {kind} has")
    return [known[name] for name in dict.fromkeys(asked)]


def build() -> Program:
    return Program("sensors", {"read": read})


if __name__ == "__main__":
    run(build())
