"""The faucet gives gas and credits, so much an hour; on any other chain it does not exist."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from market_yard import Market, Serving, furnish
from sqlalchemy import Engine, insert

from ledger.chain import Chain
from ledger.contracts import Contracts
from ledger.deployment import deploy
from ledger.devnet import Devnet
from ledger.keys import WalletKey
from ledger.values import Address
from marketplace.database import gifts, open_database
from marketplace.errors import FaucetDry
from marketplace.faucet import CREDITS, GAS_WEI, HOUR_S, IN_ALL, PER_ACCOUNT, Allowance


def test_a_fresh_account_gets_gas_and_credits(market: Market) -> None:
    account = WalletKey.create().address
    given = httpx.post(f"{market.url}/api/v1/faucet", json={"address": account.lower()}).json()
    assert given["address"] == account
    assert market.parts.contracts.credit.balance_of(account) == int(given["credits"]) == CREDITS
    assert market.parts.chain.balance(account) == GAS_WEI


def test_an_account_gets_so_much_an_hour(market: Market) -> None:
    account = {"address": WalletKey.create().address}
    for _ in range(PER_ACCOUNT):
        assert httpx.post(f"{market.url}/api/v1/faucet", json=account).status_code == 200
    refused = httpx.post(f"{market.url}/api/v1/faucet", json=account)
    assert (refused.status_code, refused.json()["code"]) == (429, "faucet_dry")
    assert "minutes" in refused.json()["remedy"]
    assert market.parts.contracts.credit.balance_of(Address(account["address"])) == PER_ACCOUNT * CREDITS


def test_all_accounts_together_get_so_much_an_hour_also_after_a_restart(tmp_path: Path) -> None:
    now, setting = 1_000.0, f"sqlite:///{tmp_path / 'market.db'}"
    others = [{"gift_id": str(each), "account": f"0x{each:040x}", "at": 1_000} for each in range(IN_ALL - 1)]
    account = Address(f"0x{IN_ALL:040x}")
    with closing_engine(setting) as engine, engine.begin() as connection:
        connection.execute(insert(gifts), others)
    with closing_engine(setting) as engine:
        Allowance(engine, lambda: now).take(account)
    with closing_engine(setting) as engine:
        allowance = Allowance(engine, lambda: now)
        with pytest.raises(FaucetDry, match=f"{IN_ALL} gifts"):
            allowance.take(account)
        now += HOUR_S
        allowance.take(account)


def test_an_accounts_limit_outlives_a_restart(tmp_path: Path) -> None:
    setting, account = f"sqlite:///{tmp_path / 'market.db'}", Address("0x" + "11" * 20)
    for _ in range(PER_ACCOUNT):
        with closing_engine(setting) as engine:
            Allowance(engine, lambda: 1_000.0).take(account)
    with closing_engine(setting) as engine, pytest.raises(FaucetDry, match="3 gifts") as refused:
        Allowance(engine, lambda: 1_600.0).take(account)
    assert "50 minutes" in refused.value.remedy


@contextmanager
def closing_engine(setting: str) -> Iterator[Engine]:
    """The store as one run of the marketplace opens it."""
    engine = open_database(setting)
    try:
        yield engine
    finally:
        engine.dispose()


def test_what_is_no_address_gets_nothing(market: Market) -> None:
    answer = httpx.post(f"{market.url}/api/v1/faucet", json={"address": "0x12"})
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_input")


def test_another_chain_has_no_faucet_no_burner_and_takes_no_transactions(tmp_path: Path) -> None:
    with Devnet.start(chain_id=4242) as devnet:
        chain, deployer = Chain.connect(devnet.rpc_url), WalletKey.create()
        devnet.fund(deployer.address)
        deployment = deploy(chain, deployer)
        furnish(tmp_path, devnet, Contracts(chain, deployment), deployment)
        chain.close()
        with Serving(devnet.rpc_url, tmp_path) as market:
            faucet = httpx.post(f"{market.url}/api/v1/faucet", json={"address": deployer.address})
            assert faucet.status_code in (403, 404)
            assert httpx.get(f"{market.url}/faucet").status_code in (403, 404)
            page = httpx.get(f"{market.url}/explorer")
            assert page.status_code == 200
            assert "burner" not in page.text
            raw = {"jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransaction", "params": ["0x02"]}
            assert httpx.post(f"{market.url}/api/v1/node", json=raw).json()["error"]["code"] == -32601
