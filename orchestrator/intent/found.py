"""What a rule found in a text, with the words that say so, and numbers as people write them."""

import re
from dataclasses import dataclass
from typing import Any

ONES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
        "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]  # fmt: skip
TENS = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
SMALL = {word: number for number, word in enumerate(ONES)}
OTHERS = {"a dozen": 12, "dozen": 12, "a couple of": 2, "half an": 0.5, "half a": 0.5, "an": 1, "a": 1}
_TEN = "|".join(TENS)
_WORDS = "|".join(sorted([*ONES, *OTHERS], key=len, reverse=True))
NUMBER = rf"(?:\d{{1,9}}(?:[.,]\d{{1,6}})?|(?:{_TEN})(?:[ -](?:{'|'.join(ONES[1:10])}))?|(?:{_WORDS}))"
"""a number in digits or words, for a pattern that ignores case"""


@dataclass(frozen=True)
class Found:
    """A field of the request, its value, the place in the text that says so, and the rule by which."""

    field: str
    value: Any
    start: int
    end: int
    rule: str

    def why(self, text: str) -> dict[str, Any]:
        """As it is told to the buyer."""
        return {
            "field": self.field,
            "value": self.value,
            "words": text[self.start : self.end],
            "at": [self.start, self.end],
            "rule": self.rule,
        }


def number(written: str) -> float:
    """`1,5` → 1.5, `twenty-five` → 25, `a couple of` → 2, `40,000` → 40000."""
    plain = written.lower().strip()
    if plain[0].isdigit():
        return float(plain.replace(",", "") if re.fullmatch(r"\d{1,3}(,\d{3})+", plain) else plain.replace(",", "."))
    if plain in OTHERS:
        return OTHERS[plain]
    return float(sum(TENS.get(word, SMALL.get(word, 0)) for word in re.split(r"[ -]", plain)))


def compiled(pattern: str) -> re.Pattern[str]:
    """A pattern in which NUM stands for a number, between word borders, case ignored."""
    return re.compile(rf"(?<![\w.,])(?:{pattern})(?!\w)".replace("NUM", NUMBER), re.IGNORECASE)
