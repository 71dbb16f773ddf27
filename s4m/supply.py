"""`s4m supply offer|list|withdraw|statement|pay`: a provider's capacity in the pool, and what is paid for its use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from s4m.command import Session, common, credits_of, money_from, whole_number
from s4m.completion import ACCOUNTS, WALLETS
from s4m.spending import Bill, Choice, agreed, spends
from s4m.wallet import PASSWORD_FILE

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from ledger.rehearsal import Rehearsal
    from ledger.sender import Sender
    from ledger.signer import Signer
    from ledger.supply import SupplyOffer, SupplyWithdrawal
    from s4m.connect import OnChain

PAYER = "provider-worlds"
"""The account that pays suppliers: the house's own provider of whole services, whom their plans pay."""
FINAL_S = 60.0
"""How long a payment is waited for to become final, seconds."""

OWNER = click.option(
    "--account", default="provider-resources", show_default=True, shell_complete=ACCOUNTS,
    help="Owner's key in keys/accounts.",
)  # fmt: skip
WALLET = click.option(
    "--wallet", "wallet_name", shell_complete=WALLETS, help="The owner's wallet, instead of --account."
)


@click.group()
def supply() -> None:
    """Offer a model's capacity to the pool, withdraw it, see what was used of it, pay for it."""


@supply.command()
@click.argument("model_id")
@click.option("--amounts", required=True, help="JSON object of resources: '{\"computing_mcores\": 4000}'.")
@click.option("--prices", default="{}", help="JSON object: smallest units of money for one unit and hour, by resource.")
@click.option("--cap", default="0", show_default=True, help="Credits: the most that the offer may ever cost.")
@click.option("--site", default="site-1", show_default=True, help="Site of the pool where the capacity is.")
@click.option("--hours", default="24", show_default=True, help="How long the offer stands, unless withdrawn before.")
@OWNER
@WALLET
@PASSWORD_FILE
@common
def offer(
    session: Session,
    model_id: str,
    amounts: str,
    prices: str,
    cap: str,
    site: str,
    hours: str,
    account: str,
    wallet_name: str | None,
    password_file: Path | None,
) -> None:
    """Sign and hand in a supply offer of MODEL_ID, an infrastructure, platform, server or other CaaS model of yours."""
    import time

    from ledger.supply import SupplyOffer, hash_of
    from ledger.values import ModelId, Money
    from s4m.connect import on_chain

    number, until = whole_number(model_id, "MODEL_ID"), int(time.time()) + 3600 * whole_number(hours, "--hours")
    given, asked = _amounts(amounts, "--amounts"), _amounts(prices, "--prices")
    message = SupplyOffer(
        ModelId(number), site, hash_of(given), hash_of(asked), Money(money_from(cap)), until, _nonce()
    )
    with on_chain(session) as ground:
        signature = _signed(session, ground, message, account, wallet_name, password_file)
    body = {
        "modelId": str(number), "site": site, "amounts": given, "prices": asked, "payCap": str(message.pay_cap),
        "until": until, "nonce": str(message.nonce), "signature": signature,
    }  # fmt: skip
    session.show(_post(session, "/supply/offers", body, f"offer:{signature[2:66]}")["offer"])


@supply.command("list")
@common
def list_offers(session: Session) -> None:
    """All offers: where, how much, until when, and what was used of them."""
    session.show(_shown(session)["supplies"], "offer", "model", "site", "amounts", "until", "state", "earned", "due")


@supply.command()
@click.argument("offer_id")
@OWNER
@WALLET
@PASSWORD_FILE
@common
def withdraw(
    session: Session, offer_id: str, account: str, wallet_name: str | None, password_file: Path | None
) -> None:
    """Take an offer back. What stands on it is moved first; where there is no room for it, the refusal says so."""
    from ledger.supply import SupplyWithdrawal
    from ledger.values import ModelId, from_hex
    from marketplace.errors import ProblemAnswer
    from s4m.connect import on_chain
    from s4m.errors import BadInput

    known = next((one for one in _shown(session)["supplies"] if one["offer"] == offer_id), None)
    if known is None:
        raise BadInput(f"No offer {offer_id[:80]!r}.", "`s4m supply list` shows the offers there are.")
    message = SupplyWithdrawal(ModelId(int(known["modelId"])), from_hex(offer_id), _nonce())
    with on_chain(session) as ground:
        signature = _signed(session, ground, message, account, wallet_name, password_file)
    body = {
        "modelId": known["modelId"], "offer": offer_id, "nonce": str(message.nonce), "signature": signature,
    }  # fmt: skip
    try:
        session.show(_post(session, "/supply/withdrawals", body, f"withdraw:{signature[2:66]}"))
    except ProblemAnswer as refused:
        if "standing" in refused.body:
            session.show({name: refused.body[name] for name in ("offer", "needed", "standing")})
        raise


@supply.command()
@click.option("--owner", help="Only this supplier's (its address).")
@common
def statement(session: Session, owner: str | None) -> None:
    """What was used of each offer, earned, paid and due, and every payment with its transaction."""
    shown = _shown(session)
    mine = [one for one in shown["supplies"] if owner is None or one["owner"].lower() == owner.lower()]
    offers = {one["offer"] for one in mine}
    session.show({"offers": mine, "payments": [one for one in shown["payments"] if one["offer"] in offers]})


