"""Time and frequency division: splits granted spectrum into slots and channels and gives each user its own.

schedule {"users": [{"name", "mbps", "snr_db", "weight"}, …], "mode": "both"|"time"|"frequency", "channel_mhz": 1..100,
          "slots": 1..64, "frame_ms", "seed"}
Each channel fades for each user in a way of its own (two-path fading about its mean SNR); a block of one channel and
one slot carries Shannon's rate. `time` gives whole slots, `frequency` whole channels, `both` single blocks: the finer,
the closer to what was asked for. Weighted max-min: the user that has least of what it asked gets its best free block
next. No block has two users. Channels: granted `spectrum_mhz` ÷ channel_mhz. Quantity: hundred blocks given.
"""

import heapq
import math
import random
from typing import Any

from orchestrator.models.errors import BadCall, OverGrant
from orchestrator.models.serving import Answer, Program, Request, json_answer, run

DEFAULT_SPECTRUM_MHZ = 100
MOST_USERS, MOST_SLOTS, MOST_BLOCKS = 64, 64, 20_000
Block = tuple[int, int]
"""Channel, slot."""


def schedule(request: Request) -> Answer:
    users, slots = request.parts("users", 1, MOST_USERS), request.integer("slots", 10, 1, MOST_SLOTS)
    width, mode = request.integer("channel_mhz", 5, 1, 100), request.choice("mode", "both", "time", "frequency")
    granted = request.granted("spectrum_mhz", DEFAULT_SPECTRUM_MHZ)
    channels = granted // width
    if channels == 0:
        raise OverGrant(
            f"{granted} MHz hold no channel of {width} MHz; grant more spectrum_mhz or ask for narrower ones"
        )
    if channels * slots > MOST_BLOCKS:
        raise BadCall(f"{channels * slots} blocks are too many for one frame; ask for wider channels or fewer slots")
    frame_ms = request.number("frame_ms", 10.0, 0.1, 1000.0)
    names = [user.text("name", f"user-{n + 1}") for n, user in enumerate(users)]
    if len(set(names)) < len(names):
        raise BadCall("users names a user twice; give each a name of its own")
    asked = [user.number("mbps", 10.0, 0.001, 1e6) for user in users]
    weights = [user.number("weight", 1.0, 0.01, 100.0) for user in users]
    seed = request.integer("seed", 0, 0, 2**53)
    rates = [
        block_rates(user.number("snr_db", 15.0, -20.0, 60.0), channels, width, slots, f"{seed}:{name}")
        for user, name in zip(users, names, strict=True)
    ]
    given = divide(rates, asked, weights, units(mode, channels, slots))
    told = {
        name: _told(blocks, rates[n], asked[n], frame_ms / slots)
        for n, (name, blocks) in enumerate(zip(names, given, strict=True))
    }
    count = sum(map(len, given))
    value = {"channels": channels, "slots": slots, "frame_ms": frame_ms, "users": told}
    return json_answer(value, max(math.ceil(count / 100), 1), {"blocks": channels * slots, "given": count})


def block_rates(snr_db: float, channels: int, width_mhz: int, slots: int, seed: str) -> list[float]:
    """Mb/s that one slot of each channel adds to the user's rate."""
    chance = random.Random(seed)  # noqa: S311  (physics, not secrets)
    echo, delay, turn = chance.uniform(0.2, 0.9), chance.uniform(0.02, 0.2), chance.uniform(0, math.tau)
    mean = 10 ** (snr_db / 10)
    gains = [1 + echo * echo + 2 * echo * math.cos(turn + math.tau * delay * n * width_mhz) for n in range(channels)]
    return [width_mhz * math.log2(1 + mean * gain / (1 + echo * echo)) / slots for gain in gains]


def units(mode: str, channels: int, slots: int) -> list[list[Block]]:
    """What is given away as a whole: a slot of all channels, a channel of all slots, or a block."""
    blocks = [[(channel, slot) for slot in range(slots)] for channel in range(channels)]
    match mode:
        case "time":
            return [list(column) for column in zip(*blocks, strict=True)]
        case "frequency":
            return blocks
    return [[block] for channel in blocks for block in channel]


def divide(
    rates: list[list[float]], asked: list[float], weights: list[float], pieces: list[list[Block]]
) -> list[list[Block]]:
    """Blocks of each user. A user that has what it asked for gets no more; what nobody asks for stays free."""
    worth = [[sum(own[channel] for channel, _ in piece) for piece in pieces] for own in rates]
    best = [sorted(range(len(pieces)), key=lambda n, own=own: (own[n], -n)) for own in worth]  # type: ignore[misc]
    free, had = [True] * len(pieces), [0.0] * len(rates)
    given: list[list[Block]] = [[] for _ in rates]
    queue = [(0.0, user) for user in range(len(rates))]
    while queue:
        _, user = heapq.heappop(queue)
        while best[user] and not free[best[user][-1]]:
            best[user].pop()
        if not best[user]:
            continue
        piece = best[user].pop()
        free[piece] = False
        given[user] += pieces[piece]
        had[user] += worth[user][piece]
        if had[user] < asked[user]:
            heapq.heappush(queue, (had[user] / asked[user] / weights[user], user))
    return given


def _told(blocks: list[Block], rates: list[float], asked: float, slot_ms: float) -> dict[str, Any]:
    """What a user has: rate, how much of what it asked, and runs of slots in each of its channels."""
    rate = sum(rates[channel] for channel, _ in blocks)
    first = min((slot for _, slot in blocks), default=None)
    return {
        "mbps": round(rate, 4),
        "satisfied": round(min(rate / asked, 1.0), 4),
        "first_ms": None if first is None else round(first * slot_ms, 4),
        "blocks": _runs(sorted(blocks)),
    }


def _runs(blocks: list[Block]) -> list[list[int]]:
    """[channel, first slot, last slot] of each unbroken run."""
    runs: list[list[int]] = []
    for channel, slot in blocks:
        if runs and runs[-1][0] == channel and runs[-1][2] == slot - 1:
            runs[-1][2] = slot
        else:
            runs.append([channel, slot, slot])
    return runs


def build() -> Program:
    return Program("time-frequency-division", {"schedule": schedule})


if __name__ == "__main__":
    run(build())
