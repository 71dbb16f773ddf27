"""Whose keys are good, on a real chain: grants when final, revocations at once, and what a dead node means."""

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from trust_apps import mmf_app
from trust_yard import House, Yard, code

from ledger.chain import Chain
from ledger.contracts import Contracts
from ledger.deployment import deploy
from ledger.devnet import Devnet
from ledger.keys import WalletKey
from ledger.sender import Sender
from ledger.values import ZERO_ADDRESS
from trust.enrol import enrol_components, revoke_component
from trust.enrolment import Enrolment
from trust.errors import EnrolmentRefused, EnrolmentUnreachable, KeyNotEnrolled, KeyRevoked
from trust.gate import Gate, GateAuth
from trust.journal import Journal
from trust.keys import COMPONENTS, ComponentIdentity
from trust.policy import Policy
from trust.replay import ReplayStore

Clients = Callable[..., httpx.AsyncClient]


@pytest.fixture
def enrolment(house: House) -> Iterator[Enrolment]:
    opened = house.enrolment(refresh_s=0.0)
    yield opened
    opened.close()


async def test_view_agrees_with_the_contract(house: House, enrolment: Enrolment) -> None:
    view = await enrolment.current()
    identity = house.contracts.identity
    for name in COMPONENTS:
        key = house.identities[name]
        assert view.key(name, key.jkt, time.time()).public_bytes_raw() == key.public_bytes
        assert identity.is_key_valid(house.domain_id, name, key.public_bytes)
    with pytest.raises(KeyNotEnrolled):
        view.key("mmf", house.identities["vmof"].jkt, time.time())


def test_enrolling_again_changes_nothing(house: House) -> None:
    before = house.contracts.chain.transaction_count(house.sender.address)
    assert enrol_components(house.contracts, house.sender, house.identities.values()) == house.domain_id
    assert house.contracts.chain.transaction_count(house.sender.address) == before


def test_domain_is_created_when_missing(house: House) -> None:
    domain_id = enrol_components(house.contracts, house.sender, [], domain="fresh.devnet")
    assert house.contracts.identity.domain_owner(domain_id) != ZERO_ADDRESS


def test_key_of_another_domain_is_not_enrolled(house: House) -> None:
    with pytest.raises(EnrolmentRefused, match="elsewhere"):
        enrol_components(house.contracts, house.sender, [ComponentIdentity.generate("mmf", "elsewhere")])


async def test_grant_counts_when_final_and_revocation_at_once(house: House, enrolment: Enrolment) -> None:
    fresh = ComponentIdentity.generate("mmf")
    enrol_components(house.contracts, house.sender, [fresh])
    enrolled_in = house.contracts.chain.latest().number
    view = await enrolment.current()
    if house.contracts.chain.finalized().number < enrolled_in - 1:
        with pytest.raises(KeyNotEnrolled):
            view.key("mmf", fresh.jkt, time.time())
    house.await_final()
    (await enrolment.current()).key("mmf", fresh.jkt, time.time())

    revoke_component(house.contracts, house.sender, house.domain_id, fresh)
    revoked_in = house.contracts.chain.latest().number
    view = await enrolment.current()
    with pytest.raises(KeyRevoked):
        view.key("mmf", fresh.jkt, time.time())
    assert house.contracts.chain.finalized().number <= revoked_in
    house.await_final()
    with pytest.raises(KeyRevoked):
        (await enrolment.current()).key("mmf", fresh.jkt, time.time())
    with pytest.raises(EnrolmentRefused, match="revoked"):
        enrol_components(house.contracts, house.sender, [fresh])


async def test_two_keys_of_one_component_overlap_while_rotating(house: House, enrolment: Enrolment) -> None:
    successor = ComponentIdentity.generate("mmf")
    enrol_components(house.contracts, house.sender, [successor])
    house.await_final()
    view = await enrolment.current()
    view.key("mmf", successor.jkt, time.time())
    view.key("mmf", house.identities["mmf"].jkt, time.time())


async def test_key_outside_its_validity_is_refused(house: House, enrolment: Enrolment) -> None:
    view = await enrolment.current()
    jkt = house.identities["mmf"].jkt
    with pytest.raises(KeyRevoked, match="ended"):
        view.key("mmf", jkt, time.time() + 400 * 86_400)
    with pytest.raises(KeyNotEnrolled, match="starts"):
        view.key("mmf", jkt, time.time() - 86_400)


