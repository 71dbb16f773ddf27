"""Attacks below HTTP's meaning: smuggled, oversized, slow and malformed requests, over raw sockets."""

import contextlib
import socket
import time
from typing import Any
from urllib.parse import urlsplit

from scripts.attacks.case import PROGRAMS, Attack, Forge, Outcome, outcome

MALFORMED, TOO_LARGE, TOO_SLOW = ("malformed_http",), ("head_too_large",), ("head_too_slow",)
DOOR = {400: "malformed_http", 431: "head_too_large", 408: "head_too_slow"}
STRANGER = ("token_missing", "proof_invalid")  # understood, and refused for what it lacks
EITHER = (*MALFORMED, *STRANGER)
PATIENCE_S = 15.0


def _answer(forge: Forge, *pieces: bytes, pause_s: float = 0.0) -> bytes:
    """All that comes back until the server hangs up (or answers and keeps silent)."""
    address = urlsplit(forge.target.url)
    received = b""
    with socket.create_connection((address.hostname, address.port), timeout=PATIENCE_S) as wire:
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                wire.sendall(piece)
                time.sleep(pause_s)
        with contextlib.suppress(ConnectionError, TimeoutError):
            while chunk := wire.recv(65_536):
                received += chunk
                wire.settimeout(1.0 if b"\r\n\r\n" in received else PATIENCE_S)
    return received


def _judged(received: bytes) -> Outcome:
    """Refused when no answer in it is a success; the code is the door's for the first status, or the problem's."""
    statuses = [int(part[:3]) for part in received.split(b"HTTP/1.1 ")[1:]]
    if not statuses:
        return Outcome(0, "hung_up")
    worst = min(statuses)
    code = received.partition(b'"code": "')[2].partition(b'"')[0].decode()
    return Outcome(worst, code or DOOR.get(statuses[0], "none"))


def _raw(text: str, *, body: bytes = b"") -> Any:
    """The request with `{method}`, `{path}` of a closed route filled in."""

    def play(forge: Forge) -> Outcome:
        method, path = forge.target.closed
        head = text.replace("{method}", method).replace("{path}", path).replace("\n", "\r\n")
        return _judged(_answer(forge, head.encode("latin-1") + body))

    return play


REQUEST = "{method} {path} HTTP/1.1\nHost: a\n"


def _smuggled(forge: Forge) -> Outcome:
    """A second request hides in what one reader would take for the first one's body."""
    method, path = forge.target.closed
    hidden = f"{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n"
    lengths = f"Content-Length: {5 + len(hidden)}\r\nTransfer-Encoding: chunked\r\n"
    head = f"{method} {path} HTTP/1.1\r\nHost: a\r\n{lengths}\r\n"
    return _judged(_answer(forge, f"{head}0\r\n\r\n{hidden}".encode()))


