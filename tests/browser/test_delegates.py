"""The browser believes the same evidence of delegates' uses as the wallet does (marketplace/wallet/passes.py)."""

from __future__ import annotations

import time
from base64 import urlsafe_b64decode
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from typing import Any

import pytest
from playwright.sync_api import Browser

from ledger.keys import WalletKey
from ledger.typed_data import market_domain
from ledger.values import address
from marketplace.wallet.passes import delegated
from s4m.supervisor import House
from trust import jws, passes, proofs
from trust.keys import ProofKey
from trust.passes import Limits

MARKET = address("0x" + "11" * 20)
DOMAIN = market_domain(31_337, MARKET)
ID = 9 << 64
NOW = int(time.time())
BODY = b"a use"
BUYER, FRIEND, DEVICE, STRANGER = (
    WalletKey.create(),
    ProofKey.generate(),
    ProofKey.generate("ES256"),
    ProofKey.generate(),
)
LIMITS = Limits(frozenset({"frame", "weather"}), 500, NOW + 3_600)
NARROW = Limits(frozenset({"frame"}), 50, NOW + 60)
READ = """async ([told, market, id, granters]) => {
  const [{ delegatedHashes }, { marketDomain }] = await Promise.all(
    ['use/delegates', 'proof/typed_data'].map((name) => import(`/static/test/js/${name}.js`)));
  return delegatedHashes(told, marketDomain(31337, market), id, granters);
}"""


def root(key: WalletKey = BUYER, subscription: int = ID) -> dict[str, Any]:
    return passes.grant(key, DOMAIN, subscription, FRIEND.jkt, LIMITS)


def chain() -> dict[str, Any]:
    return passes.narrow(root(), DOMAIN, FRIEND, DEVICE.jkt, NARROW)


def relinked(key: ProofKey = FRIEND, **changes: Any) -> dict[str, Any]:
    """A chain whose link was signed with these claims changed, by this key."""
    document = chain()
    claims = {**jws.parse(document["links"][0], passes.TYP).claims, **changes}
    return {**document, "links": [jws.sign({"typ": passes.TYP, "jwk": key.jwk}, claims, key)]}


def proof(key: ProofKey, path: str = f"/use/{ID}", method: str = "POST", now: float = NOW) -> str:
    return proofs.prove(key, method=method, url=f"http://gateway{path}", body=BODY, token=None, now=now)


def told(document: dict[str, Any], evidence: str, pass_id: str | None = None) -> dict[str, Any]:
    """What a gateway says of one use by the document's last pass."""
    known = pass_id or last_id(document)
    return {"documents": [document], "uses": [{"seq": 0, "passId": known, "proof": evidence}]}


def last_id(document: dict[str, Any]) -> str:
    """Of a chain's last pass, whether or not the chain holds."""
    if not document["links"]:
        return passes.read(document, DOMAIN).last.id
    return sha256(jws.parse(document["links"][-1], passes.TYP).signing_input).hexdigest()


CASES: dict[str, tuple[bool, Callable[[], dict[str, Any]]]] = {
    "root": (True, lambda: told(root(), proof(FRIEND))),
    "through_the_passage": (True, lambda: told(root(), proof(FRIEND, f"/gateway/use/{ID}"))),
    "link_of_another_kind_of_key": (True, lambda: told(chain(), proof(DEVICE))),
    "granted_by_a_stranger": (False, lambda: told(root(WalletKey.create()), proof(FRIEND))),
    "of_another_subscription": (False, lambda: told(root(subscription=ID + 1), proof(FRIEND))),
    "proof_of_another_key": (False, lambda: told(root(), proof(STRANGER))),
    "proof_for_another_path": (False, lambda: told(root(), proof(FRIEND, f"/use/{ID + 1}"))),
    "proof_with_a_query": (False, lambda: told(root(), proof(FRIEND, f"/use/{ID}?again=1"))),
    "proof_of_another_method": (False, lambda: told(root(), proof(FRIEND, method="GET"))),
    "proof_after_the_end": (False, lambda: told(root(), proof(FRIEND, now=LIMITS.expires + 1))),
    "proof_that_is_none": (False, lambda: told(root(), "a.b.c")),
    "pass_that_was_not_shown": (False, lambda: told(root(), proof(FRIEND), "ab" * 32)),
    "link_by_a_stranger": (False, lambda: told(relinked(STRANGER), proof(DEVICE))),
    "link_with_more_units": (False, lambda: told(relinked(units="501"), proof(DEVICE))),
    "link_with_more_operations": (False, lambda: told(relinked(operations=["frame", "souvenir"]), proof(DEVICE))),
    "link_with_more_time": (False, lambda: told(relinked(expires=LIMITS.expires + 1), proof(DEVICE))),
    "link_of_another_parent": (False, lambda: told(relinked(parent="cd" * 32), proof(DEVICE))),
    "link_that_is_malformed": (False, lambda: told(relinked(operations=7), proof(DEVICE))),
}


@pytest.fixture(scope="module")
def believed(house: House, browser: Browser) -> dict[str, list[str]]:
    """Case → body hashes that the browser takes for shown."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(house.urls.marketplace + "/")
    found = {name: page.evaluate(READ, [_case(name), MARKET, str(ID), [BUYER.address]]) for name in CASES}
    context.close()
    return found


@cache
def _case(name: str) -> dict[str, Any]:
    """Made once: salts and proofs are fresh each time."""
    return CASES[name][1]()


@pytest.mark.parametrize("name", CASES)
def test_evidence_counts_in_the_browser_as_in_the_wallet(believed: dict[str, list[str]], name: str) -> None:
    ours = delegated(_case(name), DOMAIN, ID, {BUYER.address})
    hashes = ["0x" + urlsafe_b64decode(each + "=").hex() for each in ours.values()]
    assert believed[name] == hashes
    assert bool(hashes) == CASES[name][0]
