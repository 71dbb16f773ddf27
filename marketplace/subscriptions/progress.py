"""How a purchase got on, as events in order: of the chain, of the management functions, states with reasons. Pure.

`told` makes them of what the tables and the orchestrator say now; a `Mark` says how much a reader knows. Facts only
come behind those that were told, so a mark is two numbers: how far in the chain, how far in the service's own times.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from marketplace.answers import ActivityAnswer, ProgressEvent, ServiceSide
from marketplace.errors import MalformedCursor
from marketplace.places import BEGINNING, Place

WORDS = {
    "final": ("step", "The purchase is final on the chain."),
    "preparing": ("state", "The orchestrator took it up."),
    "stepI": ("step", "Step I: MSMF made service requirements of the request."),
    "planning": ("state", "VMOF and MMF look for a place."),
    "stepII": ("step", "Step II: VMOF gave it a place in a Metaverse service instance."),
    "stepIII": ("step", "Step III: MMF chose and started models and resources."),
    "running": ("state", "The service runs and waits for the session key's activation."),
    "submitted": ("step", "The activation was sent to the chain."),
    "active": ("state", "The service is active: time and use count."),
    "updated": ("step", "The running request was changed."),
    "refused": ("state", "The service was refused."),
    "decommissioned": ("state", "The service has ended."),
}
"""What the orchestrator's times are called, in the order of a service's life: (kind, words)."""
_MARK = re.compile(r"(\d{1,15}\.-?\d{1,9})~(\d{1,15})", re.ASCII)


@dataclass(frozen=True)
class Mark:
    """Which events a reader has had: those of the chain up to `chain`, the service's up to `service_ms`."""

    chain: Place = BEGINNING
    service_ms: int = 0

    @classmethod
    def parse(cls, text: str) -> Mark:
        """The mark that `str` wrote; raises `MalformedCursor`."""
        found = _MARK.fullmatch(text)
        if found is None:
            raise MalformedCursor(f"{text[:40]!r} is no id of this stream.", remedy="Send Last-Event-ID as it came.")
        block, log = found[1].split(".")
        return cls(Place(int(block), int(log)), int(found[2]))

    def __str__(self) -> str:
        return f"{self.chain}~{self.service_ms}"


def told(
    chain: Sequence[ActivityAnswer], service: ServiceSide, known: Mark = Mark()
) -> list[tuple[Mark, ProgressEvent]]:
    """The events that a reader with this mark has not had, in order, each with the mark after it.

    Two of the same millisecond share a mark only once both were told: a stream cut between them sends the first again.
    """
    news: list[tuple[int, Place | None, ProgressEvent]] = []
    for event in chain:
        place = Place.parse(event["place"])
        if place > known.chain:
            news.append((event["at"] * 1000, place, _of_chain(event)))
    news += [(one["atMs"], None, one) for one in _of_service(service) if one["atMs"] > known.service_ms]
    return list(_marked(sorted(news, key=lambda one: one[0]), known))


def _marked(
    news: Sequence[tuple[int, Place | None, ProgressEvent]], mark: Mark
) -> Iterable[tuple[Mark, ProgressEvent]]:
    last_of_ms = {at: index for index, (at, place, _) in enumerate(news) if place is None}
    for index, (at, place, event) in enumerate(news):
        if place is not None:
            mark = replace(mark, chain=place)
        elif last_of_ms[at] == index:
            mark = replace(mark, service_ms=at)
        yield mark, event


def _of_chain(event: ActivityAnswer) -> ProgressEvent:
    return {
        "kind": "chain",
        "name": event["name"],
        "atMs": event["at"] * 1000,
        "words": f"On the chain: {event['name']}, block {event['blockNumber']}.",
        "detail": {"txHash": event["txHash"], **event["fields"]},
    }


def _of_service(service: ServiceSide) -> list[ProgressEvent]:
    """In the order of a service's life. A time before its predecessor's is of an earlier attempt and left out."""
    times: Mapping[str, int] = service.get("times") or {}
    found: list[ProgressEvent] = []
    last = 0
    for name, (kind, words) in WORDS.items():
        at = int(times.get(name, 0))
        if at and at >= last:
            last = at
            found.append({"kind": kind, "name": name, "atMs": at, "words": words, "detail": _detail(name, service)})  # type: ignore[typeddict-item]
    return found


def waiting(service: ServiceSide) -> ProgressEvent | None:
    """Why the next attempt is waited for, where it is."""
    why: Any = service.get("waiting")
    if not isinstance(why, dict):
        return None
    at = max((service.get("times") or {}).values(), default=0)
    return {"kind": "waiting", "name": "waiting", "atMs": at, "words": str(why.get("detail", "")), "detail": why}


def _detail(name: str, service: ServiceSide) -> dict[str, Any]:
    """The reason, where there is one."""
    shown = {
        "stepII": ("msi", "reused"),
        "stepIII": ("models",),
        "running": ("endpoint", "endpointHash"),
        "refused": ("refusal",),
        "decommissioned": ("endReason",),
    }
    document: Mapping[str, Any] = service
    return {key: document.get(key) for key in shown.get(name, ()) if document.get(key) is not None}
