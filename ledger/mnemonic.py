"""A key of the words of a mnemonic: BIP-39 seed, BIP-32 derivation along a BIP-44 path. Called by `s4m wallet import`.

The words are checked (word list, checksum) and never kept, logged or put into an error.
"""

from __future__ import annotations

from eth_utils.exceptions import ValidationError

from ledger.errors import MnemonicInvalid
from ledger.keys import WalletKey

FIRST_PATH = "m/44'/60'/0'/0/0"
"""The first account of most Ethereum wallets; the last number counts on."""


def key_of(words: str, path: str = FIRST_PATH, passphrase: str = "") -> WalletKey:  # nosec B107 (BIP-39: none)
    """Raises MnemonicInvalid where words, checksum or path are wrong. Another passphrase gives another key."""
    from eth_account.hdaccount import key_from_seed, seed_from_mnemonic

    try:
        seed = seed_from_mnemonic(" ".join(words.lower().split()), passphrase)
    except ValidationError as error:
        raise MnemonicInvalid("a word is not of the list, or the checksum differs") from error
    try:
        return WalletKey(key_from_seed(seed, path))
    except (ValidationError, ValueError) as error:
        raise MnemonicInvalid(f"{path[:80]!r} is no derivation path") from error
