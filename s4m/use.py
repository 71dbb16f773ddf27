"""`s4m use`: calls an operation through the gateway, checks each record, signs for what was used."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from s4m.command import Session, common, whole_number
from s4m.completion import SUBSCRIPTIONS

if TYPE_CHECKING:
    from marketplace.wallet.client import MarketClient
    from marketplace.wallet.use import Agreement, Use


@click.command()
@click.argument("subscription_id", shell_complete=SUBSCRIPTIONS)
@click.argument("operation")
@click.option("--params", default="{}", help="JSON object of the operation's parameters.")
@click.option("--repeat", default=1, show_default=True, help="How many times.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the (last) answer's body here.")
@click.option("--mint", is_flag=True, help="Mint what was made as an asset of the buyer (operations with provenance).")
@common
def use(
    session: Session, subscription_id: str, operation: str, params: str, repeat: int, out: Path | None, mint: bool
) -> None:
    """Use OPERATION of a subscription that was bought from this home."""
    from marketplace.wallet.use import BlockingUsage
    from s4m.connect import market, url, wallets

    asked = _params(params)
    identifier = whole_number(subscription_id, "SUBSCRIPTION_ID")
    key = wallets(session).session(identifier)
    record_file = session.home / "wallets" / "usage" / f"{identifier}.jsonl"
    record_file.parent.mkdir(parents=True, exist_ok=True)
    with market(session) as client:
        agreement = agreement_of(client, identifier, wallets(session).request(identifier))
        with BlockingUsage.open(url(session, "gateway"), agreement, key, record_file=record_file) as gateway:
            uses = [gateway.use(operation, asked) for _ in range(repeat)]
            signed = gateway.sign()
        if out is not None:
            out.write_bytes(uses[-1].body)
        minted = _mint(client, identifier, uses[-1]) if mint else None
    answer = {
        "subscriptionId": str(identifier), "operation": operation, "uses": len(uses),
        "units": str(sum(each.record.units for each in uses)), "signedUnits": str(signed),
        "contentType": uses[-1].content_type, "bytes": len(uses[-1].body),
        "immersion": uses[-1].record.immersion / 1000, "log": str(record_file), "info": uses[-1].info,
        "asset": minted, "out": str(out) if out else None,
    }  # fmt: skip
    if out is None and uses[-1].content_type.startswith("application/json"):
        answer["body"] = json.loads(uses[-1].body)
    session.show(answer)


def agreement_of(client: MarketClient, subscription_id: int, request: Mapping[str, Any]) -> Agreement:
    """What the chain says was agreed; terms and spec come from the marketplace and are checked by their hashes.

    The attention weights are the buyer's own, of the `request` that was kept when it was bought.
    """
    from ledger.values import SubscriptionId, model_of, plan_of
    from marketplace.wallet.use import Agreement

    plan_id = plan_of(subscription_id)
    spec = _spec_of(client, model_of(plan_id))
    terms = client.plan(plan_id)["terms"] or {}
    return Agreement.read(
        client.contracts, SubscriptionId(subscription_id), terms,
        operations=spec.get("operations"), objects=request.get("objects", []),
    )  # fmt: skip


def _spec_of(client: MarketClient, model_id: int) -> dict[str, Any]:
    """The model's spec document; it says which meter counts which operation, so it must be the chain's."""
    from ledger.values import to_hex
    from marketplace.documents import hash_of
    from marketplace.errors import QuoteDiffers

    spec = dict(client.model(model_id)["spec"] or {})
    due = client.contracts.catalog.model(model_id).spec_hash
    if hash_of(spec) != due:
        why = f"its spec of model {model_id} hashes to {to_hex(hash_of(spec))}, the chain says {to_hex(due)}."
        raise QuoteDiffers(why, remedy="Ask the provider to put the spec document, or check the marketplace's address.")
    return spec


def _params(text: str) -> dict[str, Any]:
    from s4m.errors import BadInput

    try:
        return dict(json.loads(text))
    except (ValueError, TypeError) as error:
        raise BadInput(f"--params is no JSON object: {error}.", "Example: --params '{\"object\": 12}'") from error


def _mint(client: MarketClient, subscription_id: int, made: Use) -> dict[str, Any]:
    """Mints the made thing to the subscription's buyer, on the gateway's word for its origin."""
    from hashlib import sha256

    from ledger.values import from_hex
    from s4m.errors import BadInput

    if made.provenance is None:
        raise BadInput("This operation's answers carry no provenance.", "Mint souvenirs, for example.")
    content = sha256(made.body).digest()
    buyer = client.contracts.market.subscription(subscription_id).buyer
    signature = from_hex(str(made.provenance["signature"]))
    return dict(client.mint(buyer, content, subscription_id, str(made.provenance["uri"]), signature))
