"""Keys held elsewhere: anvil's unlocked accounts as a wallet program, and clef's words with its refusals and cheats."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from signer_yard import Clef, served

from ledger.chain import Chain
from ledger.devnet import Devnet
from ledger.errors import SignerDiffers, SignerDown, SignerRefused
from ledger.keys import WalletKey
from ledger.sender import Sender
from ledger.signer import RemoteSigner, Speech
from ledger.typed_data import Activation, Domain, recover, sign
from ledger.values import Address, Call, SubscriptionId

SOMEWHERE = Address("0x00000000000000000000000000000000DeaDBeef")
DOMAIN = Domain("a market", 31337, SOMEWHERE)
MESSAGE = Activation(SubscriptionId(5), bytes(range(32)))
GIFT = Call(SOMEWHERE, b"", 7, "a gift")


@pytest.fixture(scope="module")
def devnet() -> Iterator[Devnet]:
    with Devnet.start() as running:
        yield running


@pytest.fixture(scope="module")
def chain(devnet: Devnet) -> Iterator[Chain]:
    connected = Chain.connect(devnet.rpc_url)
    yield connected
    connected.close()


@pytest.fixture(scope="module")
def unlocked(devnet: Devnet) -> RemoteSigner:
    """An account whose key the node holds."""
    first = RemoteSigner(devnet.rpc_url, SOMEWHERE).accounts()[0]
    return RemoteSigner(devnet.rpc_url, first)


@pytest.fixture
def clef(devnet: Devnet) -> Clef:
    key = WalletKey.create()
    devnet.fund(key.address)
    return Clef(key)


def test_a_wallet_program_signs_typed_data(unlocked: RemoteSigner) -> None:
    assert recover(DOMAIN, MESSAGE, sign(unlocked, DOMAIN, MESSAGE)) == unlocked.address


def test_a_wallet_program_signs_what_the_sender_journals_and_sends(chain: Chain, unlocked: RemoteSigner) -> None:
    before = chain.balance(SOMEWHERE)
    with Sender(chain, unlocked) as sender:
        receipt = sender.send(GIFT, key="once")
        assert sender.send(GIFT, key="once") == receipt
    assert chain.balance(SOMEWHERE) == before + 7


def test_an_account_that_is_not_its_own_is_refused(devnet: Devnet) -> None:
    stranger = RemoteSigner(devnet.rpc_url, WalletKey.create().address)
    with pytest.raises(SignerRefused):
        sign(stranger, DOMAIN, MESSAGE)
    with pytest.raises(SignerRefused):
        stranger.sign_transaction({"type": 2, "chainId": 31337, "nonce": 0, "gas": 21_000, "to": SOMEWHERE})


def test_a_signer_that_is_away_is_named_without_its_credentials() -> None:
    away = RemoteSigner("http://user:secret@127.0.0.1:9", SOMEWHERE, timeout_s=2.0)
    with pytest.raises(SignerDown) as told:
        sign(away, DOMAIN, MESSAGE)
    assert "secret" not in str(told.value)


def test_clef_signs_typed_data_and_transactions(chain: Chain, clef: Clef) -> None:
    with served(clef) as url:
        signer = RemoteSigner(url, clef.key.address, Speech.CLEF)
        assert signer.accounts() == [clef.key.address]
        assert recover(DOMAIN, MESSAGE, sign(signer, DOMAIN, MESSAGE)) == clef.key.address
        with Sender(chain, signer) as sender:
            assert sender.send(GIFT).succeeded


def test_a_refusal_in_the_signer_sends_nothing_and_takes_no_nonce(chain: Chain, clef: Clef) -> None:
    clef.refuses = True
    with served(clef) as url, Sender(chain, RemoteSigner(url, clef.key.address, Speech.CLEF)) as sender:
        with pytest.raises(SignerRefused, match="Request denied"):
            sender.send(GIFT, key="again")
        clef.refuses = False
        assert sender.send(GIFT, key="again").succeeded
    assert chain.transaction_count(clef.key.address) == 1


@pytest.mark.parametrize("altered", [{"value": 8}, {"to": "0x" + "11" * 20}, {"nonce": 9}, {"data": "0x01"}])
def test_a_signer_that_alters_what_it_signs_is_found_out(chain: Chain, clef: Clef, altered: dict[str, object]) -> None:
    clef.alters = altered
    with (
        served(clef) as url,
        Sender(chain, RemoteSigner(url, clef.key.address, Speech.CLEF)) as sender,
        pytest.raises(SignerDiffers, match=next(iter(altered))),
    ):
        sender.send(GIFT)
    assert chain.transaction_count(clef.key.address) == 0


def test_its_owner_may_raise_the_fee_in_the_signer(chain: Chain, clef: Clef) -> None:
    clef.alters = {"maxFeePerGas": hex(10**11)}
    with served(clef) as url, Sender(chain, RemoteSigner(url, clef.key.address, Speech.CLEF)) as sender:
        assert sender.send(GIFT).succeeded


def test_a_signer_with_another_key_is_found_out(chain: Chain, clef: Clef) -> None:
    other = WalletKey.create().address
    with served(clef) as url, pytest.raises(SignerDiffers, match="account"):
        sign(RemoteSigner(url, other, Speech.CLEF), DOMAIN, MESSAGE)
