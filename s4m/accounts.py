"""Names and files of the keys of one home: accounts (secp256k1) and components (Ed25519). Called by s4m only."""

from __future__ import annotations

from pathlib import Path

from ledger.keys import WalletKey
from s4m.reference import PROVIDERS
from trust.keys import COMPONENTS, ComponentIdentity

OPERATORS = ("deployer", "relayer", "operator")
ACCOUNTS = (*OPERATORS, *PROVIDERS.values())
"""Accounts that pay gas; the meter key only signs."""


class Keys:
    """Loads a key, or makes it with mode 0600."""

    def __init__(self, home: Path, domain: str) -> None:
        self._folder = home / "keys"
        self.domain = domain

    def account(self, name: str) -> WalletKey:
        return WalletKey.load_or_create(self._folder / "accounts" / f"{name}.json")

    def has_account(self, name: str) -> bool:
        """Whether its key is here already; `account` would make one."""
        return (self._folder / "accounts" / f"{name}.json").exists()

    def component(self, name: str) -> ComponentIdentity:
        return ComponentIdentity.load_or_create(self._folder / f"{name}.json", name, self.domain)

    def components(self) -> list[ComponentIdentity]:
        return [self.component(name) for name in COMPONENTS]


def journal_of(home: Path, account: str) -> Path:
    """What an account's senders write down. One file an account: so all that send from it take turns."""
    return home / "db" / f"{account}-sends.db"
