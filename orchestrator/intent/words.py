"""Text → the word pieces that the sentence model reads, each with the place in the text where it stands.

BERT's uncased WordPiece (Devlin et al. 2019): lower case, accents off, split at blanks and punctuation, then the
longest known piece first. vocabulary.txt is that of sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0);
its line is the id.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path

VOCABULARY = Path(__file__).with_name("vocabulary.txt")
MOST_PIECES = 128
"""more of a text is not read: the model was trained on as many"""
LONGEST_WORD = 100
_WORD = re.compile(r"[^\W_]+|[^\w\s]|_")


@dataclass(frozen=True)
class Piece:
    """One word piece: its id in the vocabulary, and the part of the text that it is of."""

    id: int
    start: int
    end: int


@cache
def vocabulary() -> dict[str, int]:
    return {piece: number for number, piece in enumerate(VOCABULARY.read_text("utf-8").splitlines())}


def pieces(text: str) -> list[Piece]:
    """The pieces of a text between the marks [CLS] and [SEP], at most MOST_PIECES in all."""
    known = vocabulary()
    inside: list[Piece] = []
    for word in _WORD.finditer(text):
        inside += [Piece(number, word.start(), word.end()) for number in _ids(_plain(word.group()), known)]
    first, last = Piece(known["[CLS]"], 0, 0), Piece(known["[SEP]"], len(text), len(text))
    return [first, *inside[: MOST_PIECES - 2], last]


def _plain(word: str) -> str:
    """Lower case, without accents."""
    return "".join(sign for sign in unicodedata.normalize("NFD", word.lower()) if unicodedata.category(sign) != "Mn")


def _ids(word: str, known: dict[str, int]) -> list[int]:
    """The longest known pieces from left to right; a word with an unknown part is unknown as a whole."""
    if len(word) > LONGEST_WORD:
        return [known["[UNK]"]]
    found: list[int] = []
    start = 0
    while start < len(word):
        mark = "##" if start else ""
        end = next((end for end in range(len(word), start, -1) if mark + word[start:end] in known), None)
        if end is None:
            return [known["[UNK]"]]
        found.append(known[mark + word[start:end]])
        start = end
    return found
