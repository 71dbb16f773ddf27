"""What the tests of the marketplace stand on: a home, a served marketplace, a clock that can be moved."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn

from ledger.chain import Chain
from ledger.contracts import Contracts
from ledger.deployment import Deployment
from ledger.devnet import Devnet
from ledger.keys import WalletKey
from marketplace.app import create_app
from marketplace.parts import Parts
from marketplace.settings import MarketplaceSettings
from marketplace.wallet.client import MarketClient
from marketplace.wallet.keystore import WalletStore
from s4m import reference
from s4m.accounts import ACCOUNTS, Keys
from s4m.processes import free_ports

DOMAIN = "slicing4meta.devnet"
CLOSED_PORT = "http://127.0.0.1:9"


@dataclass
class Clock:
    """The marketplace's clock: real time plus what a test adds."""

    ahead_s: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead_s


@dataclass
class Market:
    """One running marketplace and everything around it."""

    url: str
    home: Path
    app: Any
    parts: Parts
    clock: Clock
    keys: Keys
    client: MarketClient
    plans: dict[str, int]
    store: WalletStore = field(init=False)

    def __post_init__(self) -> None:
        self.store = WalletStore(self.home, scrypt_n=16_384)

    def request(self, service: str = "virtual-beach-travel") -> dict[str, Any]:
        return {"schema": "s4m/request/1", "service": service, "users": 1, "isolation": 0, "qoe": {"rate_mbps": 250}}

    def fingerprint(self, wallet: WalletKey) -> dict[str, Any]:
        """What a refused request must leave as it was."""
        market = self.parts.contracts.market
        with self.parts.engine.connect() as connection:
            orders = connection.exec_driver_sql("select * from orders order by order_id").all()
        return {
            "orders": orders,
            "account": market.account_of(wallet.address),
            "tokens": self.parts.contracts.credit.balance_of(wallet.address),
            "subscriptions": self.client.subscriptions(wallet.address),
        }


def furnish(home: Path, devnet: Devnet, contracts: Contracts, deployment: Deployment) -> Path:
    deployment.save(home)
    keys = Keys(home, DOMAIN)
    for name in ACCOUNTS:
        devnet.fund(keys.account(name).address)
    reference.register(contracts, keys.account, keys.account("meter").address, home)
    return home


class Serving:
    """Serves a marketplace for the length of a `with` block."""

    def __init__(self, rpc_url: str, home: Path, database: str = "") -> None:
        self._rpc_url = rpc_url
        self._home = home
        self._database = database

    def __enter__(self) -> Market:
        clock, port = Clock(), free_ports(1)[0]
        settings = MarketplaceSettings(
            home=self._home,
            rpc_url=self._rpc_url,
            port=port,
            orchestrator_url=CLOSED_PORT,
            refresh_ms=0,
            webhook_loopback=True,
            webhook_tries=3,
            webhook_pause_s=0.05,
            marketplace_database=self._database,
        )
        app = create_app(settings, clock)
        self._server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning"))
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        self._chain = Chain.connect(self._rpc_url)
        parts: Parts = app.state.parts
        self._client = MarketClient(f"http://127.0.0.1:{port}", self._chain, parts.deployment)
        known = reference.registered_names(reference.registered(parts.contracts))
        plans = {name: int(model) << 32 | 1 for name, model in known.items()}
        plans |= {name: _composite(parts, name) for name in ("virtual-beach-travel", "ar-beach-guide")}
        return Market(
            f"http://127.0.0.1:{port}", self._home, app, parts, clock, Keys(self._home, DOMAIN), self._client, plans
        )

    def __exit__(self, *_: object) -> None:
        self._client.close()
        self._chain.close()
        self._server.should_exit = True
        self._thread.join()


def _composite(parts: Parts, name: str) -> int:
    known = reference.registered(parts.contracts)
    return int(known[reference.services()[name].spec_hash]) << 32 | 1
