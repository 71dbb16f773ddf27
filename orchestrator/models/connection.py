"""HTTP/1.1 on one connection, as much of it as a model needs: requests in, answers out, one after the other.

`serving` uses it. The standard library's http.server would do, but what it imports (mail, TLS, web addresses) takes
twice the processor time of all the rest of a small model's start. It knows no calls: those are `serving`'s.
"""

import http
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.models.errors import BadCall

MOST_LINE = 64 << 10
MOST_HEADERS = 100
WRITE_BUFFER = 64 << 10
VERSIONS = ("HTTP/1.0", "HTTP/1.1")


@dataclass(frozen=True)
class Head:
    """A request's first line and headers; their names in small letters, of a repeated one the values with commas."""

    method: str
    target: str
    headers: Mapping[str, str]
    keeps_alive: bool

    @property
    def content_type(self) -> str:
        """Without parameters, in small letters; empty where none is told."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def content_length(self) -> int | None:
        """Bytes of the body; None where they are not told (a chunked body is not taken)."""
        told = self.headers.get("content-length", "0")
        return None if "transfer-encoding" in self.headers or not _is_number(told) else int(told)


class Connection:
    """One caller's connection; whoever serves it closes it."""

    def __init__(self, accepted: socket.socket, idle_s: float) -> None:
        accepted.settimeout(idle_s)
        self._socket = accepted
        self.incoming = accepted.makefile("rb")
        self._outgoing = accepted.makefile("wb", WRITE_BUFFER)

    def next_head(self) -> Head | None:
        """The next request; None when the caller has hung up. BadCall for what is no HTTP: then nothing can follow."""
        first = self._line()
        if not first:
            return None
        words = first.split()
        if len(words) != 3 or words[2] not in VERSIONS:
            raise BadCall("the request line is not HTTP/1.1; send METHOD /target HTTP/1.1")
        headers = self._headers()
        stays = headers.get("connection", "keep-alive" if words[2] == VERSIONS[1] else "close").lower()
        if headers.get("expect", "").lower() == "100-continue":
            self._socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        return Head(words[0], words[1], headers, stays != "close")

    def answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """The whole answer, with its length."""
        lines = [f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"Content-Length: {len(body)}", "", ""]
        self._outgoing.write("\r\n".join(lines).encode("latin-1", "strict"))
        self._outgoing.write(body)
        self._outgoing.flush()

    def _headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        while line := self._line():
            name, colon, value = line.partition(":")
            if not colon or not name or name != name.strip() or len(headers) >= MOST_HEADERS:
                raise BadCall(f"the headers are malformed or more than {MOST_HEADERS}; send Name: value")
            known = headers.get(name.lower())
            headers[name.lower()] = value.strip() if known is None else f"{known}, {value.strip()}"
        return headers

    def _line(self) -> str:
        """Without its end; empty at the end of the headers, or of the connection."""
        line = self.incoming.readline(MOST_LINE + 1)
        if len(line) > MOST_LINE:
            raise BadCall(f"a line of the head has more than {MOST_LINE} bytes; send shorter ones")
        return line.decode("latin-1").rstrip("\r\n")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 20
