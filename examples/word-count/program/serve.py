"""Word count: a provider's own model, with nothing but the standard library.

    python serve.py --listen-fd FD --instance ID --grant JSON

It answers GET /alive, POST /configure and POST /count on the Unix socket that it inherits. The buyer pays by the word.
"""

import argparse
import json
import socket
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingMixIn, UnixStreamServer

MOST_BYTES = 1 << 20
MOST_WORDS = 1000
"""Different words that are kept of a tenant."""
kept: dict[str, Counter[str]] = {}
lock = threading.Lock()


def count(tenant: str, text: str) -> tuple[dict[str, int], int]:
    """The tenant's most frequent words so far, and how many words this text has."""
    words = text.lower().split()
    with lock:
        seen = kept.setdefault(tenant, Counter())
        seen.update(words)
        kept[tenant] = Counter(dict(seen.most_common(MOST_WORDS)))
        return dict(kept[tenant].most_common(10)), len(words)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer(200 if self.path == "/alive" else 404, {})

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", "0"))
        if length > MOST_BYTES:
            self.close_connection = True
            return self.answer(413, {"title": f"send at most {MOST_BYTES} bytes"})
        asked = json.loads(self.rfile.read(length) or b"{}")
        if self.path == "/configure":
            with lock:
                kept.pop(str(asked.get("forget", "")), None)
            return self.answer(200, {})
        text = asked.get("params", {}).get("text")
        if self.path != "/count" or not isinstance(text, str):
            return self.answer(400, {"title": 'POST /count with the params {"text": "…"}'})
        words, quantity = count(str(asked.get("tenant", "")), text)
        return self.answer(200, {"words": words}, quantity)

    def answer(self, status: int, value: dict[str, object], quantity: int = 0) -> None:
        body = json.dumps(value).encode()
        self.send_response_only(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("S4M-Quantity", str(quantity))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--listen-fd", type=int, required=True)
    parser.add_argument("--instance")
    parser.add_argument("--grant")
    listener = socket.socket(fileno=parser.parse_args().listen_fd)
    server = Server(listener.getsockname(), Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    server.serve_forever()


if __name__ == "__main__":
    main()
