"""The tables are the chain's history: rebuilding gives the same rows, a reorganisation takes its rows away."""

from __future__ import annotations

import pytest
from market_yard import Market
from sqlalchemy import Engine, select

from ledger.devnet import Devnet
from ledger.keys import WalletKey
from marketplace.database import projected
from marketplace.errors import ProblemAnswer


def _rows(engine: Engine) -> dict[str, list[tuple[object, ...]]]:
    tables = [table for table in projected.sorted_tables if table.name != "cursor"]
    with engine.connect() as connection:
        return {table.name: sorted(map(tuple, connection.execute(select(table))), key=str) for table in tables}


def test_rebuilding_gives_the_same_tables(market: Market, wallet: WalletKey) -> None:
    plan = market.plans["virtual-beach-travel"]
    market.client.buy_only(wallet, plan, market.request(), 10, 1, store=market.store)
    market.parts.projection.refresh(force=True)
    before = _rows(market.parts.engine)
    assert before["subscriptions"]
    assert len(before["models"]) >= 12
    market.parts.projection.rebuild()
    assert _rows(market.parts.engine) == before


def test_models_show_what_the_chain_says(market: Market) -> None:
    shown = {model["name"]: model for model in market.client.models()}
    model = shown["virtual-beach-travel"]
    on_chain = market.parts.contracts.catalog.model(int(model["modelId"]))
    assert (model["meterKey"], model["kind"]) == (on_chain.meter_key, "composite")
    assert sum(share["bps"] for share in model["plans"][0]["shares"]) < 10_000
    assert shown["rendering-server"]["askBps"] == 2_000


def test_a_reorganisation_and_then_a_dead_node(own_devnet: tuple[Devnet, Market, WalletKey]) -> None:
    devnet, market, buyer = own_devnet
    before = _rows(market.parts.engine)
    plan = market.plans["virtual-beach-travel"]
    devnet.mine(3)
    before_it = market.parts.chain.latest().number
    market.client.buy_only(buyer, plan, market.request(), 10, 1, store=market.store)
    assert len(market.client.subscriptions(buyer.address)) == 1
    market.parts.projection.refresh(force=True)
    bought = _rows(market.parts.engine)
    market.parts.projection.rebuild()
    assert _rows(market.parts.engine) == bought
    devnet.reorg(market.parts.chain.latest().number - before_it)
    assert market.client.subscriptions(buyer.address) == []
    assert _rows(market.parts.engine) == before
    devnet.stop()
    with pytest.raises(ProblemAnswer) as caught:
        market.client._call("POST", "/quotes", json={"planId": str(plan), "cap": "1", "buyer": buyer.address})
    assert (caught.value.http_status, caught.value.server_code) == (503, "node_down")
    assert caught.value.body["remedy"]
