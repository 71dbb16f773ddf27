"""The callee proves itself too: `S4M-Callee: <jkt>.<signature>` binds its enrolled key to one proof and one status.

Written by the gate that was given an identity, checked by `GateAuth(…, enrolment=…)`. The body is not covered: that is
the transport's task.
"""

from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from trust.encoding import b64url, unb64url
from trust.enrolment import EnrolmentView
from trust.errors import CalleeUnproven, KeyNotEnrolled, KeyRevoked
from trust.keys import ComponentIdentity

HEADER = "S4M-Callee"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the callee vouches for: it answered the request of this proof with this status."""

    proof: str
    method: str
    status: int

    def message(self, component: str) -> bytes:
        proof = b64url(sha256(self.proof.encode()).digest())
        return f"s4m-callee\0{component}\0{proof}\0{self.method}\0{self.status}".encode()


def sign(identity: ComponentIdentity, answer: Answer) -> str:
    private = identity.key.private
    if not isinstance(private, Ed25519PrivateKey):
        raise TypeError("a component's key is Ed25519")
    return f"{identity.jkt}.{b64url(private.sign(answer.message(identity.component)))}"


def verify(header: str, answer: Answer, component: str, view: EnrolmentView, now: float) -> None:
    """CalleeUnproven unless an enrolled key of `component` signed exactly this answer."""
    jkt, _, signature = header.partition(".")
    try:
        view.key(component, jkt, now).verify(unb64url(signature), answer.message(component))
    except (KeyNotEnrolled, KeyRevoked, InvalidSignature, ValueError) as error:
        raise CalleeUnproven(f"The answer does not come from an enrolled key of {component}.") from error
