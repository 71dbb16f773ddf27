"""What a request says of isolation and quality: numbers with units first, else strong words by a stated scale.

Each rule is a pattern and what follows from it. The scale of words is our reading: the requests of msmf/examples ask
for these values.
"""

import re
from collections.abc import Callable
from typing import Any

from orchestrator.intent.found import Found, compiled, number

Rule = tuple[str, re.Pattern[str], Callable[[re.Match[str]], Any]]
PART = r"(?P<part>\d{1,9}(?:[.,]\d{1,6})?)"
"""a part of one, in percent or not"""
LATENCY_MS = {"ar_vr": 1.5, "digital_twin": 10}
"""of those who only say that it must be low: Table I's figure; of twins that of msmf/examples"""


def _always(value: Any) -> Callable[[re.Match[str]], Any]:
    return lambda _: value


def _part(match: re.Match[str]) -> float:
    """`95 %` or `0.95` → 0.95."""
    value = number(match["part"])
    return round(value / 100 if value > 1 else value, 6)


def _hertz(match: re.Match[str]) -> int:
    return max(1, round(number(match["hz"])))


def _rate(match: re.Match[str]) -> int:
    scale = {"k": 0.001, "m": 1, "g": 1000}[match["scale"].lower()]
    return max(1, round(number(match["rate"]) * scale))


ISOLATION: tuple[Rule, ...] = (
    ("within", compiled(r"(?:within|inside) (?:our|my|the) (?:own )?(?:company|group|department|organi[sz]ation|"
                        r"team|cluster|hospital|university|school)(?: only| is enough)?|(?:logical|cluster) isolation"),
     _always(1)),
    ("shared", compiled(r"shar(?:ed|ing)(?: \w+){0,2} (?:is|are|ok|okay|fine)(?: ok| okay| fine)?|"
                        r"(?:don't|do not|dont) mind sharing|happy to share"), _always(0)),
    ("alone", compiled(r"private(?:ly)?|dedicated|confidential|isolated|exclusive(?:ly)?|secret|closed to others|"
                       r"(?:nobody|no one|noone|no-one|no strangers|don't want strangers)(?: else| outside| there)?|"
                       r"(?:just|only) for us|for us only|only for the family|own (?:servers?|hardware|machines?|"
                       r"instance|area|sandbox|resources)|not mixed with \w+|don'?t want \w+ mixed with \w+ \w+|"
                       r"(?:share .{0,25} with no|no) competitors?|single[- ]tenant|"
                       r"separate (?:servers?|hardware|machines?)"),
     _always(2)),
)  # fmt: skip
RATE: tuple[Rule, ...] = (
    ("rate", compiled(r"(?P<rate>NUM) ?(?P<scale>[kmg])(?:ega|iga|ilo)?"
                      r"(?:bits?/s|bps|b/s|bits? (?:per|a) second|bits?)"),
     _rate),
)  # fmt: skip
UPDATE: tuple[Rule, ...] = (
    ("hertz", compiled(r"(?P<hz>NUM) ?(?:hz|hertz)"), _hertz),
    ("times a second", compiled(r"(?P<hz>NUM) (?:times|updates?|samples?|readings?|x)? ?"
                                r"(?:per|a|each|every|/) ?(?:second|sec|s)"),
     _hertz),
    ("twice a second", compiled(r"twice (?:a|per|each|every) second"), _always(2)),
    ("every so many ms", compiled(r"every (?P<ms>NUM) ?(?:ms|milliseconds?)"),
     lambda match: max(1, round(1000 / number(match["ms"])))),
    ("every second", compiled(r"(?:every|each|once a|once per|once every) (?:second|sec)"), _always(1)),
)  # fmt: skip
LATENCY: tuple[Rule, ...] = (
    ("latency", compiled(r"(?<!every )(?:(?:under|below|less than|at most|max(?:imum)?|within|<) ?)?(?P<ms>NUM) ?"
                         r"(?:ms|milliseconds?|msec)(?: max)?"), lambda match: number(match["ms"])),
)  # fmt: skip
LOW_LATENCY = compiled(
    r"(?:no|zero|without|minimal|lowest possible|lowest|ultra[- ]?low|super low|very low|low) (?:any )?"
    r"(?:lag|latency|delay|ping)|lag[- ]?free|(?:latency|delay|lag|ping) (?:must|should|has to|needs to) be "
    r"(?:low|minimal)|(?:fast|quick|instant) reactions?(?: needed)?|instantly responsive|low[- ]latency"
)
RELIABILITY: tuple[Rule, ...] = (
    ("reliable part", compiled(rf"{PART} ?%? ?(?:uptime|availability|available|reliability|reliable)"), _part),
    ("reliable part", compiled(rf"(?:uptime|availability|reliability)(?: of| at least| ≥|:)? ?{PART} ?%?"), _part),
    ("reliable", compiled(r"(?:must|may|should|can|could) ?(?:never|not|n't) (?:ever )?(?:fail|break|break down|"
                          r"go down|drop|stop|crash)(?: down| out)?|never fails?|don'?t fail(?: us)?|must hold|"
                          r"absolutely reliable|reliable|24/7|always (?:on|available)|"
                          r"(?:no|without) (?:outages?|downtimes?|dropouts?)"),
     _always(0.999)),
)  # fmt: skip
IMMERSION: tuple[Rule, ...] = (
    ("immersion", compiled(r"immersion(?: floor)?(?: of| at least| above| ≥|:)? (?P<n>\d{1,9}(?:\.\d{1,6})?)"),
     lambda match: number(match["n"])),
    ("highest", compiled(r"(?:fully|totally|deeply) immersive|as (?:immersive|real|realistic|lifelike) as "
                         r"(?:\w+ ){0,2}\w+|photo-?realistic|breath-?taking|wow factor|most realistic|"
                         r"ultra realistic|hyper-?realistic|"
                         r"best (?:possible )?(?:graphics|quality|picture)"), _always(0.5)),
    ("good", compiled(r"(?:very )?(?:sharp|crisp|crystal clear|high quality|good graphics|high[- ]res(?:olution)?|"
                      r"great graphics|4k|hd)"), _always(0.3)),
    ("low", compiled(r"(?:simple|basic|low|plain) (?:graphics|quality|picture)|quality (?:does not|doesn't) matter"),
     _always(0.1)),
)  # fmt: skip
FIDELITY: tuple[Rule, ...] = (
    ("fidelity", compiled(rf"{PART} ?(?:%|percent)? (?:fidelity|accura\w+|exact\w*|precis\w+)"), _part),
    ("fidelity", compiled(rf"(?:fidelity|accuracy|accurate|precision)(?: of| to| at least| ≥|:)* {PART} ?%?"), _part),
    ("exact", compiled(r"as (?:exact|precise|accurate|faithful) as possible|very (?:exact|precise|accurate)|"
                       r"(?:exact|precise|accurate) (?:model|copy|replica|twin)|"
                       r"high(?:est)? (?:fidelity|accuracy|precision)"),
     _always(0.95)),
    ("rough", compiled(r"rough(?:ly)?(?: \w+)?(?: (?:is|are))? (?:enough|okay|ok|fine|suffices?|will do)|"
                       r"approximate(?:ly)?"),
     _always(0.7)),
)  # fmt: skip


