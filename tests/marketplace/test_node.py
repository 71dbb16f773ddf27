"""The node's allow list: reads pass, nothing else exists; signed transactions on devnets alone."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from market_yard import Market

from ledger.keys import WalletKey


def ask(market: Market, method: str, params: list[Any] | None = None) -> dict[str, Any]:
    answer = httpx.post(
        f"{market.url}/api/v1/node", json={"jsonrpc": "2.0", "id": 7, "method": method, "params": params or []}
    )
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_reads_are_the_nodes_own(market: Market) -> None:
    assert int(ask(market, "eth_chainId")["result"], 16) == market.parts.deployment.chain_id
    genesis = ask(market, "eth_getBlockByNumber", ["0x0", False])["result"]
    assert genesis["hash"] == market.parts.deployment.genesis_hash


@pytest.mark.parametrize(
    "method",
    ["eth_sendTransaction", "eth_accounts", "eth_sign", "anvil_setBalance", "anvil_mine", "evm_increaseTime",
     "debug_traceTransaction", "eth_chainid", "personal_sign", "eth_subscribe"],
)  # fmt: skip
def test_what_is_no_read_does_not_exist(market: Market, method: str) -> None:
    before = market.parts.chain.balance(market.parts.relayer.address)
    assert ask(market, method, [market.parts.relayer.address, "0x1"])["error"]["code"] == -32601
    assert market.parts.chain.balance(market.parts.relayer.address) == before


def test_what_the_node_refuses_is_told_in_its_words(market: Market) -> None:
    call = {"to": market.parts.deployment.catalog, "data": "0xdeadbeef"}
    assert "revert" in ask(market, "eth_call", [call, "latest"])["error"]["message"]


@pytest.mark.parametrize("body", ["[]", '{"method": 3}', '{"method": "eth_chainId", "params": {}}', '"eth_chainId"'])
def test_what_is_no_single_request_is_refused(market: Market, body: str) -> None:
    answer = httpx.post(f"{market.url}/api/v1/node", content=body, headers={"content-type": "application/json"})
    assert answer.json()["error"]["code"] == -32600


def test_a_devnet_takes_signed_transactions(market: Market, wallet: WalletKey) -> None:
    refused = ask(market, "eth_sendRawTransaction", ["0x02"])["error"]
    assert refused["code"] != -32601, "the node itself judged it"
