"""Every parser that is fuzzed: its rightful inputs, how it is mutated, and what it may accept.

A parser reads bytes and gives the *meaning* that it accepts, or raises one of its documented refusals. Judged is each
input: any other exception is a crash; a meaning for which `may_be` is False is a wrong accept. For what is signed
`may_be` says: the meaning, the signer's key and the signed bytes are those of a rightful input. Where the mutation is
signed anew (the attacker owns a key and lies), it says what no lie may gain. For unsigned documents: reading and
writing gives the same bytes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any

from scripts.fuzz.mutate import Mutation, anyhow


@dataclass(frozen=True)
class Parser:
    """One parser. `share` is how many of a million inputs it gets."""

    name: str
    share: int
    rightful: tuple[bytes, ...]
    read: Callable[[bytes], Any]
    refusals: tuple[type[Exception], ...]
    may_be: Callable[[bytes, Any], bool]
    mutate: Mutation = anyhow

    def input(self, random: Random) -> bytes:
        """A mutated rightful input."""
        return self.mutate(random, random.choice(self.rightful))

    def judge(self, given: bytes) -> str:
        """What is wrong with how this input is taken; empty where nothing is."""
        try:
            meaning = self.read(given)
        except self.refusals:
            return ""
        except Exception as error:  # noqa: BLE001 — finding these is what this is for
            return f"crash: {type(error).__name__}: {str(error)[:200]}"
        return "" if self.may_be(given, meaning) else f"wrong accept: {str(meaning)[:300]}"


@cache
def all_parsers() -> tuple[Parser, ...]:
    """Each once; their shares sum up to a million."""
    from scripts.fuzz import of_documents, of_tokens, of_wallets

    return (*of_tokens.parsers(), *of_wallets.parsers(), *of_documents.parsers())


def parser_named(name: str) -> Parser:
    return next(parser for parser in all_parsers() if parser.name == name)
