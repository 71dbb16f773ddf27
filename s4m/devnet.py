"""`s4m devnet start|stop|status|fund`: a local chain alone, without the rest of the house."""

from __future__ import annotations

import click

from s4m.command import Session, common, credits_of, money_from

GAS_WEI = 10**20


@click.group()
def devnet() -> None:
    """Start, stop, inspect and fund a local chain."""


@devnet.command()
@click.option("--port", type=click.IntRange(0, 65_535), default=8700, show_default=True, help="0 takes a free one.")
@common
def start(session: Session, port: int) -> None:
    """Start anvil in the background; its state is kept in the home."""
    from ledger.devnet import Devnet
    from s4m.processes import write_atomically

    running = Devnet.start(port, session.home)
    answer = {"chain": {"url": running.rpc_url, "pid": running.pid}}
    write_atomically(session.home / "run" / "services.json", answer)
    session.show(answer["chain"])


@devnet.command()
@common
def stop(session: Session) -> None:
    """Stop the anvil that `s4m devnet start` started."""
    from s4m.errors import NothingRunning
    from s4m.processes import end_leftovers

    path = session.home / "run" / "services.json"
    ended = end_leftovers(path, session.home)
    if not ended:
        raise NothingRunning(f"No chain of {session.home} runs.")
    path.unlink()
    session.show({"stopped": ended})


@devnet.command()
@common
def status(session: Session) -> None:
    """Chain id, newest and final block."""
    from s4m.connect import node

    with node(session) as chain:
        newest, final = chain.latest(), chain.finalized()
        session.show(
            {
                "url": chain.url,
                "chainId": str(chain.chain_id),
                "block": str(newest.number),
                "final": str(final.number),
                "timestamp": newest.timestamp,
            }
        )


@devnet.command()
@click.argument("wallet")
@click.option("--credits", "amount", default="1000", show_default=True, help="Credits from the faucet.")
@common
def fund(session: Session, wallet: str, amount: str) -> None:
    """Give a wallet (name or address) gas money and credits; devnets only."""
    session.show(fund_wallet(session, wallet, money_from(amount)))


def fund_wallet(session: Session, wallet: str, amount: int) -> dict[str, str]:
    """Gas and credits from the devnet's faucet; the deployer pays for the call."""
    from ledger.devnet import Devnet
    from ledger.values import address
    from s4m.connect import is_devnet, on_chain, sender, wallets
    from s4m.errors import BadInput

    account = address(wallet) if wallet.startswith("0x") else wallets(session).address(wallet)
    with on_chain(session) as ground:
        if not is_devnet(ground.chain):
            raise BadInput(f"Chain {ground.chain.chain_id} is no devnet.", "Get credits from somebody who has some.")
        Devnet.attach(ground.chain.url).fund(account, GAS_WEI)
        with sender(session, ground.chain, "deployer") as paying:
            receipt = paying.send(ground.contracts.credit.faucet(account, amount))
        balance = ground.contracts.credit.balance_of(account)
    return {"address": account, "credits": str(balance), "shown": credits_of(balance), "txHash": receipt.tx_hash}
