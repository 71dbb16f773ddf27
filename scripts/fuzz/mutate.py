"""Mutations: of bytes, of texts with dots or lines, of JSON trees. Every one draws from the `Random` it is given."""

import json
from base64 import urlsafe_b64decode
from collections.abc import Callable
from random import Random
from typing import Any

from trust.encoding import b64url

Mutation = Callable[[Random, bytes], bytes]

PIECES = (
    b"", b"\x00", b"\xff\xfe", b"\n", b"\r\n", b".", b"..", b"=", b" ", b"0x", b"-1", b"1e999", b"NaN", b"null", b"{}",
    b"[" * 200, b'"', b"\\ud800", b"\xed\xa0\x80", b"\xf0\x9f\x8f\x96", b"\xd9\xa3", b"%00", b"%2e", b"://", b"@",
    b"9" * 40, b"9" * 5_000, b"eyJhbGciOiJub25lIn0", b"\xe2\x80\x8b", b"A" * 300,
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**31, 2**53, 2**63, 2**64, 2**96, 2**256, 10**30, 0.5, 1e300, float("inf"),
    float("nan"), "", " ", "0", "-1", "01", "0x", "\ud800" * 12, "\x00" * 12, "\u0663", "é", "a" * 300, "9" * 5_000,
    [], {}, [[]], {"": ""}, [None] * 20,
)  # fmt: skip
DEEP: Any = [[[[[[[[[[]]]]]]]]]]


def anyhow(random: Random, given: bytes) -> bytes:
    """One to four mutations of bytes, or of the parts between dots or line ends; now and then bytes out of nowhere."""
    if random.random() < 0.02:
        return random.randbytes(random.randrange(300))
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        given = random.choice((_flip, _cut, _repeat, _insert, _swap_parts, _inside_base64))(random, given)
    return given


def as_json(random: Random, given: bytes) -> bytes:
    """The JSON document with one to three of its values, names or members changed; written plainly or canonically."""
    document = json.loads(given)
    for _ in range(random.choice((1, 1, 2, 3))):
        document = tree(random, document)
    separators = random.choice((None, (",", ":"), (",", ":")))
    made = json.dumps(
        document, separators=separators, sort_keys=separators is not None, ensure_ascii=random.random() < 0.5
    )
    return made.encode("utf-8", "surrogatepass")


def either(first: Mutation, second: Mutation) -> Mutation:
    """Each of both half of the time."""
    return lambda random, given: (first if random.random() < 0.5 else second)(random, given)


def tree(random: Random, document: Any) -> Any:
    """The document with one change at a random depth; what is changed is a copy."""
    if isinstance(document, dict) and document and random.random() < 0.8:
        name = random.choice(list(document))
        return _changed_member(random, document, name)
    if isinstance(document, list) and document and random.random() < 0.7:
        place = random.randrange(len(document))
        changed = random.choice(((tree(random, document[place]),), (), (document[place], document[place])))
        return [*document[:place], *changed, *document[place + 1 :]]
    return _value(random, document)


def _changed_member(random: Random, document: dict[str, Any], name: str) -> dict[str, Any]:
    rest = {key: value for key, value in document.items() if key != name}
    way = random.random()
    if way < 0.7:
        return {**document, name: tree(random, document[name])}
    if way < 0.8:
        return rest
    if way < 0.9:
        return {**document, random.choice(("", "d", "k", "crit", "schema", "__proto__", name.upper())): document[name]}
    return {**rest, name + random.choice(("", " ", "\u200b")): document[name]}


def _value(random: Random, given: Any) -> Any:
    if isinstance(given, str) and given and random.random() < 0.5:
        return anyhow(random, given.encode("utf-8", "surrogatepass")).decode("utf-8", "replace")
    if isinstance(given, int) and random.random() < 0.5:
        return given + random.choice((-1, 1, 60, -60, 3_600, 2**32))
    return random.choice((*VALUES, DEEP))


def _flip(random: Random, given: bytes) -> bytes:
    if not given:
        return b"\x00"
    place = random.randrange(len(given))
    return given[:place] + bytes([given[place] ^ (1 << random.randrange(8))]) + given[place + 1 :]


def _cut(random: Random, given: bytes) -> bytes:
    start, end = _span(random, given)
    return given[:start] + given[end:]


def _repeat(random: Random, given: bytes) -> bytes:
    start, end = _span(random, given)
    return given[:end] + given[start:end] * random.choice((1, 1, 8)) + given[end:]


def _insert(random: Random, given: bytes) -> bytes:
    start, end = _span(random, given)
    return given[:start] + random.choice(PIECES) + given[random.choice((start, end)) :]


def _swap_parts(random: Random, given: bytes) -> bytes:
    mark = b"\n" if b"\n" in given else b"."
    parts = given.split(mark)
    first, second = random.randrange(len(parts)), random.randrange(len(parts))
    parts[first], parts[second] = parts[second], random.choice((parts[first], parts[second]))
    return mark.join(parts)


def _inside_base64(random: Random, given: bytes) -> bytes:
    """Of three parts between dots one decoded, mutated and encoded again: as JSON where it is."""
    parts = given.split(b".")
    if len(parts) != 3:
        return _flip(random, given)
    place = random.randrange(3)
    try:
        raw = urlsafe_b64decode(parts[place] + b"=" * (-len(parts[place]) % 4))
        parts[place] = b64url(as_json(random, raw) if raw.startswith(b"{") else _flip(random, raw)).encode()
    except (ValueError, RecursionError):
        return _flip(random, given)
    return b".".join(parts)


def _span(random: Random, given: bytes) -> tuple[int, int]:
    start = random.randrange(len(given) + 1)
    return start, min(len(given), start + random.choice((0, 1, 2, 8, 40)))
