"""`s4m buy`: quote, show the cost, ask, sign, order, wait until the service is active."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from s4m.command import Session, common, credits_of
from s4m.completion import FOR_SALE, WALLETS
from s4m.spending import Bill, Choice, agreed, spends
from s4m.wallet import PASSWORD_FILE

if TYPE_CHECKING:
    from ledger.rehearsal import Rehearsal
    from ledger.values import Address
    from marketplace.wallet.client import Cost, MarketClient, Purchase

DEFAULT_OBJECTS = [{"object": kind, "attention": 3} for kind in range(0, 56, 7)]
"""What a plain request looks at, where the service shows anything: eight of the beach's 56 kinds, all alike."""
DEFAULT_QOE = {"immersion_floor": 0.5, "rate_mbps": 250, "latency_ms": 1.5, "reliability": 0.99}


@click.command()
@click.argument("what", shell_complete=FOR_SALE)
@click.option("--wallet", "wallet_name", required=True, shell_complete=WALLETS, help="Whose money, by wallet name.")
@click.option("--cap", default=20_000, show_default=True, help="The most billable units it may ever cost.")
@click.option("--periods", default=1, show_default=True, help="Prepaid periods (0 where the plan has none).")
@click.option(
    "--document",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Request (s4m/request/2); else a plain one.",
)
@click.option(
    "--isolation",
    type=click.IntRange(0, 2),
    help="0 shared with all, 1 within the cluster, 2 dedicated; else what the document asks or the plan sells.",
)
@click.option("--timeout", default=60.0, show_default=True, help="Seconds to wait for the service.")
@click.option("--no-wait", is_flag=True, help="Order only; `s4m subscriptions await` takes it over.")
@spends
@PASSWORD_FILE
@common
def buy(
    session: Session,
    what: str,
    wallet_name: str,
    cap: int,
    periods: int,
    document: Path | None,
    isolation: int | None,
    timeout: float,
    no_wait: bool,
    password_file: Path | None,
    choice: Choice,
) -> None:
    """Buy WHAT: a plan id, or the name of a model or service. Each degree of isolation has a plan, at its own price."""
    from s4m.connect import market, signer, wallets
    from s4m.progress import handed_over

    store = wallets(session)
    buyer = store.address(wallet_name)
    with market(session) as client:
        own = _document(document)
        plan_id, degree = _plan(client, what, isolation if isolation is not None else own.get("isolation"))
        terms = client.contracts.catalog.plan(plan_id).terms
        request = _fitting(own, degree) if own else _plain(client, plan_id, degree)
        cost = client.cost(buyer, plan_id, cap, periods if terms.period else 0)
        _tell(session, cost, degree, _others(client, plan_id))
        if not agreed(session, client.chain, _bill(buyer, cost), partial(_play, client, cost), choice):
            return
        with signer(session, wallet_name, password_file) as lent:
            bought = client.buy_only(
                lent, plan_id, request, cap, cost.periods, store=store, agree=lambda quoted: _same(cost, quoted)
            )
        session.say(f"ordered: subscription {bought.subscription_id} (tx {bought.tx_hash})")
        if not no_wait:
            bought = handed_over(session, client, bought, timeout)
    session.show(_answer(bought))


def _bill(buyer: Address, cost: Cost) -> Bill:
    facts = {
        "planId": str(cost.plan_id), "cap": str(cost.cap), "unitPrice": str(cost.unit_price),
        "periods": cost.periods, "periodPrice": str(cost.period_price), "fromWallet": str(cost.permit),
    }  # fmt: skip
    what = f"Sign the order for {credits_of(cost.total)}"
    return Bill(what, buyer, cost.total, relayed=True, facts=facts)


def _play(client: MarketClient, cost: Cost, rehearsal: Rehearsal) -> dict[str, Any]:
    """The purchase as the buyer itself would send it: what the relayer sends needs a signature, and does the same.

    Raises Reverted where it would be refused: for want of money, of a closed plan, of units.
    """
    from ledger.keys import WalletKey

    market = client.contracts.market
    if cost.permit:
        rehearsal.send(client.contracts.credit.approve(market.address, cost.permit))
    some_key = WalletKey.create().address
    rehearsal.send(market.buy(cost.plan_id, some_key, cost.cap, cost.periods, bytes(32)))
    return {}


