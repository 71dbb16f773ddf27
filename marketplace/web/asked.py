"""What a request document asks for, as a person reads it: labels, values, units. Pure; for pages that show one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marketplace.web.words import duration, isolation, plain

LABELS = {
    "service": "Service",
    "scenario": "Scenario",
    "users": "Users",
    "isolation": "Isolation",
    "access": "Entering the network at",
    "immersion_floor": "Immersion of each, at least",
    "rate_mbps": "Rate for each, at least",
    "latency_ms": "Answers within",
    "reliability": "Answers that must come, at least",
    "fidelity_floor": "Fidelity of the twin, at least",
    "update_rate_hz": "Updates of the twin",
    "objects": "To be looked at",
    "things": "Things to mirror",
    "when": "When",
    "duration_s": "For how long",
    "device": "Device",
    "budget": "Budget",
}
UNITS = {"rate_mbps": "Mb/s", "latency_ms": "ms", "update_rate_hz": "a second", "budget": "MAAS"}


def facts(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(label, value) of everything in a request document but its schema, in the document's order."""
    flat = {**document, **(document.get("qoe") or {})}
    return [(label(name), value(name, held)) for name, held in flat.items() if name not in ("schema", "qoe")]


def label(field: str) -> str:
    return LABELS.get(field, plain(field).capitalize())


def value(field: str, held: Any) -> str:
    """A field's value with its unit, as a person writes it."""
    if field == "isolation":
        return isolation(held)
    if field == "duration_s":
        return duration(round(held))
    if field == "reliability":
        return f"{100 * held:g} %"
    if field == "objects":
        return _objects(held if isinstance(held, list) else [held])
    if isinstance(held, list):
        return ", ".join(plain(str(each)) for each in held)
    return f"{plain(str(held))} {UNITS.get(field, '')}".strip()


FILTERS = {"asked_label": label, "asked_value": lambda held, field: value(field, held)}


def _objects(held: list[Any]) -> str:
    numbers = ", ".join(str(each["object"]) for each in held)
    return f"object{'' if len(held) == 1 else 's'} {numbers}"
