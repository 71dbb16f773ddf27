from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ledger import abi
from ledger.chain import Chain
from ledger.contracts import Contracts
from ledger.deployment import Deployment, deploy
from ledger.devnet import Devnet
from ledger.errors import (
    ArtifactMissing,
    ChainReplaced,
    ContractAbsent,
    DeploymentMalformed,
    DeploymentMissing,
    WrongChain,
)
from ledger.keys import WalletKey
from ledger.values import ZERO_ADDRESS


def test_deployed_set_is_wired_together(contracts: Contracts, deployment: Deployment) -> None:
    assert contracts.market.catalog() == deployment.catalog
    assert contracts.market.token() == deployment.credit
    assert (contracts.credit.symbol(), contracts.credit.decimals()) == ("MAAS", 6)
    assert contracts.catalog.model_count() >= 0
    deployment.check(contracts.chain)


def test_file_round_trips(deployment: Deployment, tmp_path: Path) -> None:
    path = deployment.save(tmp_path)
    assert path == tmp_path / "deployments" / "31337.json"
    assert Deployment.load(tmp_path, 31_337) == deployment
    assert json.loads(path.read_text())["genesisHash"] == deployment.genesis_hash


def test_missing_and_malformed_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DeploymentMissing, match="s4m deploy"):
        Deployment.load(tmp_path, 1)
    path = tmp_path / "deployments" / "1.json"
    path.parent.mkdir()
    path.write_text('{"chainId": 1}')
    with pytest.raises(DeploymentMalformed):
        Deployment.load(tmp_path, 1)


def test_replaced_chain_is_refused(deployment: Deployment, own_chain: Chain) -> None:
    with pytest.raises(ChainReplaced, match="Nothing was touched"):
        deployment.check(own_chain)


def test_other_chain_id_is_refused(deployment: Deployment, chain: Chain) -> None:
    with pytest.raises(WrongChain):
        replace(deployment, chain_id=1).check(chain)


def test_address_without_code_is_refused(deployment: Deployment, chain: Chain) -> None:
    nowhere = replace(deployment, market=ZERO_ADDRESS)
    with pytest.raises(ContractAbsent, match="MaaSMarket"):
        nowhere.check(chain)
    with pytest.raises(ContractAbsent):
        Contracts(chain, nowhere).market.token()


def test_interrupted_deployment_goes_on_where_it_stopped(
    own_devnet: Devnet, own_chain: Chain, own_key: WalletKey, tmp_path: Path
) -> None:
    journal = tmp_path / "deployer.db"
    first = deploy(own_chain, own_key, journal=journal)
    again = deploy(own_chain, own_key, journal=journal)
    assert again.addresses == first.addresses
    assert own_chain.transaction_count(own_key.address) == len(abi.CONTRACTS)


def test_missing_artifact_is_named() -> None:
    with pytest.raises(ArtifactMissing, match="make contracts"):
        abi.load("NoSuchContract")
