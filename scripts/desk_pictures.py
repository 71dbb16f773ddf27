"""The pictures of desks, explorer and auditor, for scripts/screenshots.py: how a visitor comes to each page."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from browser.commands import buy, command, use
from browser.yard import Visitor

from s4m.supervisor import House
from scripts.buyer_pictures import WIDE

CAPTIONS = {
    "auditor": "Auditor: a usage log proven in the browser against the chain",
    "explorer": "Explorer: contracts, newest events, blocks",
    "explorer-block": "Explorer: a block",
    "explorer-transaction": "Explorer: a transaction, its call decoded",
    "explorer-address": "Explorer: an account",
    "explorer-life": "Explorer: a subscription's life",
    "provider": "Provider desk: plans, earnings, promise against what was measured",
    "operator-sign-in": "Operator desk, before the pass is shown",
    "operator": "Operator desk: pool, clusters, service instances, decisions",
    "decision": "Operator desk: why a service stands as it stands",
    "faucet": "Faucet of a devnet",
    "burner": "The burner wallet's question",
}


def walks(house: House, wanted: Sequence[str]) -> dict[str, Callable[[Visitor], None]]:
    """Name → walk; buys and uses a service first where one of these is wanted."""
    if not set(wanted) & set(CAPTIONS):
        return {}
    subscription = buy(house, "pictures")
    log = use(house, subscription, times=12, params=WIDE)
    owner = house.contracts.catalog.owner_of(int(subscription) >> 64)
    market = house.contracts.market
    bought = house.chain.logs(house.deployment.block_number, house.chain.latest().number, {"market": market.address})
    purchase = next(event.tx_hash for event in bought if event.name == "Subscribed")
    operator_pass = str(command(house, "trust", "pass")["pass"])
    return {
        "auditor": lambda visitor: audit(visitor, log),
        "explorer": lambda visitor: look(visitor, "/explorer"),
        "explorer-life": lambda visitor: look(visitor, f"/explorer/subscriptions/{subscription}"),
        "explorer-block": lambda visitor: look(visitor, f"/explorer/blocks/{bought[-1].block_number}"),
        "explorer-address": lambda visitor: look(visitor, f"/explorer/addresses/{owner}"),
        "explorer-transaction": lambda visitor: look(visitor, f"/explorer/transactions/{purchase}"),
        "faucet": lambda visitor: look(visitor, "/faucet"),
        "burner": make_burner,
        "operator-sign-in": sign_out,
        "operator": lambda visitor: sign_in(visitor, operator_pass),
        "decision": lambda visitor: explain(visitor, operator_pass, subscription),
        "provider": lambda visitor: look(visitor, f"/provider?account={owner}"),
    }


def look(visitor: Visitor, path: str) -> None:
    visitor.open(path)


def audit(visitor: Visitor, log: str) -> None:
    page = visitor.open("/auditor")
    page.get_by_label("Usage log (JSONL)").fill(log)
    page.get_by_role("button", name="Audit", exact=True).click()
    page.get_by_text("In order.").wait_for()


def make_burner(visitor: Visitor) -> None:
    page = visitor.open("/faucet")
    if page.get_by_role("button", name="disconnect").is_visible():
        page.get_by_role("button", name="disconnect").click()
    page.get_by_role("button", name="Connect wallet", exact=True).click()
    page.get_by_role("button", name="Burner wallet (devnet)").click()
    page.get_by_role("heading", name="Make a burner wallet?").wait_for()


def sign_in(visitor: Visitor, operator_pass: str) -> None:
    sign_out(visitor)
    visitor.page.get_by_label("Operator pass").fill(operator_pass)
    visitor.page.get_by_role("button", name="Open the desk").click()
    visitor.page.get_by_role("button", name="Sign out").wait_for()


def sign_out(visitor: Visitor) -> None:
    page = visitor.open("/operator")
    if page.get_by_role("button", name="Sign out").is_visible():
        page.get_by_role("button", name="Sign out").click()


def explain(visitor: Visitor, operator_pass: str, subscription: str) -> None:
    sign_in(visitor, operator_pass)
    visitor.open(f"/operator/decisions/{subscription}")
