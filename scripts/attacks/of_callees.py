"""Attacks on the caller: somebody else answers where a component should, with whatever a thief could hold.

The program under attack is sent on an errand that makes it call a component; an impostor answers. It must use nothing
of the answer: whoever asked is told that the component is not there, and the program's journal tells why.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ledger.typed_data import Activation, sign
from ledger.values import to_hex
from scripts.attacks.case import Attack, Forge, Outcome
from scripts.attacks.impostor import Lie
from trust import callee
from trust.callee import Call
from trust.keys import ComponentIdentity
from trust.proofs import digest

CALLERS = ("marketplace", "orchestrator")
UNUSED = ("orchestrator_down", "peer_unavailable")


@dataclass(frozen=True)
class Errand:
    """Makes a program call `component`; `good` is an answer that it would use, were it the component's."""

    component: str
    good: bytes
    run: Callable[[Forge], Outcome]


def _activate(forge: Forge) -> Outcome:
    """The marketplace hands a session key's signature on to the orchestrator."""
    sold = forge.ground.sold[0]
    word = Activation(sold.subscription_id, bytes(32))
    signature = sign(sold.session, forge.ground.domain, word)
    body = json.dumps({"endpointHash": to_hex(bytes(32)), "signature": to_hex(signature)}).encode()
    path = f"/api/v1/subscriptions/{sold.subscription_id}/activation"
    return forge.send(method="POST", path=path, body=body, headers={"Content-Type": "application/json"})


def _instances(forge: Forge) -> Outcome:
    """The orchestrator hands VMOF's instances out to the marketplace."""
    token = forge.token()
    proof = forge.proof(token, method="GET", url=f"{forge.target.url}/instances")
    return forge.send(token, proof, method="GET", path="/instances")


ERRANDS = {
    "marketplace": Errand("orchestrator", b'{"subscriptionId":"1","accepted":true}', _activate),
    "orchestrator": Errand("vmof", b'{"instances":[]}', _instances),
}


def signed(identity: ComponentIdentity, call: Call, status: int, body: bytes) -> Lie:
    """An answer as its callee would sign it."""
    return Lie(status, body, callee.sign(identity, call, status, digest(body)))


def run(forge: Forge, lie: Callable[[Call, bytes], Lie]) -> Outcome:
    """The errand of the attacked program, with this answer to its call."""
    errand = ERRANDS[forge.target.app]
    forge.ground.impostor.lies[forge.target.app] = lambda call: lie(call, errand.good)
    return errand.run(forge)


def _lie(lie: Callable[[Forge, Call, bytes], Lie]) -> Any:
    return lambda forge: run(forge, lambda call, good: lie(forge, call, good))


def _own(forge: Forge) -> ComponentIdentity:
    """The key of the component that was called: what the impostor heard it sign, never what it signs itself."""
    return forge.ground.identities[ERRANDS[forge.target.app].component]


def _by(kind: str) -> Any:
    """Signed rightly, by a key that is not (or no more) the component's."""
    return _lie(lambda f, call, good: signed(f.ground.strangers[kind][call.component], call, 200, good))


def _replayed(forge: Forge) -> Outcome:
    """The component's own answer to the same request of a moment ago."""
    errand, heard = ERRANDS[forge.target.app], []

    def keep(call: Call, good: bytes) -> Lie:
        heard.append(signed(_own(forge), call, 200, good))
        return heard[0]

    first = run(forge, keep)
    return errand.run(forge) if first.status < 300 else first


def _damaged(forge: Forge, call: Call, good: bytes) -> Lie:
    start, _, signature = signed(_own(forge), call, 200, good).proof.rpartition(".")
    return Lie(200, good, f"{start}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}")


def _other_body(forge: Forge, call: Call, good: bytes) -> Lie:
    return Lie(200, good.replace(b"}", b',"more":1}'), signed(_own(forge), call, 200, good).proof)


def _unbound_body(forge: Forge, call: Call, good: bytes) -> Lie:
    """The hash of the body that is sent, under the signature of another."""
    jkt, _, signature = signed(_own(forge), call, 200, b"{}").proof.split(".")
    return Lie(200, good, f"{jkt}.{digest(good)}.{signature}")


def _attack(name: str, what: str, play: Any) -> Attack:
    return Attack(name, what, UNUSED, play, CALLERS, statuses=(503,), journalled="callee_unproven")


ATTACKS = [
    _attack("impostor at the address", "answers well, signs nothing", _lie(lambda _forge, _call, good: Lie(200, good))),
    _attack("impostor's refusal", "an unsigned no, that would be final", _lie(
        lambda *_: Lie(409, b'{"code":"refused","detail":"no"}'))),
    _attack("impostor of an unknown key", "signed rightly, by a key that was never enrolled", _by("unknown")),
    _attack("callee's key revoked", "signed rightly, by its key of yesterday", _by("revoked")),
    _attack("callee of another house", "enrolled, in a domain that a stranger owns", _by("of another owner")),
    _attack("answer of another component", "signed rightly, by the gateway's enrolled key", _lie(
        lambda f, c, good: signed(f.ground.identities["gateway"], c, 200, good))),
    _attack("callee that takes another's name", "the gateway's key, the message of the component", _lie(
        lambda f, c, good: signed(ComponentIdentity(c.component, f.identity.domain,
                                                    f.ground.identities["gateway"].key), c, 200, good))),
    _attack("caller's own signature", "what it signs itself comes back to it", _lie(
        lambda f, c, good: signed(f.ground.identities[f.target.app], c, 200, good))),
    _attack("answer replayed", "the component's true answer to the request before", _replayed),
    _attack("answer to another method", "its true answer, to a PATCH of the same proof", _lie(
        lambda f, c, good: signed(_own(f), Call(c.component, "PATCH", c.path, c.proof), 200, good))),
    _attack("another status", "its true refusal, shown as a success", _lie(
        lambda f, c, good: Lie(200, good, signed(_own(f), c, 409, good).proof))),
    _attack("another body", "its true head over a changed body", _lie(_other_body)),
    _attack("body not covered", "the changed body's hash beside a true signature", _lie(_unbound_body)),
    _attack("callee's signature damaged", "one letter", _lie(_damaged)),
    _attack("garbage for a signature", "no parts", _lie(
        lambda _forge, _call, good: Lie(200, good, "garbage"))),
]  # fmt: skip