LIMITS: dict[str, Callable[[float], bool]] = {
    "users": lambda value: 1 <= value <= 64,
    "rate_mbps": lambda value: 1 <= value <= 1_000_000,
    "latency_ms": lambda value: 0 < value <= 10_000,
    "reliability": lambda value: 0 < value <= 1,
    "fidelity_floor": lambda value: 0 <= value < 1,
    "update_rate_hz": lambda value: 1 <= value <= 1000,
}
"""What a request document may hold (s4m/request/2)."""


def can_be_held(found: Found) -> bool:
    """Whether a request document can hold the value."""
    return found.field not in LIMITS or LIMITS[found.field](found.value)


def isolation(text: str) -> Found | None:
    return _first("isolation", ISOLATION, text)


def qualities(text: str, service_type: str) -> list[Found]:
    """The members of `qoe` that a service of this type has and that the text speaks of."""
    of_type = (
        [("immersion_floor", IMMERSION)]
        if service_type == "ar_vr"
        else [("fidelity_floor", FIDELITY), ("update_rate_hz", UPDATE)]
    )
    rules = [("rate_mbps", RATE), ("latency_ms", LATENCY), ("reliability", RELIABILITY), *of_type]
    found = {name: _first(name, some, text) for name, some in rules}
    low = LOW_LATENCY.search(text)
    if found["latency_ms"] is None and low:
        value = LATENCY_MS[service_type]
        found["latency_ms"] = Found("latency_ms", value, low.start(), low.end(), "latency_ms: low")
    return [one for one in found.values() if one is not None]


def _first(field: str, rules: tuple[Rule, ...], text: str) -> Found | None:
    """By the first rule that matches."""
    for name, pattern, value in rules:
        match = pattern.search(text)
        if match:
            return Found(field, value(match), match.start(), match.end(), f"{field}: {name}")
    return None
