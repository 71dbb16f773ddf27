"""`s4m tx`: what waits is listed, sped up or cancelled, by whichever key sent it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from command_runner import ENVIRONMENT, Run, runner

from ledger.chain import Chain
from ledger.devnet import Devnet
from ledger.errors import TransactionPending
from ledger.sender import Sender
from ledger.signer import Signer
from ledger.values import Address, Call
from marketplace.wallet.keystore import WalletStore
from s4m.accounts import Keys, journal_of

SOMEWHERE = Address("0x00000000000000000000000000000000DeaDBeef")
GIFT = Call(SOMEWHERE, b"", 7, "a gift")


@pytest.fixture(scope="module")
def devnet() -> Iterator[Devnet]:
    with Devnet.start() as running:
        yield running


@pytest.fixture
def chain(devnet: Devnet) -> Iterator[Chain]:
    connected = Chain.connect(devnet.rpc_url)
    yield connected
    connected.close()


@pytest.fixture
def run(devnet: Devnet, tmp_path: Path) -> Run:
    at_home = runner(tmp_path)
    return lambda *words, **more: at_home(*words, **{"S4M_RPC_URL": devnet.rpc_url, **more})


def _left_waiting(devnet: Devnet, chain: Chain, signer: Signer, journal: Path) -> str:
    """A gift that is sent and not mined; its hash."""
    devnet.fund(signer.address)
    devnet.hold_blocks()
    with Sender(chain, signer, journal) as sender, pytest.raises(TransactionPending) as pending:
        sender.send(GIFT, timeout_s=0.1)
    return pending.value.tx_hash


@pytest.fixture
def waiting(devnet: Devnet, chain: Chain, run: Run, tmp_path: Path) -> Iterator[str]:
    run("wallet", "create", "anna")
    key = WalletStore(tmp_path).open("anna", ENVIRONMENT["S4M_WALLET_PASSWORD"])
    yield _left_waiting(devnet, chain, key, journal_of(tmp_path, "wallet-anna"))
    devnet.release_blocks()


def test_what_waits_is_listed_until_it_is_mined(devnet: Devnet, run: Run, waiting: str) -> None:
    (row,) = run("tx", "list").json
    assert (row["owner"], row["what"], row["txHash"], row["nonce"]) == ("anna", "a gift", waiting, 0)
    assert "a gift" in run("tx", "list", as_json=False).text
    devnet.release_blocks()
    assert run("tx", "list").json == []
    late = run("tx", "speed-up", waiting, "--yes")
    assert (late.code, late.json["code"]) == (2, "bad_input")


def test_a_dry_run_and_a_no_change_nothing(run: Run, waiting: str) -> None:
    before = run("tx", "list").json
    for verb in ("speed-up", "cancel"):
        told = run("tx", verb, waiting, "--dry-run").json
        assert int(told["gasWeiAtMost"]) >= 21_000
        assert float(told["newMaxFeeGwei"]) > float(told["maxFeeGwei"])
        refused = run("tx", verb, waiting)
        assert (refused.code, refused.json["code"]) == (3, "not_confirmed")
    assert run("tx", "list").json == before


def test_a_transaction_is_sped_up_and_is_pending_while_no_block_comes(devnet: Devnet, run: Run, waiting: str) -> None:
    pending = run("tx", "speed-up", waiting, "--yes", "--timeout", "0.1")
    assert (pending.code, pending.json["code"]) == (5, "transaction_pending")
    (row,) = run("tx", "list").json
    assert row["attempts"] == 2
    devnet.release_blocks()
    assert run("tx", "list").json == []


def test_a_transaction_is_cancelled(devnet: Devnet, chain: Chain, run: Run, waiting: str) -> None:
    before = chain.balance(SOMEWHERE)
    assert run("tx", "cancel", waiting, "--yes", "--timeout", "0.1").code == 5
    (row,) = run("tx", "list").json
    assert row["cancelling"] is True
    devnet.release_blocks()
    assert run("tx", "list").json == []
    assert chain.balance(SOMEWHERE) == before


def test_an_account_of_the_house_has_its_transactions_here_too(
    devnet: Devnet, chain: Chain, run: Run, tmp_path: Path
) -> None:
    key = Keys(tmp_path, "x").account("operator")
    waiting = _left_waiting(devnet, chain, key, journal_of(tmp_path, "operator"))
    assert [row["owner"] for row in run("tx", "list").json] == ["operator"]
    assert run("tx", "cancel", waiting, "--yes", "--timeout", "0.1").code == 5
    devnet.release_blocks()


def test_a_hash_that_is_none_of_this_home_is_bad_input(run: Run) -> None:
    for verb in ("speed-up", "cancel"):
        assert run("tx", verb, "0x" + "11" * 32, "--yes").json["code"] == "bad_input"
