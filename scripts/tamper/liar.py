"""A node that lies: a small JSON-RPC server that passes everything on to an honest node and changes its answers.

Used by the tamper suite. What it changes is a function of the method and the honest result.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

import urllib3

Lie = Callable[[str, list[Any], Any], Any]
"""(method, parameters, honest result) → what is answered."""


class LyingNode:
    """Serves on a free port of the loopback for the length of a `with` block; `lie` may be changed meanwhile."""

    def __init__(self, honest_url: str, lie: Lie | None = None) -> None:
        self.lie = lie or (lambda _method, _params, result: result)
        self._honest = urllib3.PoolManager()
        self._honest_url = honest_url
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> LyingNode:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._honest.clear()

    def answer(self, body: bytes) -> bytes:
        """The honest node's answer to one request or a batch, falsified."""
        asked = json.loads(body)
        told = json.loads(
            self._honest.request("POST", self._honest_url, body=body, headers={"Content-Type": "application/json"}).data
        )
        if isinstance(asked, dict):
            return json.dumps(self._falsified(asked, told)).encode()
        by_id = {one["id"]: one for one in asked}
        return json.dumps([self._falsified(by_id[one["id"]], one) for one in told]).encode()

    def _falsified(self, asked: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
        if "result" not in told:
            return told
        return {**told, "result": self.lie(asked["method"], asked.get("params", []), told["result"])}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        node = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body in one packet: else each answer waits for an acknowledgement

            def do_POST(self) -> None:
                answer = node.answer(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:
                """Says nothing."""

        return Handler