async def test_other_owners_domain_of_the_same_name_does_not_count(
    house: House, enrolment: Enrolment, sender_of: Callable[[WalletKey], Sender]
) -> None:
    intruder = ComponentIdentity.generate("mmf")
    enrol_components(house.contracts, sender_of(WalletKey.create()), [intruder])
    house.await_final()
    with pytest.raises(KeyNotEnrolled):
        (await enrolment.current()).key("mmf", intruder.jkt, time.time())


async def test_revoked_caller_is_refused_within_one_block_after_finality(yard: Yard, client_of: Clients) -> None:
    """In fact as soon as a gate sees the block, at most a refresh (0.5 s) after it was mined."""
    house = yard.house
    caller = ComponentIdentity.generate("vmof")
    enrol_components(house.contracts, house.sender, [caller])
    house.await_final()
    async with client_of(mmf_app(yard.gate("mmf")), GateAuth(caller, "mmf")) as client:
        assert (await client.get("/pool")).status_code == 200
        revoke_component(house.contracts, house.sender, house.domain_id, caller)
        revoked_at = time.monotonic()
        while (answer := await client.get("/pool")).status_code == 200:
            assert time.monotonic() - revoked_at < 2.0
        assert code(answer) == "key_revoked"
    assert yard.decisions("mmf")[-1] == ("deny", "key_revoked")


@pytest.fixture
def own_chain() -> Iterator[tuple[Devnet, Contracts, bytes, ComponentIdentity]]:
    """A chain that the test may stop."""
    with Devnet.start() as devnet:
        chain = Chain.connect(devnet.rpc_url, timeout_s=2.0)
        key = WalletKey.create()
        devnet.fund(key.address)
        contracts = Contracts(chain, deploy(chain, key))
        identity = ComponentIdentity.generate("vmof")
        with Sender(chain, key) as sender:
            domain_id = enrol_components(contracts, sender, [identity])
        devnet.mine(4)
        yield devnet, contracts, domain_id, identity
        chain.close()


async def test_dead_node_is_tolerated_for_a_while_then_everybody_is_refused(
    own_chain: tuple[Devnet, Contracts, bytes, ComponentIdentity], client_of: Clients, tmp_path: Path
) -> None:
    devnet, contracts, domain_id, identity = own_chain
    enrolment = Enrolment(contracts, domain_id, refresh_s=0.05, tolerate_s=1.0)
    (await enrolment.current()).key("vmof", identity.jkt, time.time())
    devnet.stop()
    (await enrolment.current()).key("vmof", identity.jkt, time.time())  # the last view still serves
    await asyncio.sleep(1.05)
    with pytest.raises(EnrolmentUnreachable, match="does not answer"):
        await enrolment.current()
    with ReplayStore(tmp_path / "replay.db") as replay, Journal(tmp_path / "mmf.jsonl") as journal:
        app = mmf_app(Gate("mmf", Policy.load(), enrolment, replay, journal))
        async with client_of(app, GateAuth(identity, "mmf")) as client:
            answer = await client.get("/pool")
            assert answer.status_code == 503
            assert code(answer) == "enrolment_unreachable"
            assert (await client.get("/health")).status_code == 200
    enrolment.close()


async def test_unfinal_grant_that_a_reorganisation_removes_never_counted() -> None:
    with Devnet.start(slots_in_an_epoch=3) as devnet:
        chain = Chain.connect(devnet.rpc_url)
        key = WalletKey.create()
        devnet.fund(key.address)
        contracts = Contracts(chain, deploy(chain, key))
        sender = Sender(chain, key)
        domain_id = enrol_components(contracts, sender, [])
        devnet.mine(10)
        enrolment = Enrolment(contracts, domain_id, refresh_s=0.0)
        identity = ComponentIdentity.generate("mmf")
        enrol_components(contracts, sender, [identity])
        with pytest.raises(KeyNotEnrolled):
            (await enrolment.current()).key("mmf", identity.jkt, time.time())
        devnet.reorg(4)
        devnet.mine(10)
        with pytest.raises(KeyNotEnrolled):
            (await enrolment.current()).key("mmf", identity.jkt, time.time())
        enrolment.close()
        sender.close()
        chain.close()
