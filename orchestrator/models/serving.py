"""How every model answers: HTTP/1.1 on a Unix socket, one thread a connection, standard library only. It is given the
socket's path or, in a sandbox, the open socket.

POST /<call>       JSON {"params": {…}, "grant": {resource: amount}, "tenant": "<subscription id>"}; with any other
                   content type the body is the call's raw data; S4M-Params, S4M-Grant (JSON), S4M-Tenant are headers.
POST /configure    JSON {"grant": {…}} replaces the instance's grant, {"forget": tenant} drops all that is kept of it;
                   further fields belong to the model.
GET  /health       {"ok", "program", "instance", "grant", "calls"}
Answers carry S4M-Quantity (in the meter's unit), S4M-Cpu-Ms (thread time) and S4M-Info (base64url JSON); refusals are
problem+json with `code`. A call's grant is the least of what the instance and the request were granted.
Several tenants' calls are let in by fair turns (`turns`). The gateway and the runtime call it. It knows no buyers and
checks no tokens: only who can reach the socket can call.
"""

import argparse
import json
import math
import os
import signal
import socket
import threading
import time
import traceback
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from orchestrator.models.connection import Connection, Head
from orchestrator.models.errors import BadCall, CallRefused, NotThere, TooLarge
from orchestrator.models.turns import Turns

JSON = "application/json"
MAX_JSON_BYTES = 1 << 20
MAX_RAW_BYTES = 32 << 20
MAX_TENANT_CHARS = 100
DISCARD_BYTES = 64 << 10
IDLE_SECONDS = 120.0
BACKLOG = 128
THREAD_STACK_BYTES = 512 << 10
MOST_NESTED = 100
MOST_SHOWN = 80
Grant = Mapping[str, int]
Params = Mapping[str, Any]


@dataclass(frozen=True)
class Request:
    """One call: `body` is the raw data of a call that is not JSON, `tenant` the subscription that it is for."""

    params: Params = field(default_factory=dict)
    grant: Grant = field(default_factory=dict)
    tenant: str = ""
    body: bytes = b""

    def granted(self, resource: str, default: int) -> int:
        """What this call may use of a resource; `default` where nobody granted any."""
        return self.grant.get(resource, default)

    def number(self, name: str, default: float, low: float, high: float) -> float:
        value = self.params.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise BadCall(f"{name} is {shown(value)}; give a number from {low} to {high}")
        return float(value)

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        value = self.number(name, default, low, high)
        if value != int(value):
            raise BadCall(f"{name} is {shown(value)}; give a whole number")
        return int(value)

    def text(self, name: str, default: str | None = None, most: int = 64) -> str:
        """A string of 1 to `most` characters; without a default it must be there."""
        value = self.params.get(name, default)
        if not isinstance(value, str) or not 0 < len(value) <= most:
            raise BadCall(f"{name} is {shown(value)}; give a string of 1 to {most} characters")
        return value

    def choice(self, name: str, *options: str) -> str:
        """One of the options; the first where none is named."""
        value = self.params.get(name, options[0])
        if value not in options:
            raise BadCall(f"{name} is {shown(value)}; give one of {', '.join(options)}")
        return str(value)

    def listed(self, name: str, least: int, most: int) -> list[Any]:
        value = self.params.get(name, [])
        if not isinstance(value, list) or not least <= len(value) <= most:
            raise BadCall(f"{name} is {shown(value)}; give a list of {least} to {most} entries")
        return value

    def numbers(self, name: str, least: int, most: int, low: float = -1e12, high: float = 1e12) -> list[float]:
        entries = Request({f"{name}[{n}]": entry for n, entry in enumerate(self.listed(name, least, most))})
        return [entries.number(entry, math.nan, low, high) for entry in entries.params]

    def parts(self, name: str, least: int, most: int) -> "list[Request]":
        """A list of objects, each read like parameters of its own."""
        entries = self.listed(name, least, most)
        if not all(isinstance(entry, dict) for entry in entries):
            raise BadCall(f"{name} is {shown(entries)}; give a list of objects")
        return [Request(entry, self.grant, self.tenant) for entry in entries]

    def part(self, name: str) -> "Request":
        """An object, read like parameters of its own; empty where none is given."""
        value = self.params.get(name, {})
        if not isinstance(value, dict):
            raise BadCall(f"{name} is {shown(value)}; give an object")
        return Request(value, self.grant, self.tenant)


@dataclass(frozen=True)
class Answer:
    """`quantity` is what the meter counts, in the unit of the manifest's call."""

    body: bytes
    content_type: str = "application/octet-stream"
    quantity: int = 1
    info: Params = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Request], Answer]


