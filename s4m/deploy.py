"""`s4m deploy`: the contracts onto the node, once; the same code as `ape run deploy` (ledger.deployment)."""

from __future__ import annotations

import click

from s4m.command import Session, common
from s4m.spending import Choice, spends


@click.command()
@click.option("--token", help="Address of the ERC-20 with permit (ERC-2612) to pay with; else a fresh one, for tests.")
@spends
@common
def deploy(session: Session, token: str | None, choice: Choice) -> None:
    """Deploy the contracts, or check the deployment that is there.

    The fresh token's faucet gives to everybody: on a chain where money counts give --token.
    """
    from ledger.deployment import create, deployment_path
    from ledger.devnet import Devnet
    from ledger.values import address
    from s4m.connect import is_devnet, keys, node
    from s4m.spending import Bill, agreed
    from s4m.supervisor import deployed

    money = address(token) if token else None
    with node(session) as chain:
        payer = keys(session).account("deployer").address
        if is_devnet(chain):
            Devnet.attach(chain.url).fund(payer)
        bill = Bill(f"Deploy the contracts to chain {chain.chain_id}", payer)
        if not deployment_path(session.home, chain.chain_id).exists() and not agreed(
            session, chain, bill, lambda play: create(chain, play, token=money).to_json(), choice
        ):
            return
        session.show(deployed(chain, keys(session), session.home, money).to_json())
