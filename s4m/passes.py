"""`s4m pass key|grant|show|revoke|use`: let a friend or a device use a subscription within bounds; take it back."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from s4m.command import Session, common, whole_number
from s4m.completion import SUBSCRIPTIONS
from s4m.errors import BadInput

if TYPE_CHECKING:
    from trust.keys import ProofKey
    from trust.passes import Limits

FILE = click.Path(path_type=Path, dir_okay=False)
HOUR = 3600


@click.group("pass")
def passes() -> None:
    """Passes: narrower rights to a subscription, for somebody else's key."""


@passes.command()
@common
def key(session: Session) -> None:
    """The thumbprint of this home's key: tell it to whoever is to give you a pass."""
    session.show({"key": _key(session).jkt, "file": str(_key_file(session))})


@passes.command()
@click.argument("what")
@click.option("--to", "jkt", required=True, help="The receiver's key (`s4m pass key`).")
@click.option("--operation", "operations", multiple=True, required=True, help="What it may ask for; several times.")
@click.option("--units", required=True, type=click.IntRange(1, 2**40 - 1), help="The most units it may spend.")
@click.option("--hours", default=24.0, show_default=True, type=click.FloatRange(0, min_open=True), help="How long.")
@click.option("--out", required=True, type=FILE, help="The pass: give it to the receiver.")
@common
def grant(
    session: Session, what: str, jkt: str, operations: tuple[str, ...], units: int, hours: float, out: Path
) -> None:
    """Make a pass, offline. WHAT: a subscription bought from this home, or the file of a pass to this home's key."""
    from trust import passes as chains
    from trust.passes import Limits

    domain = _domain(session)
    limits = Limits(frozenset(operations), units, int(time.time() + hours * HOUR))
    document = _made(session, domain, what, jkt, limits)
    _write(out, document)
    last = chains.read(document, domain).last
    session.show(
        {
            "passId": last.id, "subscriptionId": str(last.subscription), "operations": sorted(last.operations),
            "units": str(last.units), "expires": last.expires, "file": str(out),
        }
    )  # fmt: skip


@passes.command()
@click.argument("file", type=FILE)
@click.argument("operation")
@click.option("--params", default="{}", help="JSON object of the operation's parameters.")
@click.option("--out", type=FILE, help="Write the answer's body here.")
@common
def use(session: Session, file: Path, operation: str, params: str, out: Path | None) -> None:
    """Use OPERATION by the pass in FILE; whoever gave it pays."""
    from marketplace.wallet.passes import PassSession, load
    from s4m.connect import url
    from s4m.use import params_of

    asked = params_of(params)
    with PassSession(url(session, "gateway"), load(file), _key(session)) as gateway:
        made = gateway.use(operation, asked)
    if out is not None:
        out.write_bytes(made.body)
    session.show(
        {
            "operation": operation, "units": str(made.record.units), "record": made.record.seq,
            "contentType": made.content_type, "bytes": len(made.body), "out": str(out) if out else None,
        }
    )  # fmt: skip


@passes.command()
@click.argument("what", shell_complete=SUBSCRIPTIONS)
@common
def show(session: Session, what: str) -> None:
    """WHAT a pass file allows; or of a subscription of this home, every pass that was used and what it spent."""
    if not what.isdecimal():
        session.show(_chain_of(session, Path(what)), "passId", "operations", "units", "expires")
        return
    session.show(_used(session, int(what)), "passId", "operations", "units", "spent", "expires", "revoked")


@passes.command()
@click.argument("subscription_id", shell_complete=SUBSCRIPTIONS)
@click.argument("pass_id")
@common
def revoke(session: Session, subscription_id: str, pass_id: str) -> None:
    """Take a pass back for good, with all that were made of it; its holder's next call is refused."""
    from marketplace.wallet.passes import revoke as take_back
    from s4m.connect import url, wallets

    identifier = whole_number(subscription_id, "SUBSCRIPTION_ID")
    if len(pass_id) != 64 or set(pass_id) - set("0123456789abcdef"):
        raise BadInput(f"{pass_id!r} is no pass id.", "`s4m pass show` tells them: 64 hexadecimal digits.")
    take_back(url(session, "gateway"), _domain(session), wallets(session).session(identifier), identifier, pass_id)
    session.show({"subscriptionId": str(identifier), "passId": pass_id, "revoked": True})


def _made(session: Session, domain: Any, what: str, jkt: str, limits: Limits) -> dict[str, Any]:
    from marketplace.wallet.passes import load
    from s4m.connect import wallets
    from trust import passes as chains

    if what.isdecimal():
        document = chains.grant(wallets(session).session(int(what)), domain, int(what), jkt, limits)
        chains.read(document, domain)
        return document
    return chains.narrow(load(Path(what)), domain, _key(session), jkt, limits)


def _chain_of(session: Session, path: Path) -> list[dict[str, Any]]:
    from marketplace.wallet.passes import load
    from trust import passes as chains

    return [
        {"passId": each.id, "operations": sorted(each.operations), "units": str(each.units), "expires": each.expires}
        for each in chains.read(load(path), _domain(session)).passes
    ]


def _used(session: Session, subscription: int) -> list[dict[str, Any]]:
    from marketplace.wallet.use import BlockingUsage
    from s4m.connect import market, url, wallets
    from s4m.use import agreement_of

    key = wallets(session).session(subscription)
    record_file = session.home / "wallets" / "usage" / f"{subscription}.jsonl"
    record_file.parent.mkdir(parents=True, exist_ok=True)
    with market(session) as client:
        agreement = agreement_of(client, subscription, wallets(session).request(subscription))
    with BlockingUsage.open(url(session, "gateway"), agreement, key, record_file=record_file) as gateway:
        return gateway.passes()


def _domain(session: Session) -> Any:
    """The market's EIP-712 domain, from this home's deployment file: no node is asked."""
    from ledger.deployment import Deployment
    from ledger.typed_data import market_domain

    files = sorted((session.home / "deployments").glob("*.json"))
    if len(files) != 1:
        raise BadInput(
            f"{session.home} has {len(files)} deployment files; a pass is for the market of one.",
            "Take the deployments/<chain id>.json of whoever gave the pass into your home.",
        )
    deployment = Deployment.read(files[0])
    return market_domain(deployment.chain_id, deployment.market)


def _key_file(session: Session) -> Path:
    return session.home / "keys" / "delegate.json"


def _key(session: Session) -> ProofKey:
    """Made on first use, mode 0600."""
    from trust.keys import ComponentIdentity

    return ComponentIdentity.load_or_create(_key_file(session), "delegate", session.settings.domain).key


def _write(path: Path, document: dict[str, Any]) -> None:
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(document, file, indent=2)
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error}.", "Choose another file.") from error
