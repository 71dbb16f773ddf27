"""Sign-In with Ethereum (EIP-4361): builds and parses the text that a wallet signs. Pure; used by sign-in and wallets.

`parse` takes what the EIP's grammar takes, and of that only what means something: times of the calendar (no leap
seconds), an address whose mixed case is its EIP-55 checksum. `text(parse(t)) == t` for every t that it takes. Whether
a message is good here and now is `check`'s to say; who signed it is not looked at.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv6Address
from typing import Final

from ledger.values import Address, address
from trust.errors import SignInRefused

LONGEST: Final = 8192
"""Characters; wallets show the whole text to a person."""
MAX_SKEW_S: Final = 30

_PCT = "%[0-9A-Fa-f]{2}"
_PCHAR = rf"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|{_PCT})"
_USER = rf"(?:(?:[A-Za-z0-9._~!$&'()*+,;=:-]|{_PCT})*@)?"
_LITERAL = r"\[(?P<six>[0-9A-Fa-f:.]+)\]|\[[vV][0-9A-Fa-f]+\.[A-Za-z0-9._~!$&'()*+,;=:-]+\]"
_NAME = rf"(?:[A-Za-z0-9._~!$&'()*+,;=-]|{_PCT})*"
_AUTHORITY = re.compile(rf"{_USER}(?:{_LITERAL}|{_NAME})(?::[0-9]*)?")
_SCHEME = "[A-Za-z][A-Za-z0-9+.-]*"
_PATH = rf"/(?:{_PCHAR}+(?:/{_PCHAR}*)*)?|{_PCHAR}+(?:/{_PCHAR}*)*|"
_TAIL = rf"(?:\?(?:{_PCHAR}|[/?])*)?(?:#(?:{_PCHAR}|[/?])*)?"
_URI = re.compile(rf"{_SCHEME}:(?://(?P<authority>[^/?#]*)(?:/{_PCHAR}*)*|{_PATH}){_TAIL}")
_ADDRESS = re.compile("0x[0-9A-Fa-f]{40}")
_STATEMENT = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;= -]+")
_REQUEST_ID = re.compile(f"{_PCHAR}*")
_NUMBER = re.compile("[0-9]+")
_NONCE = re.compile("[A-Za-z0-9]{8,}")
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_CALL = " wants you to sign in with your Ethereum account:"


@dataclass(frozen=True, slots=True)
class Message:
    """The fields as they stand in the text; times as RFC 3339 text, `seconds` reads them. Absent fields are None."""

    domain: str
    address: str
    uri: str
    chain_id: str
    nonce: str
    issued_at: str
    scheme: str | None = None
    statement: str | None = None
    expiration_time: str | None = None
    not_before: str | None = None
    request_id: str | None = None
    resources: tuple[str, ...] | None = None
    version: str = "1"

    @property
    def account(self) -> Address:
        """The address with its checksum."""
        return address(self.address.lower())


@dataclass(frozen=True, slots=True)
class Expected:
    """What a message must say to be good here; `now` in UTC seconds, `uri` is a prefix of the message's."""

    domain: str
    uri: str
    chain_id: int
    resources: tuple[str, ...]
    now: float


def text(message: Message) -> str:
    """The text to sign. ValueError for fields of which no text can be made that reads back the same."""
    made = "\n".join(_lines(message))
    if parse(made) != message:
        raise ValueError("the fields do not read back as they were given")
    return made


def parse(given: str) -> Message:
    """The message; ValueError, with the field, for any text that is not exactly one."""
    if len(given) > LONGEST:
        raise ValueError(f"the message has more than {LONGEST} characters")
    lines = _Lines(given.split("\n"))
    scheme, domain = _head(lines.next("the first line"))
    account = _address(lines.next("the address"))
    _require(lines.next("an empty line") == "", "the line after the address is not empty")
    statement = lines.next("the statement") or None
    _require(statement is None or _STATEMENT.fullmatch(statement), "the statement has characters that are not allowed")
    _require(statement is None or lines.next("an empty line") == "", "the line after the statement is not empty")
    message = Message(
        scheme=scheme,
        domain=domain,
        address=account,
        statement=statement,
        uri=_uri(lines.field("URI: ")),
        version=_matching(re.compile("1"), lines.field("Version: "), "Version"),
        chain_id=_matching(_NUMBER, lines.field("Chain ID: "), "Chain ID"),
        nonce=_matching(_NONCE, lines.field("Nonce: "), "Nonce"),
        issued_at=_time(lines.field("Issued At: ")),
        expiration_time=_optional(_time, lines.option("Expiration Time: ")),
        not_before=_optional(_time, lines.option("Not Before: ")),
        request_id=_optional(_request_id, lines.option("Request ID: ")),
        resources=_resources(lines),
    )
    lines.require_end()
    return message


def seconds(time: str) -> float:
    """UTC seconds of a message's time."""
    return datetime.fromisoformat(time.upper()).timestamp()


