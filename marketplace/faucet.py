"""POST /faucet: gas and test credits for a fresh account, on devnets only; elsewhere the route does not exist.

The marketplace's relayer pays the gas. So much an hour and an account, and so much an hour in all: counted in memory,
for what it gives is worth nothing and who drains it only has the devnet's operator restart.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter

from ledger.values import CREDIT, Address, Call, address
from marketplace.errors import FaucetDry
from marketplace.orders.schemas import HexAddress, Shape
from marketplace.parts import Parts

HOUR_S = 3_600
PER_ACCOUNT, IN_ALL = 3, 200
"""Gifts an hour."""
CREDITS = 1_000 * CREDIT
GAS_WEI = 10**17
"""A tenth of a coin: some hundred transactions."""


class FaucetRequest(Shape):
    """Who shall get the gift."""

    address: HexAddress


@dataclass
class Allowance:
    """Who was given something in the last hour, oldest first. Thread-safe."""

    clock: Callable[[], float]

    def __post_init__(self) -> None:
        self._given: deque[tuple[float, Address]] = deque()
        self._lock = threading.Lock()

    def take(self, account: Address) -> None:
        """Counts one gift, or raises `FaucetDry` and counts nothing."""
        with self._lock:
            now = self.clock()
            while self._given and self._given[0][0] <= now - HOUR_S:
                self._given.popleft()
            own = [at for at, who in self._given if who == account]
            if len(own) >= PER_ACCOUNT:
                raise _dry(f"{account} had {PER_ACCOUNT} gifts within an hour", own[0] + HOUR_S - now)
            if len(self._given) >= IN_ALL:
                raise _dry(f"{IN_ALL} gifts were made within an hour", self._given[0][0] + HOUR_S - now)
            self._given.append((now, account))


def _dry(why: str, wait_s: float) -> FaucetDry:
    return FaucetDry(f"{why}.", remedy=f"Ask again in {max(1, round(wait_s / 60))} minutes.")


def router(parts: Parts) -> APIRouter:
    """Devnets only: the caller asks `is_devnet` before it includes this."""
    routes = APIRouter()
    allowance = Allowance(parts.clock)

    @routes.post("/faucet")
    def give(request: FaucetRequest) -> dict[str, Any]:
        """Test money and gas for an account, on a devnet only and so much an hour."""
        account = address(request.address)
        allowance.take(account)
        return gift(parts, account)

    return routes


def gift(parts: Parts, account: Address) -> dict[str, Any]:
    """Sends gas and credits; returns what the account has then."""
    parts.relayer.send(Call(account, b"", GAS_WEI, "faucet gas"))
    receipt = parts.relayer.send(parts.contracts.credit.faucet(account, CREDITS))
    return {
        "address": account,
        "credits": str(parts.contracts.credit.balance_of(account)),
        "wei": str(parts.chain.balance(account)),
        "txHash": receipt.tx_hash,
    }
