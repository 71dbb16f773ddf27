"""A signer program for tests: JSON-RPC over HTTP in clef's words, a real key behind it; it can say no, or cheat."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from eth_account import Account

from ledger.keys import WalletKey
from ledger.values import to_hex


class Clef:
    """What clef would do with its owner's leave: signs for its one key, or refuses; `alters` changes what it signs."""

    def __init__(self, key: WalletKey) -> None:
        self.key = key
        self.refuses = False
        self.alters: dict[str, Any] = {}

    def answer(self, method: str, params: list[Any]) -> Any:
        if self.refuses:
            raise PermissionError("Request denied")
        match method:
            case "account_list":
                return [self.key.address]
            case "account_signTypedData":
                signed = Account.sign_typed_data(self.key.secret, full_message=params[1])
                return to_hex(bytes(signed.signature))
            case "account_signTransaction":
                return {"raw": self._signed(params[0])}
        raise NotImplementedError(f"the method {method} does not exist/is not available")

    def _signed(self, asked: dict[str, Any]) -> str:
        fields = {**asked, **self.alters}
        del fields["from"]
        return to_hex(bytes(Account.sign_transaction(fields, self.key.secret).raw_transaction))


@contextmanager
def served(clef: Clef) -> Iterator[str]:
    """The program on a free port of this machine: its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told: dict[str, Any] = {"jsonrpc": "2.0", "id": asked["id"]}
            try:
                told["result"] = clef.answer(asked["method"], asked["params"])
            except (PermissionError, NotImplementedError) as error:
                told["error"] = {"code": -32000, "message": str(error)}
            body = json.dumps(told).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
