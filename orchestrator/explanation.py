"""Why a subscription's service stands as it stands: one document of all kept decisions, and what would make a refused
one feasible, in words.

Used by the API's `GET /decisions/{subscription}`. Pure: rows and the functions' answers in, JSON out; it decides
nothing and asks nobody.
"""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

from orchestrator.qoe.immersion import FULL_RATE_BPS
from orchestrator.store import Row

WORDS: Mapping[str, str] = {
    "computing_mcores": "mcores of computing",
    "bandwidth_mbps": "Mb/s of bandwidth",
    "protocol_stack_sessions": "sessions of protocol stack",
    "rendering_k": "K of rendering",
    "storage_mib": "MiB of storage",
    "spectrum_mhz": "MHz of spectrum",
}
"""Resource → how people call so much of it."""

FULL_RATE_MBPS = FULL_RATE_BPS // 1_000_000
"""Beyond this the rate adds nothing to immersion."""
_BY_CODE: Mapping[str, str] = {
    "document_missing": "put the request document before the activation deadline, and buy anew",
    "deadline_passed": "buy anew: the activation deadline had passed",
    "sandbox_unavailable": "let the provider's host run sandboxes (bubblewrap), and buy anew",
    "start_failed": "choose another service, or buy anew once its owner has repaired the model",
    "no_agreement": "ask again: others were faster every time",
    "released_meanwhile": "buy anew: this subscription was being released",
    "share_draining": "wait for the end of the release, then buy anew",
    "malformed_request": "correct the request document, and buy anew",
    "malformed_document": "put the very bytes that were ordered, and buy anew",
    "service_mismatch": "ask for the service and the scenario that the plan sells",
}
"""Code of a refusal → what to do where no resource, latency or degree was missing."""

Json = Mapping[str, Any]


def explanation(
    row: Row,
    translated: Sequence[Json],
    offers: Sequence[Json],
    updates: Sequence[Json] = (),
    repacks: Sequence[Json] = (),
    moves: Sequence[Json] = (),
) -> dict[str, Any]:
    """Steps I to III with their candidates, the rounds of offers, the moves of its share and MSI, the repacks that
    moved its models, the refusal and what would make it feasible."""
    outcome = row["outcome"]
    refusal = outcome.get("refusal")
    decision = outcome.get("decision") or (refusal or {}).get("decision")
    requirements = _in_force(translated, updates)
    return {
        "subscriptionId": row["subscription_id"],
        "planId": row["plan_id"],
        "state": row["state"],
        "chainStatus": row["chain_status"],
        "waiting": outcome.get("waiting"),
        "requirements": requirements,
        "decision": decision,
        "offers": list(offers),
        "updates": list(updates),
        "repacks": list(repacks),
        "moves": list(moves),
        "refusal": None if refusal is None else {name: refusal[name] for name in refusal if name != "decision"},
        "feasibleIf": [] if refusal is None else feasible_if(refusal, requirements),
        "times": row["times"],
    }


def _in_force(translated: Sequence[Json], updates: Sequence[Json]) -> Any:
    """What the service runs by: the newest accepted update's requirements, else the purchase's own."""
    accepted = [one for one in updates if one["state"] == "accepted"]
    key = f"{accepted[-1]['subscriptionId']}:update:{accepted[-1]['revision']}" if accepted else ""
    kept = [
        one["requirements"] for one in translated if one["key"] == key or (not key and ":update:" not in one["key"])
    ]
    return kept[-1] if kept else None


def feasible_if(refusal: Json, requirements: Json | None) -> list[str]:
    """The least change that would have made the request feasible, a sentence each. A counter-offer of MMF's is enough
    by itself, of the others all together."""
    needed: Mapping[str, Sequence[Json]] = refusal.get("needed") or {}
    lacks = [lack for some in needed.values() for lack in some]
    sentences = [
        *(_countered(one) for one in refusal.get("counters") or ()),
        *_latency(lacks, requirements),
        *_reliability(lacks),
        *_immersion(lacks, requirements),
        *_resources(lacks, requirements),
        *(said for role, some in needed.items() for lack in some if (said := _other(role, lack))),
    ]
    known = _BY_CODE.get(str(refusal.get("code", "")))
    return sentences or ([known] if known else [])