def _pipelined(forge: Forge) -> Outcome:
    """Two requests at once: the second has no token, whoever sent the first."""
    method, path = forge.target.closed
    one = f"{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n"
    received = _answer(forge, (one + one.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")).encode())
    return _judged(received) if received.count(b"HTTP/1.1 401") == 2 else Outcome(200, "none")


def _slow_head(forge: Forge) -> Outcome:
    method, path = forge.target.closed
    line = f"{method} {path} HTTP/1.1\r\nHost: a\r\n".encode()
    return _judged(_answer(forge, line, *(b"X-A: b\r\n" for _ in range(20)), pause_s=0.1))


def _slow_body(forge: Forge) -> Outcome:
    """A body that drips on after the refusal: the server has to hang up."""
    method, path = forge.target.closed
    head = f"{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n".encode()
    begun = time.monotonic()
    judged = _judged(_answer(forge, head, *(b"x" for _ in range(40)), pause_s=0.1))
    return judged if time.monotonic() - begun < PATIENCE_S else Outcome(200, "none")


def _takes_nothing(forge: Forge) -> Outcome:
    """Asks for far more than the kernels hold, and reads none of it until the server has hung up."""
    address, asked = urlsplit(forge.target.url), 400
    with socket.socket() as wire:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        wire.settimeout(PATIENCE_S)
        wire.connect((address.hostname, address.port))
        wire.sendall(b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: a\r\n\r\n" * asked)
        time.sleep(3.0)
        answers = 0
        with contextlib.suppress(ConnectionError):
            while chunk := wire.recv(1 << 20):
                answers += chunk.count(b"HTTP/1.1 200")
    return Outcome(0, "hung_up") if 0 < answers < asked else Outcome(200, "none")


def _silent(forge: Forge) -> Outcome:
    return _judged(_answer(forge))


def _oversized(chunked: bool) -> Any:
    """A good token and proof, and more bytes than the row takes."""

    def play(forge: Forge) -> Outcome:
        size = (1 << 20) + 1
        token, body = forge.token(), b"x" * size
        headers = {"Authorization": f"DPoP {token}", "DPoP": forge.proof(token, body=body)}
        content: Any = (body[at : at + 65_536] for at in range(0, size, 65_536)) if chunked else body
        url = forge.target.url + forge.target.path
        return outcome(forge.ground.client.request(forge.target.method, url, headers=headers, content=content))

    return play


ATTACKS = [
    Attack("length and chunks", "Content-Length beside Transfer-Encoding hides a second request", MALFORMED, _smuggled,
        PROGRAMS),
    Attack("two lengths", "two Content-Length headers", MALFORMED, _raw(
        REQUEST + "Content-Length: 1\nContent-Length: 2\n\n", body=b"xx"), PROGRAMS),
    Attack("negative length", "Content-Length: -1", MALFORMED, _raw(REQUEST + "Content-Length: -1\n\n"), PROGRAMS),
    Attack("length beyond all numbers", "2^70", MALFORMED, _raw(
        REQUEST + "Content-Length: 1180591620717411303424\n\n"), PROGRAMS),
    Attack("unknown transfer coding", "Transfer-Encoding: xchunked", EITHER, _raw(
        REQUEST + "Transfer-Encoding: xchunked\n\n0\n\n"), PROGRAMS),
    Attack("chunk size that is no number", "zz", EITHER, _raw(
        REQUEST + "Transfer-Encoding: chunked\n\nzz\nx\n0\n\n"), PROGRAMS),
    Attack("chunk size beyond all numbers", "twenty f", EITHER, _raw(
        REQUEST + "Transfer-Encoding: chunked\n\n" + "f" * 20 + "\nx\n"), PROGRAMS),
    Attack("space in a header's name", "Content-Length : 5", MALFORMED, _raw(
        REQUEST + "Content-Length : 5\n\n"), PROGRAMS),
    Attack("NUL in a header", "cut in two by some readers", MALFORMED, _raw(REQUEST + "X-A: a\0b\n\n"), PROGRAMS),
    Attack("folded header", "a value that goes on in the next line", EITHER, _raw(
        REQUEST + "Authorization: DPoP\n x\n\n"), PROGRAMS),
    Attack("no HTTP", "another protocol's greeting", MALFORMED, _raw("\x16\x03\x01\x02\x00\x01\n\n"), PROGRAMS),
    Attack("HTTP/2 at once", "the preface", MALFORMED, _raw("PRI * HTTP/2.0\n\nSM\n\n"), PROGRAMS),
    Attack("absolute target of another host", "GET http://elsewhere/…", (*STRANGER, "not_allowed"),
        _raw("{method} http://elsewhere{path} HTTP/1.1\nHost: a\n\n"), PROGRAMS),
    Attack("socket upgrade", "Upgrade: websocket", STRANGER, _raw(
        REQUEST + "Connection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\n"
        "Sec-WebSocket-Version: 13\n\n"), PROGRAMS),
    Attack("two requests at once", "pipelined, without tokens", STRANGER, _pipelined, PROGRAMS),
    Attack("one huge header", "64 KiB", TOO_LARGE, _raw(REQUEST + "X-A: " + "a" * 65_536 + "\n\n"), PROGRAMS),
    Attack("many headers", "five thousand", TOO_LARGE, _raw(
        REQUEST + "".join(f"X-{n}: a\n" for n in range(5_000)) + "\n"), PROGRAMS),
    Attack("huge target", "64 KiB of query", TOO_LARGE, _raw(
        "{method} {path}?" + "a" * 65_536 + " HTTP/1.1\nHost: a\n\n"), PROGRAMS),
    Attack("slow head", "a header line each 0.1 s, without end", TOO_SLOW, _slow_head, PROGRAMS),
    Attack("slow body", "a byte each 0.1 s, refused and still dripping", STRANGER, _slow_body,
        PROGRAMS),
    Attack("silent connection", "connected, then nothing", TOO_SLOW, _silent, PROGRAMS),
    Attack("answers that nobody takes", "four hundred large answers, asked for and not read", ("hung_up",),
        _takes_nothing, ("marketplace",), statuses=(0,), journalled="answer_not_taken"),
    Attack("body too large", "declared: more than the row takes", ("body_too_large",), _oversized(False)),
    Attack("body too large, in chunks", "undeclared", ("body_too_large",), _oversized(True)),
]  # fmt: skip