def _same(shown: Cost, quoted: Cost) -> None:
    """Nothing is signed but what was shown."""
    from marketplace.errors import QuoteDiffers

    if shown != quoted:
        why = f"the account at the market changed meanwhile: {quoted} is not what was shown."
        raise QuoteDiffers(why, remedy="Run it again, and look at the new figures.")


def _document(path: Path | None) -> dict[str, Any]:
    """The buyer's own request document; empty where none is given."""
    import json

    from s4m.errors import BadInput

    if path is None:
        return {}
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise BadInput(f"{path} is no JSON object: {error}.", "Give an s4m/request/2 document.") from error


def _plan(client: MarketClient, what: str, isolation: int | None) -> tuple[int, int]:
    """The plan to buy and the degree that it sells. Of a name the degree chooses the plan; a plan sells its own."""
    from s4m.errors import BadInput

    if not what.isdecimal():
        return client.plan_of_service(what, isolation or 0), isolation or 0
    sold = client.isolation_of(int(what))
    if isolation not in (None, sold):
        fitting = _others(client, int(what)).get(int(isolation or 0))
        remedy = f"Buy plan {fitting['planId']}." if fitting else "Choose among `s4m catalog show MODEL`."
        raise BadInput(f"plan {what} sells isolation degree {sold}, not {isolation}.", remedy)
    return int(what), sold


def _others(client: MarketClient, plan_id: int) -> Mapping[int, Mapping[str, Any]]:
    """The plans of the same model, by degree."""
    from ledger.values import model_of
    from marketplace.wallet.plans import degree_plans

    return degree_plans(client.model(model_of(plan_id)))


def _fitting(document: dict[str, Any], degree: int) -> dict[str, Any]:
    from s4m.errors import BadInput

    if document.get("isolation", 0) != degree:
        asked = document.get("isolation", 0)
        remedy = f"Write isolation {degree} into the document, or buy the plan of degree {asked}."
        raise BadInput(f"the document asks for isolation degree {asked}, the plan sells {degree}.", remedy)
    return document


def _plain(client: MarketClient, plan_id: int, isolation: int) -> dict[str, Any]:
    """A plain request for what the plan's model sells."""
    from ledger.values import model_of

    spec = client.model(model_of(plan_id))["spec"] or {}
    shows = any(operation.get("immersion") for operation in spec.get("operations", {}).values())
    return {
        "schema": "s4m/request/1", "scenario": spec.get("scenario", "virtual_travelling"),
        "service": spec.get("name", str(plan_id)), "users": 1, "isolation": isolation,
        "qoe": {name: asked for name, asked in DEFAULT_QOE.items() if shows or name != "immersion_floor"},
        "objects": DEFAULT_OBJECTS if shows else [],
    }  # fmt: skip


def _tell(session: Session, cost: Cost, degree: int, plans: Mapping[int, Mapping[str, Any]]) -> None:
    """What will be reserved, and what other degrees of isolation cost."""
    from s4m.catalog import MEANING

    others = "; ".join(f"degree {other} {credits_of(int(plan['unitPrice']))}" for other, plan in plans.items())
    session.say(
        f"plan {cost.plan_id}: isolation degree {degree}, {MEANING[degree]} (a unit costs: {others})\n"
        f"at most {cost.cap} units at {credits_of(cost.unit_price)}, "
        f"{cost.periods} period(s) at {credits_of(cost.period_price)}\n"
        f"reserves {credits_of(cost.total)}, of which {credits_of(cost.permit)} from the wallet by permit; "
        "what is not used comes back"
    )


def _answer(bought: Purchase) -> dict[str, Any]:
    return {
        "subscriptionId": str(bought.subscription_id),
        "state": bought.service.get("state", "ordered"),
        "orderId": bought.order_id,
        "txHash": bought.tx_hash,
        "total": str(bought.cost.total),
        "endpoint": bought.endpoint,
        "endpointHash": bought.endpoint_hash,
        "msi": bought.service.get("msi"),
        "reused": bought.service.get("reused"),
    }
