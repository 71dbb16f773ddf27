"""Supply offers against a real chain, a real orchestrator process and the real command: owners only, paid once."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from core_house import CoreHouse
from core_wait import wait_for

from ledger.keys import WalletKey
from ledger.supply import SupplyOffer, SupplyWithdrawal, hash_of, supply_domain
from ledger.typed_data import Domain, sign
from ledger.values import CREDIT, Address, Kind, ModelId, Money, SubscriptionId, address, from_hex, model_of, to_hex
from orchestrator.models.manifests import manifests
from orchestrator.resources import ResourceVector

PRICE = 3_600_000_000
"""smallest units for a millicore and hour: a thousand a millisecond"""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CoreHouse]:
    with CoreHouse.running(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture(scope="module")
def model(house: CoreHouse) -> ModelId:
    """The provider's own infrastructure model; the market's one key owns it."""
    plan = house.market.register(manifests()["infrastructure"].spec_hash, kind=Kind.CAAS)
    house.market.devnet.mine(3)
    return ModelId(model_of(plan))


def domain(house: CoreHouse, chain_id: int | None = None) -> Domain:
    deployment = house.market.contracts.deployment
    return supply_domain(chain_id or deployment.chain_id, deployment.catalog)


def signed(
    house: CoreHouse, model: ModelId, nonce: int, key: WalletKey | None = None, chain_id: int | None = None, **lies: Any
) -> dict[str, Any]:
    """An offer as it is sent; `lies` are told after signing."""
    amounts, prices, until = {"computing_mcores": 1000}, {"computing_mcores": PRICE}, int(time.time()) + 3600
    message = SupplyOffer(model, "site-1", hash_of(amounts), hash_of(prices), Money(10**12), until, nonce)
    body = {
        "modelId": str(model), "site": "site-1", "amounts": amounts, "prices": prices, "payCap": str(10**12),
        "until": until, "nonce": str(nonce),
        "signature": to_hex(sign(key or house.market.sender_key, domain(house, chain_id), message)),
    }  # fmt: skip
    return {**body, **lies}


def send(house: CoreHouse, path: str, body: Any, key: str) -> httpx.Response:
    """As a provider sends it: without any token."""
    return httpx.post(house.url("orchestrator") + path, json=body, headers={"Idempotency-Key": key}, timeout=60)


def capacity(house: CoreHouse) -> ResourceVector:
    with house.client() as client:
        return ResourceVector.of(client.get("/pool").json()["capacity"])


def withdrawal(
    house: CoreHouse, offer: str, model: ModelId, nonce: int, key: WalletKey | None = None
) -> dict[str, str]:
    message = SupplyWithdrawal(model, from_hex(offer), nonce)
    signature = to_hex(sign(key or house.market.sender_key, domain(house), message))
    return {"modelId": str(model), "offer": offer, "nonce": str(nonce), "signature": signature}


def test_only_the_owners_word_for_this_chain_counts_and_only_once(house: CoreHouse, model: ModelId) -> None:
    before = capacity(house)
    stranger = WalletKey.create()
    for body in (
        signed(house, model, 1, key=stranger),
        signed(house, model, 1, chain_id=1),
        signed(house, model, 1, amounts={"computing_mcores": 2000}),
        signed(house, model, 1, prices={"computing_mcores": 2 * PRICE}),
        signed(house, model, 1, until=int(time.time()) + 7200),
        signed(house, model, 1, site="site-2"),
        signed(house, model, 1, payCap=str(10**13)),
        signed(house, ModelId(99), 1),
        signed(house, model, 1, signature="0x" + "11" * 65),
    ):
        refused = send(house, "/supply/offers", body, f"bad:{body['signature']}:{body}"[:150])
        assert (refused.status_code, refused.json()["code"]) == (403, "not_the_owner"), refused.text
    assert capacity(house) == before

    body = signed(house, model, 1)
    taken = send(house, "/supply/offers", body, "good")
    assert taken.status_code == 200, taken.text
    assert send(house, "/supply/offers", body, "good").json() == taken.json()
    assert capacity(house) == before + ResourceVector(computing_mcores=1000)
    replayed = send(house, "/supply/offers", body, "again")
    assert (replayed.status_code, replayed.json()["code"]) == (409, "supply_replayed")

    offer = taken.json()["offer"]["offer"]
    wrong = send(house, "/supply/withdrawals", withdrawal(house, offer, model, 2, stranger), "w1")
    assert wrong.json()["code"] == "not_the_owner"
    ended = send(house, "/supply/withdrawals", withdrawal(house, offer, model, 2), "w2")
    assert ended.json()["offer"]["state"] == "ended", ended.text
    assert capacity(house) == before
    again = send(house, "/supply/offers", body, "once more")
    assert again.json()["code"] == "supply_replayed"
    assert send(house, "/supply/offers", {**body, "gold": 1}, "x").status_code == 422
    assert httpx.post(house.url("orchestrator") + "/supply/payments", timeout=5).status_code == 401


def command(house: CoreHouse, *words: str) -> list[str]:
    return [sys.executable, "-m", "s4m.main", *words, "--home", str(house.home), "--json"]


def environment(house: CoreHouse) -> dict[str, str]:
    return {**os.environ, **house.environment()}


def balance(house: CoreHouse, owner: Address) -> int:
    return int(house.market.contracts.credit.balance_of(owner))


def active(house: CoreHouse) -> SubscriptionId:
    """A purchase that runs and is activated."""
    bought = house.market.buy(house.plan, house.documents.put(house.request()))
    service = house.wait_state(bought, "running")
    activation = house.market.activation(bought, from_hex(service["endpointHash"]))
    with house.client() as client:
        body = {"endpointHash": service["endpointHash"], "signature": to_hex(activation)}
        assert client.post(f"/subscriptions/{bought}/activation", json=body).status_code == 200
    house.wait_state(bought, "active")
    return bought


def test_what_is_used_is_paid_once_however_often_paying_is_killed(house: CoreHouse, model: ModelId) -> None:
    payer = WalletKey.load_or_create(house.home / "keys" / "accounts" / "provider-worlds.json")
    house.market.sender.send(house.market.contracts.credit.faucet(payer.address, 100_000 * CREDIT))
    supplier = WalletKey.load_or_create(house.home / "keys" / "accounts" / "provider-resources.json")
    contracts = house.market.contracts
    house.market.sender.send(contracts.catalog.transfer(house.market.sender_key.address, supplier.address, model))
    house.market.devnet.mine(3)

    offered = subprocess.run(
        command(
            house, "supply", "offer", str(model), "--amounts", '{"computing_mcores": 4000}',
            "--prices", json.dumps({"computing_mcores": PRICE // 1000}), "--cap", "50000",
        ),
        env=environment(house), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert offered.returncode == 0, offered.stderr
    bought = active(house)
    draw = random.Random(7)
    for _ in range(4):
        paying = subprocess.Popen(
            command(house, "supply", "pay", "--yes"),
            env=environment(house), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        time.sleep(draw.uniform(0.6, 3.0))
        paying.send_signal(signal.SIGKILL)
        paying.wait(10)
    house.market.sender.send(contracts.market.request_release(bought))
    house.wait_state(bought, "decommissioned", seconds=60)
    for _ in range(2):
        done = subprocess.run(
            command(house, "supply", "pay", "--yes"),
            env=environment(house), capture_output=True, text=True, timeout=90, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    told = subprocess.run(
        command(house, "supply", "statement", "--owner", supplier.address),
        env=environment(house), capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    answer = json.loads(told.stdout)
    offer = answer["offers"][0]
    assert int(offer["earned"]) > 0
    assert (offer["paid"], offer["due"], offer["pending"]) == (offer["earned"], "0", "0")
    assert balance(house, supplier.address) == int(offer["earned"])
    assert len({one["txHash"] for one in answer["payments"]}) == len(answer["payments"]) >= 1
    assert address(offer["owner"]) == supplier.address

    first = answer["payments"][0]
    with house.client("operator") as client:
        wrong = client.post(f"/supply/payments/{first['payment']}", json={"txHash": "0x" + "00" * 32})
        assert (wrong.status_code, wrong.json()["code"]) == (409, "not_paid")
        unknown = client.post("/supply/payments/none-0", json={"txHash": first["txHash"]})
        assert unknown.json()["code"] == "not_paid"


def statements(house: CoreHouse) -> list[dict[str, Any]]:
    with house.client() as client:
        return [one for one in client.get("/supply").json()["supplies"] if one["prices"]]


def money(house: CoreHouse, what: str) -> int:
    """Over all offers: what is earned, paid, pending or due."""
    return sum(int(one[what]) for one in statements(house))


def owner_key(house: CoreHouse, model: ModelId) -> WalletKey:
    keys = [house.market.sender_key]
    if (file := house.home / "keys" / "accounts" / "provider-resources.json").exists():
        keys.append(WalletKey.load(file))
    owner = house.market.contracts.catalog.owner_of(model)
    return next(key for key in keys if key.address == owner)


def test_suppliers_are_paid_without_a_command_and_once_though_whoever_pays_is_killed(
    house: CoreHouse, model: ModelId
) -> None:
    payer = WalletKey.load_or_create(house.home / "keys" / "accounts" / "provider-late.json")
    house.market.devnet.fund(payer.address)
    supplier = owner_key(house, model)
    before, paid_before = balance(house, supplier.address), money(house, "paid")
    taken = send(house, "/supply/offers", signed(house, model, 77, supplier), "offer-77")
    assert taken.status_code == 200, taken.text
    bought = active(house)
    setting = {"S4M_SUPPLY_PAY_INTERVAL_S": "0.2", "S4M_SUPPLY_PAYER": "provider-late"}
    house.kill()
    house.start(**setting)
    wait_for(lambda: '"code": "' in house.tail() and "supplier.unpaid" in house.tail(), 30, house.tail)
    assert money(house, "pending") > 0  # the payer has nothing: what was begun waits, and the house goes on
    assert money(house, "paid") == paid_before
    credits = house.market.contracts.credit.faucet(payer.address, 100_000 * CREDIT)
    house.market.sender.send(credits)

    draw = random.Random(11)
    for _ in range(2):
        paid = money(house, "paid")
        wait_for(lambda paid=paid: money(house, "paid") > paid, 30, house.tail)
        time.sleep(draw.uniform(0.0, 1.5))
        house.kill()
        house.start(**setting)
    house.market.sender.send(house.market.contracts.market.request_release(bought))
    house.wait_state(bought, "decommissioned", seconds=60)
    wait_for(lambda: money(house, "paid") == money(house, "earned"), 60, house.tail)
    assert (money(house, "pending"), money(house, "due")) == (0, 0)
    assert balance(house, supplier.address) - before == money(house, "paid") - paid_before > 0
    with house.client() as client:
        payments = client.get("/supply").json()["payments"]
    assert len({one["txHash"] for one in payments}) == len(payments) > 2