def _countered(change: Json) -> str:
    """What MMF found that it could do, with its own counter-offer as proof."""
    asked, offered = change["asked"], change["offered"]
    match change["name"]:
        case "isolation":
            what = f"buy the plan of isolation {offered} instead of {asked}"
        case "access":
            what = f"enter at {offered} instead of {asked}"
        case _:
            what = f"ask for {offered:,} Mb/s in all instead of {asked:,}"
    return f"{what}: that alone would have done"


def _latency(lacks: Sequence[Json], requirements: Json | None) -> list[str]:
    """A role's part of the latency is in proportion to the whole: so is what the whole must grow to."""
    short = [lack for lack in lacks if lack["kind"] == "latency" and float(lack["available"]) > 0]
    if not short:
        return []
    factor = max(float(lack["needed"]) / float(lack["available"]) for lack in short)
    asked = float(requirements["qoe"]["latency_ms"]) if requirements else float(short[0]["available"])
    return [f"ask for at most {ceil(asked * factor * 1000 - 1e-6) / 1000:g} ms of latency instead of {asked:g} ms"]


def _reliability(lacks: Sequence[Json]) -> list[str]:
    """One sentence, whichever roles it was found in: the service's reliability is that of all roles together."""
    short = [lack for lack in lacks if lack["kind"] == "reliability"]
    if not short:
        return []
    most, asked = min(float(lack["available"]) for lack in short), float(short[0]["needed"])
    return [f"ask for a reliability of at most {most:.6g} instead of {asked:.9g}"]


def _immersion(lacks: Sequence[Json], requirements: Json | None) -> list[str]:
    """Immersion grows with the rate, up to where the rate counts no more."""
    short = next((lack for lack in lacks if lack["kind"] == "immersion"), None)
    if short is None:
        return []
    most, asked = float(short["available"]), float(short["needed"])
    if not most:
        return ["leave immersion_floor out: nothing of the service renders"]
    said = [f"ask for an immersion floor of at most {most:g} instead of {asked:g}"]
    rate = ceil(float(requirements["qoe"]["rate_mbps"]) * asked / most) if requirements else FULL_RATE_MBPS + 1
    return said + ([f"in place of that: ask for at least {rate:,} Mb/s"] if rate <= FULL_RATE_MBPS else [])


def _resources(lacks: Sequence[Json], requirements: Json | None) -> list[str]:
    missing: dict[str, int] = {}
    for lack in lacks:
        if lack["kind"] == "resource" and lack["name"] in WORDS:
            amount = int(lack["needed"]) - int(lack["available"])
            missing[lack["name"]] = missing.get(lack["name"], 0) + amount
    said = [f"1 more site with {amount:,} {WORDS[name]}, or as much set free" for name, amount in missing.items()]
    rates = [lack for lack in lacks if lack["name"] == "bandwidth_mbps" and lack["kind"] == "resource"]
    if rates and requirements:
        most = min(int(lack["available"]) for lack in rates) // int(requirements["users"])
        if most > 0:
            said.append(f"in place of the bandwidth: ask for at most {most:,} Mb/s a user")
    return said


def _other(role: str, lack: Json) -> str:
    match lack["kind"]:
        case "isolation":
            return f"ask for isolation {_degrees(str(lack['available']))}: {role} offers no other"
        case "shares" | "state":
            return (
                f"wait until a share of {role} is released, or add an instance ({lack['name']} is {lack['available']})"
            )
        case "model":
            return f"{role}: {lack['needed']} for the model {lack['name']}"
        case "resource" if lack["name"] not in WORDS:
            return f"{role}: {lack['name']} of at most {lack['available']} instead of {lack['needed']}"
    return ""


def _degrees(available: str) -> str:
    return available if available.startswith("degree") else "degree " + available.replace(", ", " or ")
