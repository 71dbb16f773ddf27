"""`s4m catalog list|show|publish`: what is for sale; a provider's own models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from s4m.command import Session, common
from s4m.completion import FOR_SALE, remember

MEANING = ("shared with all", "shared within the cluster", "dedicated")


@click.group()
def catalog() -> None:
    """Models and plans for sale; publish your own."""


@catalog.command("list")
@common
def list_models(session: Session) -> None:
    """Every model with its newest open plan that shares it with all, and what the other degrees of isolation cost."""
    from s4m.connect import market

    with market(session) as client:
        models = client.models()
    remember(session.home, _names(models))
    if session.as_json:
        session.show(models)
        return
    columns = ("model", "name", "kind", "plan", "unit price", "period price", "isolated")
    session.show([_line(model) for model in models], *columns)


def _names(models: Sequence[Mapping[str, Any]]) -> list[str]:
    """What can be bought, by name and by plan id."""
    return [
        word for model in models for word in (model["name"] or "", *(plan["planId"] for plan in model["plans"])) if word
    ]


def _line(model: Mapping[str, Any]) -> dict[str, str]:
    from marketplace.wallet.plans import degree_plans

    offers = degree_plans(model)
    newest = offers.get(0) or next(iter(offers.values()), None)
    line = {"model": model["modelId"], "name": model["name"] or model["specHash"][:18], "kind": model["kind"]}
    if newest is None:
        return line | {"plan": "-"}
    return line | {
        "plan": newest["planId"], "unit price": newest["unitPrice"], "period price": newest["periodPrice"],
        "isolated": ", ".join(f"{degree}: {plan['unitPrice']}" for degree, plan in offers.items() if degree),
    }  # fmt: skip


@catalog.command()
@click.argument("model_id", shell_complete=FOR_SALE)
@common
def show(session: Session, model_id: str) -> None:
    """One model, by id or name: spec, plans, terms, and the price of each degree of isolation."""
    from marketplace.wallet.plans import degree_plans
    from s4m.connect import market

    with market(session) as client:
        named = (model["modelId"] for model in client.models() if model["name"] == model_id)
        model = client.model(model_id if model_id.isdecimal() else next(named, model_id))
    session.show({**model, "isolation": [_price(degree, plan) for degree, plan in degree_plans(model).items()]})


def _price(degree: int, plan: Mapping[str, Any]) -> dict[str, str]:
    return {
        "degree": str(degree), "meaning": MEANING[degree], "plan": plan["planId"],
        "unitPrice": plan["unitPrice"], "periodPrice": plan["periodPrice"],
    }  # fmt: skip


@catalog.command()
@click.argument("manifest", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--account", default="provider-worlds", show_default=True, help="Provider account in keys/accounts.")
@common
def publish(session: Session, manifest: Path, account: str) -> None:
    """Register the model or service of a manifest (s4m/model/1, s4m/service/1); publish a plan for each degree."""
    session.show(publish_spec(session, manifest, account))


def publish_spec(session: Session, file: Path, account: str, program: Path | None = None) -> dict[str, Any]:
    """Puts a provider's own program where the orchestrator of this machine finds it; spec and terms at the marketplace;
    then model, ask and plan on the chain. What is there already stays."""
    from orchestrator.models.manifests import Manifest, canonical
    from orchestrator.models.pricing import degree_plans
    from s4m.connect import keys, market, sender
    from s4m.own_program import keep_program
    from s4m.reference import Publisher, read_spec, registered, registered_names

    spec = read_spec(file)
    own = spec if isinstance(spec, Manifest) and spec.own is not None else None
    if own is not None:
        keep_program(session, own, file, program)
    with market(session) as client:
        terms = [(one.terms, one.terms_hash) for one in degree_plans(spec)]
        for document, digest in ((spec.document, spec.spec_hash), *terms):
            assert client.put_document(dict(document)) == digest  # noqa: S101 — both are hashes of `canonical`
        meter = keys(session).account("meter").address
        with sender(session, client.chain, account) as sending:
            known = registered(client.contracts)
            listing = Publisher(client.contracts, sending, meter).publish(
                spec, known, registered_names(known) if spec.kind == "Composite" else {}
            )
    return {
        "name": listing.name, "modelId": str(listing.model_id), "planId": str(listing.plan_id),
        "plans": {str(degree): str(found) for degree, found in listing.plans.items()},
        "prices": {
            str(one.degree): {"unitPrice": str(one.plan.unit_price), "periodPrice": str(one.plan.period_price)}
            for one in degree_plans(spec)
        },
        "owner": listing.owner, "specBytes": len(canonical(spec.document)),
        "program": own.program if own else None,
    }  # fmt: skip
