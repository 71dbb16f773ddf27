from __future__ import annotations

import string
from collections.abc import Callable

import pytest
from eth_abi.abi import encode

from ledger import abi
from ledger.contracts import Contracts
from ledger.errors import NodeError, Reverted
from ledger.keys import WalletKey
from ledger.reverts import SENTENCES, decode_revert, reverted, snake_case
from ledger.sender import Sender
from ledger.values import CREDIT, Call

ERRORS = {entry.name: entry for contract in abi.CONTRACTS.values() for entry in abi.load(contract).errors.values()}


def test_every_error_of_every_contract_has_its_sentence() -> None:
    assert set(SENTENCES) == set(ERRORS)


@pytest.mark.parametrize("name", sorted(SENTENCES))
def test_sentence_names_only_values_that_the_error_has(name: str) -> None:
    sentence, remedy = SENTENCES[name]
    named = {field for _, field, _, _ in string.Formatter().parse(sentence) if field}
    assert named <= {param["name"] for param in ERRORS[name].inputs}
    assert sentence.endswith(".")
    assert remedy.endswith(".")


def test_error_is_decoded_with_its_values() -> None:
    data = ERRORS["InsufficientBalance"].hash[:4] + encode(["uint256", "uint256"], [7, 5])
    error = decode_revert(data)
    assert (error.name, error.code) == ("InsufficientBalance", "insufficient_balance")
    assert error.arguments == {"needed": 7, "available": 5}
    assert "7 needed, 5 available" in str(error)


def test_status_is_told_in_words() -> None:
    data = ERRORS["WrongStatus"].hash[:4] + encode(["uint8", "uint8"], [3, 5])
    assert decode_revert(data).arguments == {"expected": "active", "actual": "released"}


def test_field_names_are_told_as_text() -> None:
    data = ERRORS["OutOfBounds"].hash[:4] + encode(["bytes32", "uint256", "uint256"], [b"releaseWindow", 1, 2])
    assert "releaseWindow is out of bounds" in str(decode_revert(data))


def test_reason_panic_and_unknown_are_decoded() -> None:
    reason = decode_revert(bytes.fromhex("08c379a0") + encode(["string"], ["too hot"]))
    panic = decode_revert(bytes.fromhex("4e487b71") + encode(["uint256"], [0x11]))
    assert (reason.name, reason.arguments) == ("Error", {"reason": "too hot"})
    assert (panic.name, panic.code) == ("Panic", "panic")
    assert "overflow" in str(panic)
    for data in (b"", b"\x01\x02\x03\x04", ERRORS["InsufficientBalance"].hash[:4] + b"\x00"):
        assert decode_revert(data).name == "Unknown"


def test_nodes_own_error_is_no_revert() -> None:
    assert reverted(NodeError("eth_call", -32601, "Method not found")) is None


def test_view_and_refused_call_raise_the_same_named_error(
    contracts: Contracts, funded_wallet: Callable[..., WalletKey], sender_of: Callable[[WalletKey], Sender]
) -> None:
    wallet = funded_wallet(credits=0)
    with pytest.raises(Reverted, match="No plan has the id 99") as caught:
        contracts.market.quote(99, 1, 0)
    assert caught.value.name == "UnknownPlan"
    spent = contracts.chain.transaction_count(wallet.address)
    with pytest.raises(Reverted) as caught:
        sender_of(wallet).send(contracts.market.withdraw(5))
    assert caught.value.code == "insufficient_balance"
    assert contracts.chain.transaction_count(wallet.address) == spent


def test_faucet_limit_is_told(contracts: Contracts) -> None:
    call = contracts.credit.faucet(contracts.credit.address, 1_000_001 * CREDIT)
    with pytest.raises(Reverted) as caught:
        contracts.chain.call(Call(call.to, call.data))
    assert caught.value.arguments == {"limit": 10**12, "asked": 1_000_001 * CREDIT}


def test_snake_case_keeps_acronyms_whole() -> None:
    assert snake_case("ERC2612ExpiredSignature") == "erc2612_expired_signature"
    assert snake_case("WrongTotal") == "wrong_total"
