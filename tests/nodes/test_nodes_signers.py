"""A node's own unlocked account as the signer: anvil signs for us, hardhat knows eth_sendTransaction only."""

from __future__ import annotations

import pytest
from node_yard import CAP, House

from ledger import events
from ledger.errors import RehearsalUnavailable
from ledger.keys import WalletKey
from ledger.rehearsal import Rehearsal
from ledger.sender import Sender
from ledger.signer import RemoteSigner
from ledger.typed_data import sign
from ledger.values import CREDIT, ZERO_ADDRESS


def test_an_unlocked_account_pays_and_orders(house: House) -> None:
    account = RemoteSigner(house.chain.url, ZERO_ADDRESS).accounts()[-1]
    buyer, (_, _, plan) = RemoteSigner(house.chain.url, account), house.offered()
    contracts, session = house.contracts, WalletKey.create()
    with Sender(house.chain, buyer) as sender:
        sender.send(contracts.credit.faucet(account, 100 * CREDIT))
        sender.send(contracts.credit.approve(contracts.market.address, 100 * CREDIT))
    order = house.order(buyer, plan, session, periods=1)
    call = contracts.market.buy_for(order, sign(buyer, contracts.market_domain, order))
    sale = contracts.event_in(house.send(house.stranger, call), events.Subscribed)
    assert (sale.buyer, sale.cap) == (account, CAP)


def test_a_key_sends_a_call_once_also_where_the_node_sent_it(house: House) -> None:
    account = RemoteSigner(house.chain.url, ZERO_ADDRESS).accounts()[-2]
    before = house.chain.transaction_count(account)
    call = house.contracts.credit.faucet(account, 5 * CREDIT)
    with Sender(house.chain, RemoteSigner(house.chain.url, account)) as sender:
        assert sender.send(call, key="once") == sender.send(call, key="once")
    assert house.chain.transaction_count(account) == before + 1
    assert house.contracts.credit.balance_of(account) == 5 * CREDIT


def test_a_node_plays_what_it_is_asked_or_says_that_it_cannot(house: House, request: pytest.FixtureRequest) -> None:
    rehearsal = Rehearsal(house.chain, house.stranger.address)
    call = house.contracts.credit.approve(house.contracts.market.address, CREDIT)
    if "hardhat" in request.node.name:
        with pytest.raises(RehearsalUnavailable, match="eth_simulateV1"):
            rehearsal.send(call)
    else:
        rehearsal.send(call)
        assert rehearsal.gas().units > 21_000
