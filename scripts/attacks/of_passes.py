"""Attacks of delegates: a pass made wider, longer, for somebody else, spent twice, or used after it was taken back."""

import secrets
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ledger.keys import WalletKey
from ledger.typed_data import Domain, PassRevocation, sign
from ledger.values import SubscriptionId, address, to_hex
from scripts.attacks.case import Attack, Forge, Outcome, fresh_id, outcome
from trust import jws, passes, tokens
from trust.keys import ProofKey
from trust.passes import Limits

AT = ("gateway",)
REFUSED, SPENT, ENDED, DENIED = ("pass_refused",), ("pass_spent",), ("signed_out",), ("not_allowed",)
Document = dict[str, Any]


def _limits(units: int = 10, operations: Sequence[str] = ("call",), lasts: int = 600) -> Limits:
    return Limits(frozenset(operations), units, int(time.time()) + lasts)


class Friend:
    """A key and a pass for it; `at` is the forge of the gateway."""

    def __init__(self, at: Forge, document: Document, key: ProofKey) -> None:
        self.at = at
        self.document = document
        self.key = key
        self.token = ""  # nosec B105 — none yet

    @classmethod
    def of_buyer(
        cls, at: Forge, limits: Limits | None = None, signer: WalletKey | None = None, domain: Domain | None = None
    ) -> "Friend":
        """With a pass of the first subscription's buyer, or of whoever else signs it."""
        sold, key = at.ground.sold[0], ProofKey.generate()
        where = domain or at.ground.domain
        return cls(
            at, passes.grant(signer or sold.buyer, where, sold.subscription_id, key.jkt, limits or _limits()), key
        )

    @property
    def last(self) -> passes.Pass:
        return passes.read(self.document, self.at.ground.domain).last

    def child(self, limits: Limits | None = None) -> "Friend":
        """Another friend, with a pass rightly made of this one."""
        key = ProofKey.generate()
        made = passes.narrow(self.document, self.at.ground.domain, self.key, key.jkt, limits or _limits(lasts=500))
        return Friend(self.at, made, key)

    def forged_child(self, signer: ProofKey | None = None, **claims: Any) -> "Friend":
        """As `child`, but nobody looks whether the link is within this pass, or who signs it."""
        key, by, limits = ProofKey.generate(), signer or self.key, _limits(lasts=500)
        good = {
            "parent": self.last.id, "jkt": key.jkt, "operations": sorted(limits.operations),
            "units": str(limits.units), "expires": limits.expires, "salt": to_hex(secrets.token_bytes(32)),
        }  # fmt: skip
        link = jws.sign({"typ": passes.TYP, "jwk": by.jwk}, {**good, **claims}, by)
        return Friend(self.at, {**self.document, "links": [*self.document["links"], link]}, key)

    def show(self) -> Outcome:
        """Opens a session at the gateway."""
        answer = self.at.post("/pass-sessions", {"document": self.document}, self.key)
        self.token = str(answer.json().get("token", "")) if answer.status_code == 200 else ""
        return outcome(answer)

    def use(self, operation: str = "call", subscription: SubscriptionId | None = None) -> Outcome:
        """One use; opens the session first where there is none."""
        if not self.token:
            shown = self.show()
            if not self.token:
                return shown
        path = f"/use/{subscription or self.at.ground.sold[0].subscription_id}"
        asked = {"requestId": fresh_id(), "operation": operation}
        return outcome(self.at.post(path, asked, self.key, self.token))

    def use_up(self) -> None:
        """All units of the pass, one use each."""
        for _ in range(self.last.units):
            made = self.use()
            assert made.status == 200, made

    def revoke(self, signer: WalletKey | None = None) -> Outcome:
        """By the buyer, or whoever else signs it."""
        sold = self.at.ground.sold[0]
        word = PassRevocation(sold.subscription_id, bytes.fromhex(self.last.id))
        signature = to_hex(sign(signer or sold.buyer, self.at.ground.domain, word))
        body = {"passId": f"0x{self.last.id}", "signature": signature}
        return outcome(self.at.post(f"/passes/{sold.subscription_id}/revocations", body))


def _wider(**claims: Any) -> Any:
    return lambda forge: Friend.of_buyer(forge).forged_child(**claims).show()


def _root(**changed: Any) -> Any:
    """A root that was changed after it was signed."""

    def play(forge: Forge) -> Outcome:
        friend = Friend.of_buyer(forge)
        friend.document = {**friend.document, "root": {**friend.document["root"], **changed}}
        return friend.show()

    return play


