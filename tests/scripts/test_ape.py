"""What a user of ape types besides `ape test`: `ape run deploy` against a node, and `ape console`."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from ledger.chain import Chain
from ledger.deployment import Deployment
from ledger.devnet import Devnet

ROOT = Path(__file__).parents[2]
APE = ROOT / ".venv-ape" / "bin" / "ape"
SESSION = """\
deployer = accounts.test_accounts[0]
catalog = deployer.deploy(project.ModelCatalog)
credit = deployer.deploy(project.MaaSCredit)
market = deployer.deploy(project.MaaSMarket, catalog, credit)
receipt = catalog.register(2, b"spec".ljust(32), "s4m:documents/beach", deployer, 0, sender=deployer)
print("MODELS", catalog.modelCount())
print("EVENT", [log.event_name for log in receipt.events])
print("SAME", market.catalog() == catalog.address, market.token() == credit.address)
exit
"""

pytestmark = pytest.mark.skipif(
    not APE.exists(), reason=".venv-ape is missing (make setup makes it where there is a Python 3.10 to 3.12)"
)


def ape(*arguments: str | Path, home: Path, typed: str = "") -> subprocess.CompletedProcess[str]:
    """One command of ape's with a data folder of its own; the compiler may need a minute."""
    return subprocess.run(
        [str(APE), *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "SOLCX_BINARY_PATH": str(ROOT / ".solcx"), "APE_DATA_FOLDER": str(home / "ape")},
        input=typed,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_ape_run_deploy_puts_the_set_on_a_node_once(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with Devnet.start() as devnet:
        command = ("run", "deploy", "--network", devnet.rpc_url, "--home", home, "--fund")
        done = ape(*command, home=tmp_path)
        assert done.returncode == 0, done.stderr
        chain = Chain.connect(devnet.rpc_url)
        deployment = Deployment.load(home, chain.chain_id)
        deployment.check(chain)
        assert json.loads(done.stdout[done.stdout.index("{") :]) == deployment.to_json()
        again = ape(*command, home=tmp_path)
        assert again.returncode == 1
        assert "already names a set on this chain" in again.stderr
        assert Deployment.load(home, chain.chain_id) == deployment
        chain.close()


def test_ape_run_deploy_without_a_node_says_how_to_name_one(tmp_path: Path) -> None:
    done = ape("run", "deploy", "--network", "ethereum:local:test", "--home", tmp_path, home=tmp_path)
    assert done.returncode == 1
    assert "--network http://HOST:PORT" in done.stderr
    assert not (tmp_path / "deployments").exists()


def test_ape_console_deploys_the_set_and_reads_it(tmp_path: Path) -> None:
    done = ape("console", "--network", "ethereum:local:test", home=tmp_path, typed=SESSION)
    assert done.returncode == 0, done.stderr
    assert "MODELS 1" in done.stdout
    assert "EVENT ['Transfer', 'ModelRegistered', 'MeterKeySet']" in done.stdout
    assert "SAME True True" in done.stdout