@dataclass(frozen=True)
class Program:
    """A model as it is served: its calls, what else /configure may set, and how it forgets a tenant. Calls in `waiting`
    only wait for a clock: they take no turn of the others."""

    name: str
    calls: Mapping[str, Handler]
    configure: Callable[[Params], None] | None = None
    forget: Callable[[str], None] | None = None
    waiting: frozenset[str] = frozenset()


def shown(value: Any) -> str:
    """A caller's value as a refusal repeats it."""
    text = repr(value)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"


def json_answer(value: Any, quantity: int = 1, info: Params | None = None) -> Answer:
    body = json.dumps(value, separators=(",", ":"), allow_nan=False).encode()
    return Answer(body, JSON, quantity, info or {})


def encode_info(info: Params) -> str:
    """base64url JSON without padding, as S4M-Info carries it."""
    return urlsafe_b64encode(json.dumps(info, separators=(",", ":")).encode()).rstrip(b"=").decode()


def least_grant(instance: Grant, request: Grant) -> Grant:
    """Resource by resource the lesser of the two; what only one names counts as it stands."""
    names = instance.keys() | request.keys()
    return {name: min(grant[name] for grant in (instance, request) if name in grant) for name in names}


def parse_grant(value: Any) -> Grant:
    if not isinstance(value, dict) or not all(type(amount) is int and amount >= 0 for amount in value.values()):
        raise BadCall(f"grant is {value!r}; give an object of resource names and whole, non-negative amounts")
    return value


@dataclass(eq=False)
class _Server:
    """One program on its listening socket."""

    listener: socket.socket
    program: Program
    instance: str
    grant: Grant
    turns: Turns = field(default_factory=Turns)

    def serve_forever(self) -> None:
        """A thread a connection, until a signal ends the program."""
        while True:
            accepted, _ = self.listener.accept()
            threading.Thread(target=self._serve, args=(accepted,), daemon=True).start()

    def _serve(self, accepted: socket.socket) -> None:
        with accepted, suppress(ConnectionError, TimeoutError):  # a caller that hangs up is no event
            caller = _Caller(self, Connection(accepted, IDLE_SECONDS))
            while caller.serve_next():
                pass


class _Caller:
    """One connection's calls."""

    def __init__(self, server: _Server, connection: Connection) -> None:
        self._server = server
        self._connection = connection
        self._goes_on = True

    def serve_next(self) -> bool:
        """Answer the next request; False when there is none to follow."""
        try:
            head = self._connection.next_head()
        except BadCall as refusal:
            self._refuse(refusal)
            return False
        if head is None:
            return False
        self._goes_on = head.keeps_alive
        if head.method == "POST":
            self._post(head)
        else:
            self._get(head)
        return self._goes_on

    def _get(self, head: Head) -> None:
        self._goes_on = self._goes_on and head.content_length == 0  # a body would be read as the next request
        if (head.method, head.target) == ("GET", "/health"):
            self._send(200, json_answer(self._health()))
        else:
            self._refuse(NotThere(f"{head.method} {shown(head.target)} is unknown; ask GET /health or POST a call"))

    def _post(self, head: Head) -> None:
        started = time.thread_time()
        try:
            answer = self._answer(head, self._body(head))
        except CallRefused as refusal:
            self._refuse(refusal)
        except MemoryError:
            self._refuse(TooLarge("the instance's memory limit is reached; ask for less or grant more memory"))
        except (ConnectionError, TimeoutError):
            raise
        except Exception:  # noqa: BLE001  (outermost: the connection must get an answer, the log gets the cause)
            traceback.print_exc()
            self._refuse(CallRefused("the model failed inside; its log has the cause"))
        else:
            self._send(200, answer, cpu_ms=(time.thread_time() - started) * 1000)

    def _answer(self, head: Head, body: bytes) -> Answer:
        call, program = head.target[1:], self._server.program
        if call == "configure":
            return self._configure(_json_object(body))
        if call not in program.calls:
            raise NotThere(f"call {shown(call)} is unknown; this model has {', '.join(sorted(program.calls))}")
        request, work = self._request(head, body), program.calls[call]
        if call in program.waiting:
            return work(request)
        with self._server.turns.turn(request.tenant, request.granted("computing_mcores", 1)):
            return work(request)

    def _request(self, head: Head, body: bytes) -> Request:
        if head.content_type == JSON:
            fields, raw = _json_object(body), b""
            params, grant, tenant = fields.get("params", {}), fields.get("grant", {}), fields.get("tenant", "")
        else:
            params = _json_object(head.headers.get("s4m-params", "{}").encode())
            grant = _json_object(head.headers.get("s4m-grant", "{}").encode())
            tenant, raw = head.headers.get("s4m-tenant", ""), body
        if not isinstance(params, dict) or not isinstance(tenant, str) or len(tenant) > MAX_TENANT_CHARS:
            raise BadCall("params must be an object and tenant a string of at most 100 characters")
        return Request(params, least_grant(self._server.grant, parse_grant(grant)), tenant, raw)

    def _configure(self, fields: dict[str, Any]) -> Answer:
        server, program = self._server, self._server.program
        if "grant" in fields:
            server.grant = parse_grant(fields["grant"])
        if "forget" in fields:
            server.turns.forget(str(fields["forget"]))
            if program.forget is not None:
                program.forget(str(fields["forget"]))
        others = {name: value for name, value in fields.items() if name not in ("grant", "forget")}
        if others and program.configure is None:
            raise BadCall(f"{program.name} has nothing to configure but its grant")
        if others and program.configure is not None:
            program.configure(others)
        return json_answer(self._health(), quantity=0)

    def _health(self) -> dict[str, Any]:
        program = self._server.program
        return {
            "ok": True,
            "program": program.name,
            "instance": self._server.instance,
            "grant": dict(self._server.grant),
            "calls": sorted(program.calls),
        }

    def _body(self, head: Head) -> bytes:
        length = head.content_length
        if length is None:
            self._goes_on = False
            raise BadCall("the body's length is unknown; send Content-Length")
        limit = MAX_JSON_BYTES if head.content_type == JSON else MAX_RAW_BYTES
        if length > limit:
            self._discard(length)
            raise TooLarge(f"the body has {length} bytes where {limit} are the most; send less")
        body = self._connection.incoming.read(length)
        if len(body) != length:
            self._goes_on = False
            raise BadCall(f"the body ended after {len(body)} of {length} bytes; send it whole")
        return body

    def _discard(self, length: int) -> None:
        """A caller hears the refusal only once it has sent its body; a boundless one is cut off."""
        self._goes_on = False
        left = min(length, 2 * MAX_RAW_BYTES)
        while left > 0 and (part := self._connection.incoming.read(min(left, DISCARD_BYTES))):
            left -= len(part)

    def _send(self, status: int, answer: Answer, cpu_ms: float = 0.0) -> None:
        headers = {
            "Content-Type": answer.content_type,
            "S4M-Quantity": str(answer.quantity),
            "S4M-Cpu-Ms": f"{cpu_ms:.3f}",
            "S4M-Info": encode_info(answer.info),
            **answer.headers,
        }
        self._connection.answer(status, headers, answer.body)

    def _refuse(self, refusal: CallRefused) -> None:
        problem = {"title": str(refusal), "status": refusal.status, "code": refusal.code}
        self._send(refusal.status, Answer(json.dumps(problem).encode(), "application/problem+json", 0))


