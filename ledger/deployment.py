"""Deploying the set of contracts, and the file that says where it is: deployments/<chain id>.json.

Called by `s4m deploy`, `s4m up`, scripts/deploy.py and tests; everyone else loads the file. It never touches a chain
whose genesis differs from the file's.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ledger import abi
from ledger.chain import Chain, MinedTransaction
from ledger.errors import ContractAbsent, DeploymentMalformed, DeploymentMissing
from ledger.keys import WalletKey
from ledger.rehearsal import Sends
from ledger.sender import Sender
from ledger.values import Address, Call, address


@dataclass(frozen=True, slots=True)
class Deployment:
    """Where the set is. `block_number` is the first block that can hold one of its events."""

    chain_id: int
    genesis_hash: str
    block_number: int
    catalog: Address
    market: Address
    assets: Address
    identity: Address
    credit: Address

    @property
    def addresses(self) -> Mapping[str, Address]:
        return {word: getattr(self, word) for word in abi.CONTRACTS}

    def check(self, chain: Chain) -> None:
        """Raises WrongChain, ChainReplaced or ContractAbsent unless the set is on this very chain."""
        chain.check(self.chain_id, self.genesis_hash)
        for word, place in self.addresses.items():
            if not chain.code(place):
                raise ContractAbsent(abi.CONTRACTS[word], place)

    def to_json(self) -> dict[str, str | int]:
        facts: dict[str, str | int] = {
            "chainId": self.chain_id,
            "genesisHash": self.genesis_hash,
            "blockNumber": self.block_number,
        }
        return {**facts, **self.addresses}

    def save(self, home: Path) -> Path:
        """Writes home/deployments/<chain id>.json, whole or not at all."""
        path = deployment_path(home, self.chain_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(f".{os.getpid()}.draft")
        draft.write_text(json.dumps(self.to_json(), indent=2) + "\n")
        draft.replace(path)
        return path

    @classmethod
    def load(cls, home: Path, chain_id: int) -> Deployment:
        """Reads home/deployments/<chain id>.json; raises DeploymentMissing or DeploymentMalformed."""
        return cls.read(deployment_path(home, chain_id))

    @classmethod
    def read(cls, path: Path) -> Deployment:
        try:
            document = json.loads(path.read_text())
            words = {word: address(document[word]) for word in abi.CONTRACTS}
            return cls(int(document["chainId"]), str(document["genesisHash"]), int(document["blockNumber"]), **words)
        except FileNotFoundError as error:
            raise DeploymentMissing(path) from error
        except (ValueError, KeyError, TypeError) as error:
            raise DeploymentMalformed(path, f"{type(error).__name__}: {error}") from error


def deployment_path(home: Path, chain_id: int) -> Path:
    return home / "deployments" / f"{chain_id}.json"


def deploy(
    chain: Chain,
    deployer: WalletKey,
    *,
    token: Address | None = None,
    rp_id: str = "localhost",
    journal: Path | None = None,
) -> Deployment:
    """Deploys the set; where `token` is None its money is a fresh MaaSCredit (devnets only).

    `rp_id` is the WebAuthn relying party that passkeys are bound to. With a journal, an interrupted deployment goes on
    where it stopped.
    """
    with Sender(chain, deployer, journal) as sender:
        return create(chain, sender, token=token, rp_id=rp_id)


def create(chain: Chain, sender: Sends, *, token: Address | None = None, rp_id: str = "localhost") -> Deployment:
    """As `deploy`, by a sender or its rehearsal."""
    first = chain.latest().number
    credit = token or _create(sender, "credit")
    catalog = _create(sender, "catalog")
    market = _create(sender, "market", catalog, credit)
    assets = _create(sender, "assets", market)
    identity = _create(sender, "identity", rp_id)
    return Deployment(chain.chain_id, chain.genesis_hash, first, catalog, market, assets, identity, credit)


def _create(sender: Sends, word: str, *arguments: object) -> Address:
    contract = abi.load(abi.CONTRACTS[word])
    code = contract.bytecode + contract.constructor.encode_call(*arguments)[4:]
    receipt: MinedTransaction = sender.send(Call(None, code, 0, f"deploy {contract.name}"), key=f"deploy:{word}")
    if receipt.created is None:
        raise ContractAbsent(contract.name, receipt.tx_hash)
    return address(receipt.created)
