"""`s4m deploy`: the contracts onto the node, once; the same code as `ape run deploy` (ledger.deployment)."""

from __future__ import annotations

import click

from s4m.command import Session, common


@click.command()
@common
def deploy(session: Session) -> None:
    """Deploy the contracts, or check the deployment that is there."""
    from ledger.devnet import Devnet
    from s4m.connect import is_devnet, keys, node
    from s4m.supervisor import deployed

    with node(session) as chain:
        if is_devnet(chain):
            Devnet.attach(chain.url).fund(keys(session).account("deployer").address)
        session.show(deployed(chain, keys(session), session.home).to_json())