def _other_subscription(forge: Forge) -> Outcome:
    """The very pass, with the number of another subscription of the same buyer in its place."""
    played: Outcome = _root(subscriptionId=str(forge.ground.sold[1].subscription_id))(forge)
    return played


def _used_elsewhere(forge: Forge) -> Outcome:
    return Friend.of_buyer(forge).use(subscription=forge.ground.sold[1].subscription_id)


def _too_long(forge: Forge) -> Outcome:
    friend = Friend.of_buyer(forge)
    for depth in range(1, passes.MOST):
        friend = friend.child(_limits(10 - depth, lasts=500 - depth))
    return friend.forged_child(units="1", expires=int(time.time()) + 60).show()


def _middle_left_out(forge: Forge) -> Outcome:
    last = Friend.of_buyer(forge).child(_limits(5, lasts=500)).child(_limits(2, lasts=400))
    last.document = {**last.document, "links": last.document["links"][1:]}
    return last.show()


def _of_another_pass(forge: Forge) -> Outcome:
    """A link of a wide pass, hung on a narrow one of the same holder."""
    wide, narrow = Friend.of_buyer(forge, _limits(10)), Friend.of_buyer(forge, _limits(1))
    child = wide.child()
    child.document = {**narrow.document, "links": child.document["links"]}
    return child.show()


def _stolen(forge: Forge) -> Outcome:
    friend = Friend.of_buyer(forge)
    friend.key = ProofKey.generate()
    return friend.show()


def _stolen_session(forge: Forge) -> Outcome:
    friend = Friend.of_buyer(forge)
    friend.show()
    friend.key = ProofKey.generate()
    return friend.use()


def _elsewhere(**changed: Any) -> Any:
    """Signed by the buyer for another market, or the same market of another chain."""
    return lambda forge: Friend.of_buyer(forge, domain=replace(forge.ground.domain, **changed)).show()


def _after_the_parents_units(forge: Forge) -> Outcome:
    parent = Friend.of_buyer(forge, _limits(2))
    child = parent.child(_limits(2, lasts=500))
    child.show()
    parent.use_up()
    return child.use()


def _spent_by_both_children(forge: Forge) -> Outcome:
    parent = Friend.of_buyer(forge, _limits(2))
    children = [parent.child(_limits(2, lasts=500)) for _ in range(2)]
    children[0].use_up()
    return children[1].use()


def _shown_again_when_spent(forge: Forge) -> Outcome:
    friend = Friend.of_buyer(forge, _limits(1))
    friend.use_up()
    friend.token = ""  # nosec B105 — shown anew
    return friend.use()


def _ancestor_revoked(forge: Forge) -> Outcome:
    parent = Friend.of_buyer(forge)
    child = parent.child()
    parent.revoke()
    return child.show()


def _ancestor_revoked_in_use(forge: Forge) -> Outcome:
    parent = Friend.of_buyer(forge)
    child = parent.child()
    child.use()
    parent.revoke()
    return child.use()


def _revoked_unseen(forge: Forge) -> Outcome:
    friend = Friend.of_buyer(forge)
    friend.revoke()
    return friend.show()


def _at_the_buyers(method: str, path: str) -> Any:
    """With a delegate's good token, at a route of the buyer's own session."""

    def play(forge: Forge) -> Outcome:
        friend = Friend.of_buyer(forge)
        friend.show()
        at = path.format(forge.ground.sold[0].subscription_id)
        proof = forge.proof(friend.token, friend.key, method=method, url=forge.target.url + at)
        return forge.send(friend.token, proof, method=method, path=at)

    return play


def _never_shown(forge: Forge) -> Outcome:
    """A token that the gateway could have minted, standing on a pass that was never shown to it."""
    friend, gateway = Friend.of_buyer(forge), forge.ground.identities["gateway"]
    subject = f"subscription:{forge.ground.sold[0].subscription_id}"
    options = {"audience": "gateway", "now": forge.now, "scope": ("session",), "subject": subject}
    friend.token = tokens.mint(gateway, jkt=friend.key.jkt, standing=friend.last.id, **options)  # type: ignore[arg-type]
    return friend.use()


