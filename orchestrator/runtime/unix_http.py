"""A small HTTP client over Unix sockets, standard library only, for the runtime's own questions to its instances.

`sandbox` uses it for /health and /configure. Buyers' traffic goes through the gateway, not through here.
"""

import json
import re
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

DEFAULT_TIMEOUT_S = 5.0
MOST_BYTES = 64 << 20
"""of an answer"""
MOST_LINE = 4096


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class _UnixConnection(HTTPConnection):
    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("model", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(self.timeout)
            connection.connect(str(self._path))
        except OSError:
            connection.close()
            raise
        self.sock = connection


def ask(
    path: Path,
    method: str,
    target: str,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
) -> Reply:
    """One request on a connection of its own. Raises OSError when nobody answers, garbled answers included."""
    connection = _UnixConnection(path, timeout_s)
    try:
        connection.request(method, target, body, dict(headers or {}))
        response = connection.getresponse()
        return Reply(response.status, dict(response.getheaders()), response.read(MOST_BYTES))
    except HTTPException as cause:
        raise OSError(f"{path} answered, but not HTTP: {cause!r}") from cause
    finally:
        connection.close()


def ask_json(path: Path, target: str, value: Any, timeout_s: float = DEFAULT_TIMEOUT_S) -> Reply:
    body = json.dumps(value).encode()
    return ask(path, "POST", target, body, {"Content-Type": "application/json"}, timeout_s)


def status_of(path: Path, target: str, timeout_s: float) -> int:
    """The status of GET `target`, all within `timeout_s`; nothing more of the answer is read, for it is not trusted.

    Raises OSError where none comes in time.
    """
    deadline = time.monotonic() + timeout_s
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout_s)
        connection.connect(str(path))
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: model\r\nConnection: close\r\n\r\n".encode())
        line = b""
        while b"\n" not in line and len(line) < MOST_LINE:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"no answer to GET {target} within {timeout_s:g} s")
            connection.settimeout(left)
            part = connection.recv(MOST_LINE)
            if not part:
                break
            line += part
    told = re.match(rb"HTTP/1\.[01] (\d{3})\b", line)
    if told is None:
        raise OSError(f"the answer to GET {target} is not HTTP: {line[:40]!r}")
    return int(told[1])
