"""Somebody who answers where a program of ours looks for a component: the address is right, the component is not.

`with impostor() as where:` serves `where.url/<program>/<component>/…`; what a program is answered is
`where.lies[program]`, set by the attack that is played on it. An impostor may hold keys, and answers that it heard, but
never the right key.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from trust.callee import Call


@dataclass(frozen=True)
class Lie:
    """One answer: `proof` is the header with which it pretends to be the component."""

    status: int
    body: bytes
    proof: str = ""


@dataclass
class Impostor:
    """`url` is its address; `lies` tells what each program is answered to a call."""

    url: str
    lies: dict[str, Callable[[Call], Lie]] = field(default_factory=dict)


@contextmanager
def impostor() -> Iterator[Impostor]:
    """Serves until the end of the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    made = server.impostor = Impostor(f"http://127.0.0.1:{server.server_port}")  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        program, component, path = self.path.removeprefix("/").partition("?")[0].split("/", 2)
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        call = Call(component, self.command, f"/{path}", self.headers.get("DPoP", ""))
        told = self.server.impostor.lies.get(program, _silence)(call)  # type: ignore[attr-defined]
        self.send_response(told.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(told.body)))
        if told.proof:
            self.send_header("S4M-Callee", told.proof)
        self.end_headers()
        self.wfile.write(told.body)

    do_POST = do_PUT = do_DELETE = do_GET

    def log_message(self, *_: object) -> None:
        """Nothing: the attack's result is told elsewhere."""


def _silence(_call: Call) -> Lie:
    return Lie(503, b"")
