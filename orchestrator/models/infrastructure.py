"""Infrastructure: tells what the site that supplies computing, memory and storage really has, measured here and now.

capacity {"seconds": 0.01..1}: cores, memory, disk, and the speed of one core by hashing for that long. The grant of the
instance is what it supplies to the pool: `carries` is what this host really carries of it, `lacks` what it does not
have (a devnet's sites are larger than its machine). Quantity: hundredths of a second that were measured.
"""

import math
import os
import time
from hashlib import sha256
from pathlib import Path

from orchestrator.models.serving import Answer, Grant, Program, Request, json_answer, run

BLOCK = bytes(1 << 16)
MEMINFO = Path("/proc/meminfo")


def capacity(request: Request) -> Answer:
    seconds = request.number("seconds", 0.02, 0.01, 1.0)
    disk = os.statvfs("/usr")
    cores, speed = len(os.sched_getaffinity(0)), hash_speed(seconds)
    there = {"computing_mcores": 1000 * cores, "storage_mib": disk.f_bavail * disk.f_frsize >> 20}
    carries = carried(request.grant, there)
    value = {
        "cores": cores,
        "load": round(os.getloadavg()[0], 2),
        **memory(MEMINFO.read_text()),
        "disk_free_mib": there["storage_mib"],
        "hash_mib_per_s": round(speed, 1),
        "supplies": dict(request.grant),
        "carries": {**carries, "hash_mib_per_s": round(speed * carries["computing_mcores"] / 1000, 3)},
        "lacks": lacking(request.grant, there),
    }
    return json_answer(value, math.ceil(round(seconds * 100, 6)), {"measured_s": seconds})


def carried(grant: Grant, there: Grant) -> Grant:
    """Of what is there, as much as is granted; all of what nobody granted."""
    return {name: min(grant.get(name, amount), amount) for name, amount in there.items()}


def lacking(grant: Grant, there: Grant) -> Grant:
    """What is granted and not there."""
    return {name: grant[name] - amount for name, amount in there.items() if grant.get(name, 0) > amount}


def hash_speed(seconds: float) -> float:
    """MiB of SHA-256 a second of this thread's own time."""
    blocks, start = 0, time.thread_time()
    while time.thread_time() - start < seconds:
        sha256(BLOCK).digest()
        blocks += 1
    return blocks * len(BLOCK) / (1 << 20) / (time.thread_time() - start)


def memory(meminfo: str) -> dict[str, int]:
    """MiB, from the text of /proc/meminfo."""
    kib = {line.split(":")[0]: int(line.split()[1]) for line in meminfo.splitlines() if ":" in line}
    return {"memory_mib": kib["MemTotal"] >> 10, "memory_free_mib": kib.get("MemAvailable", kib["MemFree"]) >> 10}


def build() -> Program:
    return Program("infrastructure", {"capacity": capacity})


if __name__ == "__main__":
    run(build())
