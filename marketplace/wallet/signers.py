"""The signers behind people's wallets: a sealed key that is opened when it first signs, or a program elsewhere.

Called by `WalletStore.signer`. Use one as a context manager: at its end the key is let go of. Python cannot wipe
memory; what can be done is to open late and to let go early.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from ledger.keys import WalletKey
from ledger.signer import RemoteSigner, Signer
from ledger.values import Address


@dataclass(frozen=True)
class Lent:
    """A signer for as long as a `with` lasts; `ends` lets go of what it holds."""

    signer: Signer
    ends: Callable[[], None]

    def __enter__(self) -> Signer:
        return self.signer

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ends()


class SealedSigner:
    """A keystore's key. The password is asked for when something is to be signed, not before."""

    def __init__(self, account: Address, unseal: Callable[[], WalletKey]) -> None:
        self.address = account
        self._unseal = unseal
        self._open: WalletKey | None = None

    def forget(self) -> None:
        """Lets go of the key; the next signature asks anew."""
        self._open = None

    def sign_typed(self, digest: bytes, document: Callable[[], Mapping[str, Any]]) -> bytes:
        return self._key().sign_typed(digest, document)

    def sign_transaction(self, transaction: Mapping[str, Any]) -> tuple[bytes, str]:
        return self._key().sign_transaction(transaction)

    def _key(self) -> WalletKey:
        if self._open is None:
            self._open = self._unseal()
        return self._open


def lent_key(account: Address, unseal: Callable[[], WalletKey]) -> Lent:
    sealed = SealedSigner(account, unseal)
    return Lent(sealed, sealed.forget)


def lent_program(signer: RemoteSigner) -> Lent:
    return Lent(signer, signer.close)
