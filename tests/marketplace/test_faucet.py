"""The faucet gives gas and credits, so much an hour; on any other chain it does not exist."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from market_yard import Market, Serving, furnish

from ledger.chain import Chain
from ledger.contracts import Contracts
from ledger.deployment import deploy
from ledger.devnet import Devnet
from ledger.keys import WalletKey
from ledger.values import Address
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


def test_all_accounts_together_get_so_much_an_hour() -> None:
    now = 1_000.0
    allowance = Allowance(lambda: now)
    for number in range(IN_ALL):
        allowance.take(Address(f"0x{number:040x}"))
    with pytest.raises(FaucetDry, match=f"{IN_ALL} gifts"):
        allowance.take(Address(f"0x{IN_ALL:040x}"))
    now += HOUR_S
    allowance.take(Address(f"0x{IN_ALL:040x}"))


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
            raw = {"jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransaction", "params": ["0x02"]}
            assert httpx.post(f"{market.url}/api/v1/node", json=raw).json()["error"]["code"] == -32601
