"""What drives the travellers: recorded traces where they are found, a seeded generator elsewhere.

Called by scripts/virtual_travel.py once per run; writes nothing. A recording has three parts: burst sizes of a VR
stream (how much picture each second asks for), a 5G trace (what the link carries) and an attention matrix (what each
traveller looks at). All three are present or none is used, so that a report never mixes the two kinds.
"""

from __future__ import annotations

import csv
import math
import random
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
OBJECT_KINDS = 56
"""Virtual objects of the beach (paper, IV-B)."""
BURSTS = ("vr/ge_tour_40mbps_60fps.csv", "vr/ge_tour_20mbps_60fps.csv")
RADIO = ("radio/static_2020-02-13.csv", "radio/driving_2019-12-16.csv", "radio/driving_2020-02-14.csv")
ATTENTION = "attention/attention_30x96.txt"
SEEN = "attention/objects_per_user.txt"
LEAST_RATE_FACTOR = 0.05
"""A recorded second without any traffic is an idle phone, not a dead link: it still carries this share of the rate."""


class DataIncomplete(Exception):
    """S4M_DATA names a folder that lacks one of the recordings."""

    def __init__(self, folder: Path, missing: list[str]) -> None:
        super().__init__(
            f"{folder} lacks {', '.join(missing)}. Point S4M_DATA (or --data) at a folder with all recordings, "
            "or unset it to travel with the seeded generator."
        )


@dataclass(frozen=True, slots=True)
class TravellerInput:
    """One traveller's world, a value a second where it is a list.

    `demand` is the picture asked for, relative to its mean (1.0); `radio` pairs the link's rate, as a factor 0..1 of
    the rate granted, with its SNR in dB; `objects` pairs an object kind (0..55) with attention (1..5).
    """

    demand: list[float]
    radio: list[tuple[float, float]]
    objects: list[tuple[int, float]]

    def to_json(self) -> dict[str, Any]:
        """The value as plain JSON, for the traveller's process."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class TravelInputs:
    """All travellers' inputs and where they came from (`kind` is `recorded` or `generated`)."""

    kind: str
    files: list[str]
    travellers: list[TravellerInput]


def travel_inputs(data: Path | None, travellers: int, seconds: int, seed: int) -> TravelInputs:
    """Inputs for so many travellers over so many seconds: recorded if `data` is given, else generated from `seed`."""
    if data is None:
        return TravelInputs(
            "generated", [], [_generated(random.Random(f"{seed}:{i}"), seconds) for i in range(travellers)]
        )
    missing = [name for name in (*BURSTS, *RADIO, ATTENTION, SEEN) if not (data / name).is_file()]
    if missing:
        raise DataIncomplete(data, missing)
    return TravelInputs("recorded", [*BURSTS, *RADIO, ATTENTION, SEEN], _recorded(data, travellers, seconds, seed))


def _recorded(data: Path, travellers: int, seconds: int, seed: int) -> list[TravellerInput]:
    bursts = [_bytes_per_second(data / name) for name in BURSTS]
    radios = [_radio_seconds(data / name) for name in RADIO]
    people = _people(data)
    return [
        TravellerInput(
            demand=_window(bursts[i % len(bursts)], seconds, random.Random(f"{seed}:burst:{i}")),
            radio=_window(radios[i % len(radios)], seconds, random.Random(f"{seed}:radio:{i}")),
            objects=people[i % len(people)],
        )
        for i in range(travellers)
    ]


def _window(series: list[T], seconds: int, rng: random.Random) -> list[T]:
    start = rng.randrange(max(1, len(series) - seconds))
    return [series[(start + k) % len(series)] for k in range(seconds)]


def _bytes_per_second(path: Path) -> list[float]:
    """A trace of (burst bytes, seconds to the next) folded into whole seconds, relative to its mean."""
    folded: list[float] = []
    clock = 0.0
    with path.open() as lines:
        for row in csv.reader(line for line in lines if not line.startswith("#")):
            while len(folded) <= int(clock):
                folded.append(0.0)
            folded[int(clock)] += float(row[0])
            clock += float(row[1])
    mean = sum(folded) / len(folded)
    return [value / mean for value in folded]


def _radio_seconds(path: Path) -> list[tuple[float, float]]:
    """(rate factor, SNR dB) a second; the factor is relative to the trace's 95th percentile of downlink rate."""
    rows: dict[str, tuple[float, float]] = {}
    with path.open() as lines:
        for row in csv.DictReader(lines):
            snr = _number(row["SNR"])
            rows[row["Timestamp"]] = (_number(row["DL_bitrate"]) or 0.0, 10.0 if snr is None else snr)
    ordered = sorted(rate for rate, _ in rows.values())
    top = ordered[int(0.95 * (len(ordered) - 1))] or 1.0
    return [(min(1.0, max(LEAST_RATE_FACTOR, rate / top)), snr) for rate, snr in rows.values()]


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _people(data: Path) -> list[list[tuple[int, float]]]:
    """Each person's objects: the recording's 96 classes folded onto our 56 kinds, the strongest attention kept."""
    matrix = [[float(x) for x in line.split()] for line in (data / ATTENTION).read_text().splitlines() if line.strip()]
    people = []
    for row, line in zip(matrix, (data / SEEN).read_text().splitlines(), strict=False):
        seen: dict[int, float] = {}
        for kind in (int(x) for x in line.split(",") if x.strip()):
            seen[kind % OBJECT_KINDS] = max(row[kind], seen.get(kind % OBJECT_KINDS, 0.0))
        people.append(sorted(seen.items()))
    return people


def _generated(rng: random.Random, seconds: int) -> TravellerInput:
    """Smooth demand, a fading link (log-normal shadowing with memory) and uniform attention, from one seed."""
    count = rng.randint(8, OBJECT_KINDS)
    kinds = sorted(rng.sample(range(OBJECT_KINDS), count))
    phase, shadow, radio = rng.uniform(0, math.tau), 0.0, []
    for _ in range(seconds):
        shadow = 0.8 * shadow + rng.gauss(0, 1.5)
        factor = min(1.0, max(LEAST_RATE_FACTOR, 0.6 * 10 ** (shadow / 20)))
        radio.append((factor, 12.0 + shadow))
    demand = [1.0 + 0.3 * math.sin(phase + k / 7) + rng.gauss(0, 0.05) for k in range(seconds)]
    return TravellerInput(demand, radio, [(kind, float(rng.randint(1, 5))) for kind in kinds])
