"""`ape run deploy --network http://127.0.0.1:8545`: deploys the set the ape way.

Called by people who work on the contracts with ape; ape gives the node, `ledger.deployment` does the work, the same
code as behind `s4m deploy`. It never deploys a second set over a running one of the same chain unless told by
`--again`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click
from ape.cli import ConnectedProviderCommand

ROOT = Path(__file__).resolve().parent.parent


@click.command(cls=ConnectedProviderCommand)
@click.option("--home", type=click.Path(path_type=Path), envvar="S4M_HOME", default=Path("~/.slicing4meta"))
@click.option("--key", type=click.Path(path_type=Path), help="Raw key file; default: HOME/keys/accounts/deployer.json.")
@click.option("--fund", is_flag=True, help="Fund the deployer first (development nodes only).")
@click.option("--again", is_flag=True, help="Deploy anew although HOME already knows a set on this chain.")
def cli(provider: Any, home: Path, key: Path | None, fund: bool, again: bool) -> None:
    """Deploy the five contracts and write HOME/deployments/<chain id>.json."""
    url = getattr(provider, "http_uri", None)
    if not url:
        raise click.ClickException(
            "ape's in-memory chain ends with this command; name a node by --network http://HOST:PORT"
        )
    home = home.expanduser()
    print(json.dumps(deploy(url, home, key or home / "keys" / "accounts" / "deployer.json", fund, again), indent=2))


def deploy(url: str, home: Path, key: Path, fund: bool, again: bool) -> dict[str, str | int]:
    """Deploys over `url` with the key in file `key` (made when absent); returns the deployment file's content."""
    sys.path.insert(0, str(ROOT))  # ape puts scripts/ on the path, not the project
    from ledger.chain import Chain
    from ledger.deployment import deploy as deploy_set
    from ledger.deployment import deployment_path
    from ledger.devnet import Devnet
    from ledger.keys import WalletKey

    chain = Chain.connect(url)
    try:
        known = deployment_path(home, chain.chain_id)
        if known.exists() and not again:
            raise click.ClickException(f"{known} already names a set on this chain; use it, or deploy anew by --again")
        deployer = WalletKey.load_or_create(key)
        if fund:
            Devnet.attach(url).fund(deployer.address)
        deployment = deploy_set(chain, deployer)
        deployment.save(home)
        return deployment.to_json()
    finally:
        chain.close()