@supply.command()
@spends
@common
def pay(session: Session, choice: Choice) -> None:
    """Pay suppliers what is due, each moment of use once, from the account that the house's own services pay.

    May be repeated after any crash: a payment that was begun keeps its amount and transaction until it is confirmed.
    """
    from uuid import uuid4

    from s4m.connect import on_chain, sender

    with on_chain(session) as ground, sender(session, ground.chain, PAYER) as sending:
        owed = [one for one in _shown(session)["supplies"] if int(one["due"]) + int(one["pending"])]
        total = sum(int(one["due"]) + int(one["pending"]) for one in owed)
        bill = Bill(f"Pay {credits_of(total)} to suppliers from {PAYER}", sending.address, total)
        if not agreed(session, ground.chain, bill, lambda play: _transferred(ground, owed, play), choice):
            return
        begun = _post(session, "/supply/payments", {}, f"pay:{uuid4().hex}", as_operator=True)["payments"]
        session.show({"paid": [paid for one in begun for paid in _paid(session, ground, sending, one)]})


def _transferred(ground: OnChain, owed: list[dict[str, Any]], rehearsal: Rehearsal) -> dict[str, Any]:
    from ledger.values import Address

    for one in owed:
        amount = int(one["due"]) + int(one["pending"])
        rehearsal.send(ground.contracts.credit.transfer(Address(one["owner"]), amount))
    return {"offers": [one["offer"] for one in owed]}


def _paid(session: Session, ground: OnChain, sending: Sender, begun: dict[str, Any]) -> list[dict[str, Any]]:
    """The transfer, and once it is final its confirmation by the orchestrator."""
    from ledger.values import Address

    transfer = ground.contracts.credit.transfer(Address(begun["payee"]), int(begun["amount"]))
    receipt = sending.send(transfer, key=f"supply-pay:{begun['payment']}")
    _await_final(ground, receipt.block_number)
    path = f"/supply/payments/{begun['payment']}"
    return list(_post(session, path, {"txHash": receipt.tx_hash}, "", as_operator=True)["payments"])


def _await_final(ground: OnChain, block_number: int) -> None:
    import time

    until = time.monotonic() + FINAL_S
    while ground.chain.finalized().number < block_number and time.monotonic() < until:
        time.sleep(0.2)


def _signed(
    session: Session,
    ground: OnChain,
    message: SupplyOffer | SupplyWithdrawal,
    account: str,
    wallet_name: str | None,
    password_file: Path | None,
) -> str:
    from ledger.supply import supply_domain
    from ledger.typed_data import sign
    from ledger.values import to_hex

    deployment = ground.deployment
    with _signer(session, account, wallet_name, password_file) as key:
        return to_hex(sign(key, supply_domain(deployment.chain_id, deployment.catalog), message))


@contextmanager
def _signer(session: Session, account: str, wallet_name: str | None, password_file: Path | None) -> Iterator[Signer]:
    from s4m import accounts
    from s4m.connect import keys, signer
    from s4m.errors import BadInput

    if wallet_name is not None:
        with signer(session, wallet_name, password_file) as lent:
            yield lent
        return
    if account not in accounts.ACCOUNTS:
        raise BadInput(f"{account[:80]!r} is no account of this home.", f"Accounts are {', '.join(accounts.ACCOUNTS)}.")
    yield keys(session).account(account)


def _amounts(text: str, option: str) -> dict[str, int]:
    import json

    from s4m.errors import BadInput

    example = f"Example: {option} '{{\"computing_mcores\": 4000}}'"
    try:
        found = json.loads(text)
    except ValueError as error:
        raise BadInput(f"{option} is no JSON object: {error}.", example) from error
    if not isinstance(found, dict) or not all(type(one) is int and one >= 0 for one in found.values()):
        raise BadInput(f"{option} must be a JSON object of whole numbers by resource.", example)
    return found


def _nonce() -> int:
    import secrets

    return secrets.randbits(60)


def _shown(session: Session) -> dict[str, Any]:
    return _ask(session, "GET", "/supply")


def _post(session: Session, path: str, body: Any, key: str, *, as_operator: bool = False) -> dict[str, Any]:
    return _ask(session, "POST", path, body, key, as_operator=as_operator)


def _ask(
    session: Session, method: str, path: str, body: Any = None, key: str = "", *, as_operator: bool = False
) -> dict[str, Any]:
    """The orchestrator's answer; an offer needs its owner's signature only, a payment the operator's key."""
    import httpx

    from marketplace.errors import OrchestratorDown, ProblemAnswer
    from s4m.connect import component, url

    def opened() -> AbstractContextManager[httpx.Client]:
        if as_operator:
            return component(session, "orchestrator")
        return httpx.Client(base_url=url(session, "orchestrator"), timeout=120.0)

    with opened() as orchestrator:
        try:
            answer = orchestrator.request(method, path, json=body, headers={"Idempotency-Key": key} if key else {})
        except httpx.TransportError as error:
            raise OrchestratorDown(f"{type(error).__name__}: {error}.", remedy="Start the house (`s4m up`).") from error
    if answer.is_error:
        raise ProblemAnswer(answer.status_code, dict(answer.json()))
    return dict(answer.json())