def check(message: Message, expected: Expected) -> None:
    """SignInRefused, saying which field, unless the message is for this place and this moment."""
    _refuse_unless(message.domain == expected.domain, f"it is for {message.domain}, this is {expected.domain}")
    ours = message.uri == expected.uri or message.uri.startswith(expected.uri + "/")
    _refuse_unless(ours, f"its URI is {message.uri}, not of {expected.uri}")
    _refuse_unless(
        message.chain_id == str(expected.chain_id),
        f"it is for chain {message.chain_id}, this is chain {expected.chain_id}",
    )
    _refuse_unless(
        (message.resources or ()) == expected.resources, "its resources do not name the key that proves this request"
    )
    issued = seconds(message.issued_at)
    _refuse_unless(issued <= expected.now + MAX_SKEW_S, "it was issued in the future")
    if message.not_before is not None:
        _refuse_unless(seconds(message.not_before) <= expected.now, "it is not valid yet")
    if message.expiration_time is not None:
        _refuse_unless(expected.now < seconds(message.expiration_time), "it has expired")


def _lines(message: Message) -> Iterator[str]:
    yield (f"{message.scheme}://" if message.scheme is not None else "") + message.domain + _CALL
    yield message.address
    yield ""
    if message.statement is not None:
        yield message.statement
    yield ""
    yield f"URI: {message.uri}"
    yield f"Version: {message.version}"
    yield f"Chain ID: {message.chain_id}"
    yield f"Nonce: {message.nonce}"
    yield f"Issued At: {message.issued_at}"
    for title, value in (
        ("Expiration Time", message.expiration_time),
        ("Not Before", message.not_before),
        ("Request ID", message.request_id),
    ):
        if value is not None:
            yield f"{title}: {value}"
    if message.resources is not None:
        yield "Resources:"
        yield from (f"- {resource}" for resource in message.resources)


class _Lines:
    """The lines that are still to be read."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._at = 0

    def next(self, what: str) -> str:
        _require(self._at < len(self._lines), f"{what} is missing")
        self._at += 1
        return self._lines[self._at - 1]

    def field(self, title: str) -> str:
        found = self.option(title)
        if found is None:
            raise ValueError(f"the field {title.rstrip(': ')} is missing or not in its place")
        return found

    def option(self, title: str) -> str | None:
        """The next line's value where it has this title; else it stays to be read."""
        if self._at == len(self._lines) or not self._lines[self._at].startswith(title):
            return None
        self._at += 1
        return self._lines[self._at - 1].removeprefix(title)

    def require_end(self) -> None:
        _require(self._at == len(self._lines), "something follows that is no field")


def _head(line: str) -> tuple[str | None, str]:
    _require(line.endswith(_CALL), "the first line does not ask for a sign-in")
    before, mark, domain = line.removesuffix(_CALL).rpartition("://")
    _require(not mark or re.fullmatch(_SCHEME, before), "the scheme is malformed")
    _require(_is_authority(domain), "the domain is no RFC 3986 authority")
    return (before if mark else None), domain


def _is_authority(given: str) -> bool:
    found = _AUTHORITY.fullmatch(given)
    return found is not None and (found["six"] is None or _is_six(found["six"]))


def _is_six(given: str) -> bool:
    try:
        IPv6Address(given)
    except ValueError:
        return False
    return True


def _address(given: str) -> str:
    _require(_ADDRESS.fullmatch(given), "the address is malformed")
    digits = given.removeprefix("0x")
    plain = digits in (digits.lower(), digits.upper())
    _require(plain or given == address(given.lower()), "the address' capitals are not its EIP-55 checksum")
    return given


def _uri(given: str) -> str:
    found = _URI.fullmatch(given)
    _require(found and (found["authority"] is None or _is_authority(found["authority"])), "no RFC 3986 URI")
    return given


def _time(given: str) -> str:
    _require(_TIME.fullmatch(given), f"{given[:40]!r} is no RFC 3339 time")
    seconds(given)
    return given


def _request_id(given: str) -> str:
    return _matching(_REQUEST_ID, given, "Request ID")


def _resources(lines: _Lines) -> tuple[str, ...] | None:
    rest = lines.option("Resources:")
    if rest is None:
        return None
    _require(rest == "", "something follows `Resources:` on its line")
    found = []
    while (resource := lines.option("- ")) is not None:
        found.append(_uri(resource))
    return tuple(found)


def _matching(pattern: re.Pattern[str], given: str, title: str) -> str:
    _require(pattern.fullmatch(given), f"the field {title} is malformed")
    return given


def _optional(read: Callable[[str], str], given: str | None) -> str | None:
    return None if given is None else read(given)


def _require(holds: object, why: str) -> None:
    if not holds:
        raise ValueError(why)


def _refuse_unless(holds: bool, why: str) -> None:
    if not holds:
        raise SignInRefused(f"The message is not good here: {why}.")
