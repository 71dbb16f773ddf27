"""The callee proves itself too: `S4M-Callee: <jkt>.<body>.<signature>` on every answer to a component's call.

The signature, by the callee's enrolled key, covers the proof of this very request (so that no answer serves twice), its
method, the answer's status and the SHA-256 of its body. Of an answer that is sent in pieces `body` is `-`: its bytes
are the transport's task. `Signing` writes the header inside the gate, `GateAuth` checks it by `Callees`. Answers to
people carry none: what they pay for is proven by records and vouchers. Models have no key: the gateway reaches them by
sockets that the runtime opened.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.datastructures import MutableHeaders
from starlette.types import Message, Send

from trust.encoding import b64url, unb64url
from trust.enrolment import Enrolment, EnrolmentView
from trust.errors import CalleeUnproven, EnrolmentUnreachable, KeyNotEnrolled, KeyRevoked, TrustError
from trust.journal import Decision, Journal
from trust.keys import ComponentIdentity, spiffe_id
from trust.proofs import digest

HEADER = "S4M-Callee"
STREAMED = "-"


class AnswerUnproven(CalleeUnproven, httpx.TransportError):
    """CalleeUnproven as the callers of httpx handle it: as if nobody had answered."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request to `component`; `proof` is its DPoP proof, `path` without the query."""

    component: str
    method: str
    path: str
    proof: str

    def message(self, status: int, body: str) -> bytes:
        """What the callee signs."""
        proof = digest(self.proof.encode())
        return f"s4m-callee\0{self.component}\0{proof}\0{self.method}\0{status}\0{body}".encode()


def sign(identity: ComponentIdentity, call: Call, status: int, body: str) -> str:
    """The header's value; `body` is `digest` of the answer's body, or STREAMED."""
    private = identity.key.private
    if not isinstance(private, Ed25519PrivateKey):
        raise TypeError("a component's key is Ed25519")
    return f"{identity.jkt}.{body}.{b64url(private.sign(call.message(status, body)))}"


def verify(header: str, call: Call, status: int, view: EnrolmentView, now: float) -> str:
    """The body's digest that the callee vouches for, or STREAMED.

    CalleeUnproven unless an enrolled key of the called component signed this status for this very call.
    """
    if not header:
        raise CalleeUnproven(f"{call.component} answered {status} and proved nothing.")
    jkt, _, rest = header.partition(".")
    body, _, signature = rest.partition(".")
    try:
        view.key(call.component, jkt, now).verify(unb64url(signature), call.message(status, body))
    except (KeyNotEnrolled, KeyRevoked) as error:
        raise CalleeUnproven(f"Not {call.component}'s key signed the answer: {error}") from error
    except (InvalidSignature, ValueError) as error:
        raise CalleeUnproven(f"{call.component} did not sign this answer to this request.") from error
    return body


def require_body(vouched: str, call: Call, body: bytes) -> None:
    """CalleeUnproven where the body is not the one that was vouched for."""
    if vouched not in (STREAMED, digest(body)):
        raise CalleeUnproven(f"The body is not the one that {call.component} signed.")


class Signing:
    """A `send` for one answer: its head waits until the first piece of the body tells what there is to sign."""

    def __init__(self, identity: ComponentIdentity, call: Call, send: Send) -> None:
        self._identity = identity
        self._call = call
        self._send = send
        self._head: Message | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._head = message
            return
        if self._head is not None:
            head, self._head = self._head, None
            await self._send(self._signed(head, message))
        await self._send(message)

    def _signed(self, head: Message, first: Message) -> Message:
        body = STREAMED if first.get("more_body", False) else digest(first.get("body", b""))
        signed = {**head, "headers": list(head.get("headers", []))}
        MutableHeaders(scope=signed)[HEADER] = sign(self._identity, self._call, head["status"], body)
        return signed


@dataclass(frozen=True)
class Callees:
    """By what a component judges who answers it. `journal` takes what it does not believe; a command keeps none."""

    enrolment: Enrolment
    journal: Journal | None = None

    @contextmanager
    def judging(self, caller: ComponentIdentity, call: Call, now: float) -> Iterator[None]:
        """AnswerUnproven, journalled, for what the block does not believe, or cannot look up the keys of."""
        try:
            yield
        except (CalleeUnproven, EnrolmentUnreachable) as error:
            self._record(caller, call, error, now)
            raise AnswerUnproven(str(error)) from error

    def _record(self, caller: ComponentIdentity, call: Call, error: TrustError, now: float) -> None:
        """Counted by the minute: whoever calls goes on trying."""
        if self.journal is None:
            return
        decision = Decision(
            app=caller.component,
            method=call.method,
            path=call.path,
            route="",
            outcome="deny",
            code=CalleeUnproven.code,
            reason=str(error),
            caller=spiffe_id(caller.domain, call.component),
        )
        self.journal.tally(decision, int(now * 1000))