FAR = 1 << 39
ELSEWHERE = address("0x" + "11" * 20)
ATTACKS = [
    Attack("pass with more units", "a link of eleven, made of a pass of ten", REFUSED, _wider(units="11"), AT),
    Attack("pass without end of units", "the most that fits", REFUSED, _wider(units=str(passes.MOST_UNITS)), AT),
    Attack("pass for more operations", "another beside the one allowed", REFUSED,
        _wider(operations=["call", "frame"]), AT),
    Attack("pass for another operation", "in place of the one allowed", REFUSED, _wider(operations=["frame"]), AT),
    Attack("pass for a longer time", "a link that outlives its pass", REFUSED, _wider(expires=FAR), AT),
    Attack("pass of negative units", "that would give back", REFUSED, _wider(units="-1"), AT),
    Attack("pass with a field more", "a scope that nobody knows", REFUSED, _wider(scope="*"), AT),
    Attack("pass of no parent", "a link that hangs on nothing", REFUSED, _wider(parent=""), AT),
    Attack("link of another pass", "of the same holder, but wider", REFUSED, _of_another_pass, AT),
    Attack("chain longer than four", "one pass more", REFUSED, _too_long, AT),
    Attack("chain with a link left out", "the narrow one in the middle", REFUSED, _middle_left_out, AT),
    Attack("link signed by a non-holder", "whoever saw the pass makes one of it", REFUSED, lambda f: (
        Friend.of_buyer(f).forged_child(signer=ProofKey.generate()).show()), AT),
    Attack("pass signed by a stranger", "no buyer, no session key", REFUSED, lambda f: (
        Friend.of_buyer(f, signer=WalletKey.create()).show()), AT),
    Attack("pass signed by another buyer's session key", "of another subscription", REFUSED, lambda f: (
        Friend.of_buyer(f, signer=f.ground.sold[1].session).show()), AT),
    Attack("pass changed: units", "after the buyer signed it", REFUSED, _root(units="1000"), AT),
    Attack("pass changed: time", "after the buyer signed it", REFUSED, _root(expires=FAR), AT),
    Attack("pass changed: operations", "after the buyer signed it", REFUSED, _root(operations=["call", "frame"]), AT),
    Attack("pass changed: holder", "made out to the thief", REFUSED, _root(jkt=ProofKey.generate().jkt), AT),
    Attack("pass replayed under another subscription", "its number in the place of the first", REFUSED,
        _other_subscription, AT),
    Attack("delegate at another subscription", "a good session, another number in the path", DENIED,
        _used_elsewhere, AT),
    Attack("pass for another chain", "the same market, another chain id", REFUSED, _elsewhere(chain_id=1), AT),
    Attack("pass for another market", "another contract of this chain", REFUSED,
        _elsewhere(verifying_contract=ELSEWHERE), AT),
    Attack("stolen pass", "shown with the thief's own proof", REFUSED, _stolen, AT),
    Attack("stolen delegate's token", "with the thief's own proof", ("proof_invalid",), _stolen_session, AT),
    Attack("pass that has ended", "a second ago", REFUSED, lambda f: Friend.of_buyer(f, _limits(lasts=-1)).show(), AT),
    Attack("operation that the pass does not allow", "in a good session", REFUSED, lambda f: (
        Friend.of_buyer(f).use("frame")), AT),
    Attack("used after the parent's units", "the child's own are left", SPENT, _after_the_parents_units, AT),
    Attack("same units spent by two children", "each within its own", SPENT, _spent_by_both_children, AT),
    Attack("spent pass shown again", "a new session of the same pass", SPENT, _shown_again_when_spent, AT),
    Attack("pass of a revoked ancestor", "shown for the first time", REFUSED, _ancestor_revoked, AT),
    Attack("session of a revoked ancestor", "in the midst of its use", ENDED, _ancestor_revoked_in_use, AT),
    Attack("pass revoked before it was shown", "nobody had seen it", REFUSED, _revoked_unseen, AT),
    Attack("revocation by a stranger", "to lock a friend out", REFUSED, lambda f: (
        Friend.of_buyer(f).revoke(WalletKey.create())), AT),
    Attack("token on a pass that was never shown", "a right token, an unknown standing", ENDED, _never_shown, AT),
    Attack("delegate reads the buyer's log", "its token at /usage/…/log", DENIED, _at_the_buyers(
        "GET", "/usage/{}/log"), AT),
    Attack("delegate signs the buyer's voucher", "its token at /vouchers/…", DENIED, _at_the_buyers(
        "POST", "/vouchers/{}"), AT),
    Attack("delegate reads others' passes", "its token at /passes/…", DENIED, _at_the_buyers("GET", "/passes/{}"), AT),
]  # fmt: skip
