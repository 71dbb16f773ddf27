"""A node's own unlocked account as the signer: anvil signs for us, hardhat knows eth_sendTransaction only."""

from __future__ import annotations

from node_yard import CAP, House

from ledger import events
from ledger.keys import WalletKey
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
