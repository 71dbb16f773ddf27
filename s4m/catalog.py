"""`s4m catalog list|show|publish`: what is for sale; a provider's own models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from s4m.command import Session, common


@click.group()
def catalog() -> None:
    """Models and plans for sale; publish your own."""


@catalog.command("list")
@common
def list_models(session: Session) -> None:
    """Every model with its newest open plan."""
    from s4m.connect import market

    with market(session) as client:
        models = client.models()
    if session.as_json:
        session.show(models)
        return
    session.show([_line(model) for model in models], "model", "name", "kind", "plan", "unit price", "period price")


def _line(model: dict[str, Any]) -> dict[str, str]:
    offers = [plan for plan in model["plans"] if not plan["retired"]]
    newest = max(offers, key=lambda plan: int(plan["planId"]), default=None)
    line = {"model": model["modelId"], "name": model["name"] or model["specHash"][:18], "kind": model["kind"]}
    if newest is None:
        return line | {"plan": "-"}
    return line | {
        "plan": newest["planId"], "unit price": newest["unitPrice"], "period price": newest["periodPrice"],
    }  # fmt: skip


@catalog.command()
@click.argument("model_id")
@common
def show(session: Session, model_id: str) -> None:
    """One model: spec, plans, terms."""
    from s4m.connect import market

    with market(session) as client:
        session.show(client.model(model_id))


@catalog.command()
@click.argument("manifest", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--account", default="provider-worlds", show_default=True, help="Provider account in keys/accounts.")
@common
def publish(session: Session, manifest: Path, account: str) -> None:
    """Register the model or service of a manifest (s4m/model/1, s4m/service/1) and publish its plan."""
    session.show(publish_spec(session, manifest, account))


def publish_spec(session: Session, file: Path, account: str) -> dict[str, Any]:
    """Puts spec and terms at the marketplace, then model, ask and plan on the chain; what is there already stays."""
    from orchestrator.models.manifests import canonical
    from s4m.connect import keys, market, sender
    from s4m.reference import Publisher, read_spec, registered, registered_names

    spec = read_spec(file)
    with market(session) as client:
        for document, digest in ((spec.document, spec.spec_hash), (spec.terms, spec.terms_hash)):
            assert client.put_document(dict(document)) == digest  # noqa: S101 — both are hashes of `canonical`
        meter = keys(session).account("meter").address
        with sender(session, client.chain, account) as sending:
            known = registered(client.contracts)
            listing = Publisher(client.contracts, sending, meter).publish(
                spec, known, registered_names(known) if spec.kind == "Composite" else {}
            )
    return {
        "name": listing.name, "modelId": str(listing.model_id), "planId": str(listing.plan_id),
        "owner": listing.owner, "specBytes": len(canonical(spec.document)),
    }  # fmt: skip
