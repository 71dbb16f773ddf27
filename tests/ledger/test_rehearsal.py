"""What is rehearsed is what then happens: the same addresses, events and refusals, and gas close to what is used."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ledger.chain import Chain
from ledger.contracts import Contracts
from ledger.deployment import create, deploy
from ledger.devnet import Devnet
from ledger.errors import Reverted
from ledger.events import ModelRegistered, PlanPublished
from ledger.keys import WalletKey
from ledger.rehearsal import Rehearsal
from ledger.sender import Sender
from ledger.structs import PlanTerms
from ledger.values import CREDIT, Kind, Money

TERMS = PlanTerms(Money(1_000), Money(0), 0, 3_600, 3_600, 0, bytes(32))


@pytest.fixture(scope="module")
def chain() -> Iterator[Chain]:
    with Devnet.start() as devnet:
        connected = Chain.connect(devnet.rpc_url)
        yield connected
        connected.close()


@pytest.fixture
def key(chain: Chain) -> WalletKey:
    made = WalletKey.create()
    Devnet.attach(chain.url).fund(made.address)
    return made


def test_a_rehearsed_deployment_names_the_addresses_that_it_gets(chain: Chain, key: WalletKey) -> None:
    rehearsal = Rehearsal(chain, key.address)
    foreseen = create(chain, rehearsal)
    assert chain.transaction_count(key.address) == 0
    before = chain.balance(key.address)
    cost = rehearsal.gas()
    done = deploy(chain, key)
    assert done.addresses == foreseen.addresses
    paid = before - chain.balance(key.address)
    assert cost.expected // 2 < paid <= cost.most  # the base fee falls as blocks are half empty


def test_calls_are_played_one_after_the_other_with_their_events(chain: Chain, key: WalletKey) -> None:
    contracts = Contracts(chain, deploy(chain, key))
    rehearsal = Rehearsal(chain, key.address)
    made = rehearsal.send(contracts.catalog.register(Kind.TAAS, bytes(32), "s4m:x", key.address, 0))
    model = contracts.event_in(made, ModelRegistered).model_id
    plan = contracts.event_in(rehearsal.send(contracts.catalog.publish_plan(model, TERMS, ())), PlanPublished).plan_id
    assert (model, plan) == (1, 1 << 32 | 1)
    assert contracts.catalog.model_count() == 0


def test_a_refusal_is_the_contracts_own_and_ends_the_rehearsal(chain: Chain, key: WalletKey) -> None:
    contracts = Contracts(chain, deploy(chain, key))
    rehearsal = Rehearsal(chain, key.address)
    rehearsal.send(contracts.credit.faucet(key.address, 5 * CREDIT))
    with pytest.raises(Reverted) as refused:
        rehearsal.send(contracts.market.withdraw(CREDIT))
    assert refused.value.code == "insufficient_balance"
    assert len(rehearsal.calls) == 1


def test_a_key_that_has_no_gas_money_may_rehearse(chain: Chain, key: WalletKey) -> None:
    contracts = Contracts(chain, deploy(chain, key))
    poor = Rehearsal(chain, WalletKey.create().address)
    poor.send(contracts.credit.faucet(poor.address, CREDIT))
    assert poor.gas().expected > 0


def test_rehearsing_changes_nothing(chain: Chain, key: WalletKey) -> None:
    with Sender(chain, key) as sender:
        rehearsal = Rehearsal(chain, key.address)
        create(chain, rehearsal)
        assert sender.waiting() == []
    assert chain.transaction_count(key.address, pending=True) == 0
