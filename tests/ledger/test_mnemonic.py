"""Keys of mnemonics against vectors that others published: the devnets' own words, and BIP-39's of Trezor."""

from __future__ import annotations

import pytest

from ledger.errors import MnemonicInvalid
from ledger.mnemonic import key_of

DEVNET = "test test test test test test test test test test test junk"
ABANDON = "abandon " * 11 + "about"


@pytest.mark.parametrize(
    ("words", "path", "passphrase", "address"),
    [
        (DEVNET, "m/44'/60'/0'/0/0", "", "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"),
        (DEVNET, "m/44'/60'/0'/0/9", "", "0xa0Ee7A142d267C1f36714E4a8F75612F20a79720"),
        (f"  {DEVNET.upper()}\n", "m/44'/60'/0'/0/1", "", "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"),
        (ABANDON, "m/44'/60'/0'/0/0", "", "0x9858EfFD232B4033E47d90003D41EC34EcaEda94"),
        (ABANDON, "m/44'/60'/0'/0/0", "TREZOR", "0x9c32F71D4DB8Fb9e1A58B0a80dF79935e7256FA6"),
    ],
)
def test_words_give_the_account_that_other_wallets_derive(words: str, path: str, passphrase: str, address: str) -> None:
    assert key_of(words, path, passphrase).address == address


@pytest.mark.parametrize(
    ("words", "path"),
    [
        ("", "m/44'/60'/0'/0/0"),
        ("test " * 12, "m/44'/60'/0'/0/0"),  # the checksum differs
        (DEVNET.replace("junk", "jnuk"), "m/44'/60'/0'/0/0"),
        (DEVNET, "44/60"),
        (DEVNET, "m/44'/x"),
    ],
)
def test_wrong_words_and_paths_are_named_without_telling_the_words(words: str, path: str) -> None:
    with pytest.raises(MnemonicInvalid) as refused:
        key_of(words, path)
    assert "test test" not in str(refused.value)
