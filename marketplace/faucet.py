"""POST /faucet: gas and test credits for a fresh account, on devnets only; elsewhere the route does not exist.

The marketplace's relayer pays the gas. So much an hour and an account, and so much an hour in all, counted in the
marketplace's own table, so that a restart gives nobody a fresh allowance.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from sqlalchemy import Engine, delete, insert, select

from ledger.values import CREDIT, Address, Call, address
from marketplace.database import gifts
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
    """Who was given something in the last hour, in the table `gifts`. Thread-safe; one marketplace has one."""

    engine: Engine
    clock: Callable[[], float]
    """UTC seconds."""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def take(self, account: Address) -> None:
        """Counts one gift, or raises `FaucetDry` and counts nothing."""
        now = int(self.clock())
        with self._lock, self.engine.begin() as connection:
            connection.execute(delete(gifts).where(gifts.c.at <= now - HOUR_S))
            given = connection.execute(select(gifts.c.account, gifts.c.at).order_by(gifts.c.at)).all()
            _require_room([at for who, at in given if who == account], [at for _, at in given], account, now)
            connection.execute(insert(gifts).values(gift_id=secrets.token_hex(16), account=account, at=now))


def _require_room(own: list[int], all_of_them: list[int], account: Address, now: int) -> None:
    """Raises `FaucetDry`; the times of gifts are UTC seconds, oldest first."""
    if len(own) >= PER_ACCOUNT:
        raise _dry(f"{account} had {PER_ACCOUNT} gifts within an hour", own[0] + HOUR_S - now)
    if len(all_of_them) >= IN_ALL:
        raise _dry(f"{IN_ALL} gifts were made within an hour", all_of_them[0] + HOUR_S - now)


def _dry(why: str, wait_s: int) -> FaucetDry:
    return FaucetDry(f"{why}.", remedy=f"Ask again in {max(1, round(wait_s / 60))} minutes.")


def router(parts: Parts) -> APIRouter:
    """Devnets only: the caller asks `is_devnet` before it includes this."""
    routes = APIRouter()
    allowance = Allowance(parts.engine, parts.clock)

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
