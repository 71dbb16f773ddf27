"""What a request is about: things of a digital twin, objects of the beach with the attention they get."""

import re

from orchestrator.intent.found import NUMBER, Found, compiled, number
from orchestrator.models.beach.kinds import KINDS

MOST_THINGS = 64
THINGS: dict[str, str] = {
    "predictive-maintenance": "lathe|mill|milling machine|pump|press|robot|spindle|gearbox|turbine|generator|"
    "compressor|chiller|fan|valve|heat exchanger|drill|bearing|conveyor|crane|engine|oven|boiler|motor|"
    "extruder|forklift|elevator|escalator|excavator|locomotive|furnace|welder",
    "product-twin": "bracket|casing|gear wheel|gear|housing|mould|mold|die|frame|panel|blade|bumper|rim|gearbox|chair|"
    "shelf|case|sole|propeller|carton|bottle|lever|ring|valve|crankshaft|hinge|wheel|door|pump|lens|shoe|prototype",
    "patient-twin": "heart|lung|liver|kidney|brain|knee|hip|spine|leg|jaw|tooth|aorta|bed|arm|shoulder",
    "city-twin": "bridge|crossing|tunnel|viaduct|junction|river|sewer|lamp|substation|intersection|crane",
}
STRONG = re.compile(
    r"\b(?:mainly|especially|above all|most of all|love|favourite|must see|want to see)\b", re.IGNORECASE
)
ATTENTION, STRONG_ATTENTION = 4, 5
BEFORE = 40
"""how near before an object a strong word must stand, signs"""


def things(text: str, service: str) -> list[Found]:
    """The names of the physical objects; of several alike each gets a number: `pump-1`, `pump-2`."""
    if service not in THINGS:
        return []
    pattern = re.compile(rf"\b(?:({NUMBER}) (?:\w+ ){{0,2}}?)?({THINGS[service]})(?:e?s)?\b", re.IGNORECASE)
    found: dict[str, Found] = {}
    for match in pattern.finditer(text):
        noun = match[2].lower().replace(" ", "-")
        for name in _named(noun, number(match[1]) if match[1] else 1):
            found.setdefault(name, Found("things", name, match.start(), match.end(), "things: known noun"))
    return list(found.values())[:MOST_THINGS]


def _named(noun: str, count: float) -> list[str]:
    whole = int(count)
    return [noun] if whole < 2 else [f"{noun}-{each}" for each in range(1, min(whole, MOST_THINGS) + 1)]


def objects(text: str) -> list[Found]:
    """The objects of the beach that the text names, by full name, else by the first kind of that noun."""
    found: dict[int, Found] = {}
    taken: list[tuple[int, int]] = []
    for name, number_of in _names():
        for match in compiled(rf"{re.escape(name)}s?").finditer(text):
            if any(start < match.end() and match.start() < end for start, end in taken):
                continue
            taken.append(match.span())
            strong = STRONG.search(text[max(0, match.start() - BEFORE) : match.start()])
            value = {"object": number_of, "attention": STRONG_ATTENTION if strong else ATTENTION}
            found.setdefault(number_of, Found("objects", value, match.start(), match.end(), "objects: a kind's name"))
    return list(found.values())


def _names() -> list[tuple[str, int]]:
    """Names of the kinds, longest first, then their last words, each for the first kind that has it."""
    whole = {kind.name: index for index, kind in enumerate(KINDS)}
    nouns: dict[str, int] = {}
    for name, index in whole.items():
        nouns.setdefault(name.rsplit(" ", 1)[-1], index)
    vague = {
        "boat",
        "rocks",
        "fire",
        "tower",
        "school",
        "chair",
        "ring",
        "ball",
        "bottle",
        "castle",
        "hut",
        "towel",
        "spade",
    }
    every = {**{noun: index for noun, index in nouns.items() if noun not in vague}, **whole}
    return sorted(every.items(), key=lambda pair: -len(pair[0]))
