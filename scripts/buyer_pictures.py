"""The pictures of buyers' pages, for scripts/screenshots.py: how a visitor comes to each."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from browser.commands import ENVIRONMENT, buy, command, use
from browser.test_identity import Authenticator
from browser.yard import Visitor

from ledger.keys import WalletKey
from ledger.sender import Sender
from ledger.values import CREDIT, AssetId
from marketplace.wallet.keystore import WalletStore
from s4m.supervisor import House

CAPTIONS = {
    "catalogue": "Catalogue: what is for sale, with search and filters",
    "catalogue-filtered": "Catalogue, filtered: digital twins alone",
    "model": "A model: plans, promise against what was measured, meters, price calculator",
    "ask": "Asking in words: the empty form with examples",
    "asked": "Asking in words: what was understood, from which words, and the plans that sell it",
    "ask-question": "Asking in words: asked back",
    "buy": "Buying: the request, before a wallet is connected",
    "buy-words": "Buying: all that the wallet will be asked to sign, in words and field by field",
    "buy-refused": "Buying: refused in the wallet, nothing was spent",
    "buy-done": "Buying: through Step I, II and III to active",
    "services-empty": "My services, before anything was bought",
    "services": "My services",
    "service": "A service, read by anybody: use and money, the words of chain and orchestrator, what can be changed",
    "receipt": "A receipt: every movement of money with its transaction",
    "assets": "My assets: owned, rented out and for sale",
    "identity": "Signing in by wallet or passkey",
    "identity-signed-in": "Signed in, with a passkey that is bound on the chain",
    "not-found": "An address that does not exist",
    "forbidden": "A page that the visitor has no right to",
    "malformed": "Input that cannot be read",
}
WISH = "A walk over a virtual beach for four friends with headsets this evening, 300 Mb/s, nobody else on it"
BEACH = "virtual-beach-travel"
WIDE = json.dumps({"objects": list(range(0, 56, 7)), "view": {"x": 0, "y": 0, "yaw": 0, "t": 0}, "format": "jpeg"})
"""A frame that shows what the request asks to see."""
Walk = Callable[[Visitor], None]


def walks(house: House, wanted: Sequence[str]) -> dict[str, Walk]:
    """Name → walk; buys, uses and makes first what the wanted pages show."""
    plan = house.plan_of(BEACH)
    found: dict[str, Walk] = {
        "catalogue": to("/"),
        "catalogue-filtered": to("/?serviceType=digital_twin&minQoe=&text="),
        "model": to(f"/models/{plan >> 32}"),
        "ask": to("/ask"),
        "asked": lambda visitor: ask(visitor, WISH),
        "ask-question": lambda visitor: ask(visitor, "something nice"),
        "buy": to(f"/buy?planId={plan}&cap=20000&periods=1"),
        "buy-words": lambda visitor: see_words(visitor, plan),
        "buy-refused": lambda visitor: refuse(visitor, plan),
        "buy-done": lambda visitor: purchase(visitor, plan),
        "services-empty": to(f"/services?account={WalletKey.create().address}"),
        "identity": sign_out,
        "identity-signed-in": sign_in,
        "not-found": to("/no/such/page"),
        "forbidden": to(f"/operator/decisions/{plan << 32 | 1}"),
        "malformed": to("/services?account=me"),
    }
    if set(wanted) & {"model", "services", "service", "receipt", "assets"}:
        found |= owned(house)
    return found


def to(path: str) -> Walk:
    return lambda visitor: visitor.open(path) and None


def ask(visitor: Visitor, text: str) -> None:
    page = visitor.open("/ask")
    page.get_by_label("What do you want").fill(text)
    page.get_by_role("button", name="Understand").click()
    page.locator("#found-title, .note.ask").first.wait_for()
    page.wait_for_load_state()


def see_words(visitor: Visitor, plan: int) -> None:
    page = visitor.open(f"/buy?planId={plan}&cap=20000&periods=1")
    if not page.get_by_role("button", name="disconnect").is_visible():
        visitor.connect()
    page.get_by_role("button", name=re.compile("Sign and buy")).wait_for()


def refuse(visitor: Visitor, plan: int) -> None:
    visitor.wallet.refuses.add("eth_signTypedData_v4")
    see_words(visitor, plan)
    visitor.page.get_by_role("button", name=re.compile("Sign and buy")).click()
    visitor.page.get_by_text("You refused in the wallet").wait_for()
    visitor.wallet.refuses.clear()


def purchase(visitor: Visitor, plan: int) -> None:
    see_words(visitor, plan)
    visitor.page.get_by_role("button", name=re.compile("Sign and buy")).click()
    visitor.page.get_by_role("link", name="To your service").wait_for(timeout=60_000)


def at_home(visitor: Visitor) -> None:
    """People sign in at localhost: passkeys are bound to that name."""
    visitor.page.goto(visitor.url.replace("127.0.0.1", "localhost") + "/identity")


def sign_out(visitor: Visitor) -> None:
    at_home(visitor)
    visitor.page.get_by_role("heading", name="Sign in", exact=True).wait_for()


def sign_in(visitor: Visitor) -> None:
    at_home(visitor)
    page = visitor.page
    Authenticator(page)
    visitor.connect()
    page.get_by_role("button", name="Sign in with the wallet").click()
    page.get_by_role("button", name="Add a passkey").click()
    page.get_by_role("button", name="Revoke").wait_for()


def owned(house: House) -> dict[str, Walk]:
    """Services that grace has bought and used, what she made there, and what another sells."""
    subscription = buy(house, "grace")
    command(house, "buy", "monitoring", "--wallet", "grace", "--yes")
    grace, souvenirs = key_of(house, "grace"), [make(house, subscription, seed) for seed in (1, 2, 3)]
    sell(house, grace, souvenirs[0], 5 * CREDIT // 2)
    lend(house, grace, souvenirs[1], WalletKey.create())
    theirs = make(house, buy(house, "linus"), 4)
    sell(house, key_of(house, "linus"), theirs, CREDIT)
    use(house, subscription, times=12, params=WIDE)
    return {
        "services": to(f"/services?account={grace.address}"),
        "service": to(f"/services/{subscription}"),
        "receipt": to(f"/services/{subscription}/receipt"),
        "assets": to(f"/assets?account={grace.address}"),
    }


def key_of(house: House, name: str) -> WalletKey:
    return WalletStore(house.home).open(name, ENVIRONMENT["S4M_WALLET_PASSWORD"])


def make(house: House, subscription: str, seed: int) -> AssetId:
    """A souvenir, minted."""
    out = Path(house.home) / f"souvenir-{seed}.png"
    params = json.dumps({"object": 7 * seed, "seed": seed, "size": 96})
    made = command(house, "use", subscription, "souvenir", "--params", params, "--out", str(out), "--mint")
    return AssetId(int(made["asset"]["assetId"]))


def sell(house: House, owner: WalletKey, asset: AssetId, price: int) -> None:
    with Sender(house.chain, owner) as sender:
        sender.send(house.contracts.assets.list_for_sale(asset, price))


def lend(house: House, owner: WalletKey, asset: AssetId, user: WalletKey) -> None:
    until = house.chain.latest().timestamp + 86_400
    with Sender(house.chain, owner) as sender:
        sender.send(house.contracts.assets.set_user(asset, user.address, until))
