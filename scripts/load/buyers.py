"""The buyers of the load: they buy, take over what runs as the wallet's client does, use it, and release what is fresh.

Transactions are signed when they are sent: a release takes the next nonce, so it is mined at once and not behind
purchases that are yet to come. Used by purchases.py.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import httpx

from ledger.keys import WalletKey
from ledger.typed_data import Activation, SessionBinding, sign
from ledger.values import CREDIT, Call, SubscriptionId, to_hex
from marketplace.wallet.client import MarketClient
from s4m.supervisor import House
from scripts.load.orders import BUYERS, USES, Order, kinds_of
from trust.auth import SessionAuth
from trust.keys import ProofKey

CAP = 1_000
GAS = 400_000
PATIENCE_S = 60.0


class Buyers:
    """A few funded accounts and what each has sent so far."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.keys = [WalletKey.create() for _ in range(BUYERS)]
        self._turns = [threading.Lock() for _ in range(BUYERS)]
        self._nonces = [0] * BUYERS
        self._fees = house.chain.fees()
        self._calls: dict[tuple[str, int], tuple[int, int, bytes]] = {}

    def prepare(self, made: Sequence[Order]) -> None:
        """Money for all of them, and the documents of everything that is to be bought."""
        house, contracts = self._house, self._house.contracts
        for number, key in enumerate(self.keys):
            house.devnet.fund(key.address)
            self._send(number, contracts.credit.faucet(key.address, 1_000_000 * CREDIT))
            self._send(number, contracts.credit.approve(contracts.deployment.market, 1_000_000 * CREDIT))
            self._send(number, contracts.market.deposit(key.address, 900_000 * CREDIT))
        house.devnet.mine(3)
        with MarketClient(house.urls.marketplace, house.chain, house.deployment) as client:
            for name, degree in kinds_of(made):
                document: dict[str, Any] = {"schema": "s4m/request/1", "service": name, "isolation": degree}
                digest, plan = client.put_document(document), house.plan_of(name, degree)
                periods = 1 if contracts.catalog.plan(plan).terms.period else 0
                self._calls[name, degree] = (plan, periods, digest)

    def buy(self, order: Order) -> None:
        """Send the purchase."""
        plan, periods, digest = self._calls[order.name, order.isolation]
        call = self._house.contracts.market.buy(plan, order.session.address, CAP, periods, digest)
        self._send(order.buyer, call)

    def release(self, order: Order) -> None:
        """Ask for the release; the service ends with it."""
        self._send(order.buyer, self._house.contracts.market.request_release(SubscriptionId(order.subscription_id)))

    def _send(self, number: int, call: Call) -> None:
        chain = self._house.chain
        with self._turns[number]:
            transaction = {
                "type": 2, "chainId": chain.chain_id, "nonce": self._nonces[number], "gas": GAS, "to": call.to,
                "maxFeePerGas": self._fees.max_fee * 4, "maxPriorityFeePerGas": self._fees.tip, "value": 0,
                "data": call.data,
            }  # fmt: skip
            self._nonces[number] += 1
            chain.broadcast(self.keys[number].sign_transaction(transaction)[0])


async def take_over(
    house: House, buyers: Buyers, order: Order, market: httpx.AsyncClient, gateway: httpx.AsyncClient
) -> None:
    """What the buyer's client does once the service runs: activate, bind a session, use; release what is fresh."""
    if order.told["state"] != "running":
        order.failure = json.dumps(order.told["outcome"].get("refusal"))
        return
    await _activate(house, order, market)
    order.times["activated"] = time.time()
    auth = await _session(house, order, gateway)
    order.times["session"] = time.time()
    operation, params = USES[order.name]
    body = json.dumps({"requestId": f"first-{order.number}", "operation": operation, "params": params}).encode()
    answer = await gateway.post(f"/use/{order.subscription_id}", content=body, auth=auth)
    order.times["answered"] = time.time()
    if answer.status_code != 200:
        order.failure = answer.text[:300]
    if order.fresh:
        await asyncio.to_thread(buyers.release, order)


async def _activate(house: House, order: Order, market: httpx.AsyncClient) -> None:
    digest = order.told["outcome"]["endpointHash"]
    message = Activation(SubscriptionId(order.subscription_id), bytes.fromhex(digest.removeprefix("0x")))
    signature = to_hex(sign(order.session, house.contracts.market_domain, message))
    path = f"/api/v1/subscriptions/{order.subscription_id}/activation"
    answer = await market.post(path, json={"endpointHash": digest, "signature": signature})
    if answer.is_error:
        raise RuntimeError(f"activation: {answer.text[:200]}")


async def _session(house: House, order: Order, gateway: httpx.AsyncClient) -> SessionAuth:
    """Bind a proof key as soon as the activation is final."""
    proof = ProofKey.generate()
    binding = SessionBinding(SubscriptionId(order.subscription_id), proof.jkt, int(time.time()) + 3600)
    body = json.dumps(
        {
            "subscriptionId": str(order.subscription_id),
            "jkt": binding.jkt,
            "expires": binding.expires,
            "signature": to_hex(sign(order.session, house.contracts.market_domain, binding)),
        }
    ).encode()
    for pause in _pauses():
        answer = await gateway.post("/sessions", content=body, auth=SessionAuth(lambda: None, proof))
        if answer.status_code == 200:
            return _bearing(str(answer.json()["token"]), proof)
        await asyncio.sleep(pause)
    raise RuntimeError(f"session: {answer.text[:200]}")


def _bearing(token: str, proof: ProofKey) -> SessionAuth:
    return SessionAuth(lambda: token, proof)


def _pauses() -> Iterator[float]:
    """Waits between two tries, in all `PATIENCE_S` at most."""
    for _ in range(int(PATIENCE_S / 0.1)):
        yield 0.1