def _json_object(body: bytes) -> dict[str, Any]:
    if _nesting(body) > MOST_NESTED:
        raise BadCall(f"the body nests deeper than {MOST_NESTED}; send a flatter JSON object")
    try:
        value = json.loads(body or b"{}", parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, RecursionError) as cause:
        raise BadCall(f"the body is not JSON ({cause}); send a JSON object") from cause
    if not isinstance(value, dict):
        raise BadCall("the body is not a JSON object; send one")
    return value


def _nesting(body: bytes) -> int:
    """How deep the body may nest: an upper bound, brackets inside strings counted too. The parser recurses on the
    thread's small stack, which newer Pythons no longer guard."""
    if body.count(b"[") + body.count(b"{") <= MOST_NESTED:
        return 0
    depth = deepest = 0
    for byte in body:
        if byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"{digits} is beyond every number")
    return number


def _stop(signal_number: int, frame: object) -> None:  # noqa: ARG001
    raise SystemExit(0)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Serves one MaaS model on a Unix socket.")
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--socket", help="path of the Unix socket to listen on")
    place.add_argument("--listen-fd", type=int, help="an inherited socket that listens already: a sandbox's only door")
    parser.add_argument("--instance", default="", help="id of this instance, told by /health")
    parser.add_argument("--grant", default="{}", help="JSON object: resources granted to this instance")
    return parser.parse_args(argv)


def run(program: Program, argv: Sequence[str] | None = None) -> None:
    """Serves until SIGTERM or SIGINT; the socket appears only when calls can be answered."""
    arguments = _arguments(argv)
    grant = parse_grant(_json_object(arguments.grant.encode()))
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    threading.stack_size(THREAD_STACK_BYTES)
    if arguments.listen_fd is not None:
        _serve(socket.socket(fileno=arguments.listen_fd), program, arguments.instance, grant)
        return
    _remove(arguments.socket)
    try:
        _serve(_listener(arguments.socket), program, arguments.instance, grant)
    finally:
        _remove(arguments.socket)


def _remove(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)


def _listener(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    os.chmod(path, 0o600)
    listener.listen(BACKLOG)
    return listener


def _serve(listener: socket.socket, program: Program, instance: str, grant: Grant) -> None:
    with listener:
        _Server(listener, program, instance, grant).serve_forever()
