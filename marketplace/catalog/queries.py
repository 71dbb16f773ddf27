"""Models and plans from the projected tables, with their documents where somebody has put them."""

from __future__ import annotations

from functools import partial
from typing import Any

from sqlalchemy import RowMapping, Table, select

from marketplace.database import models, plans
from marketplace.documents import Documents
from marketplace.errors import UnknownModel, UnknownPlan
from marketplace.parts import Parts


def all_models(parts: Parts) -> list[dict[str, Any]]:
    """Every model with its plans, in order of registration."""
    parts.projection.refresh()
    with parts.engine.connect() as connection:
        rows = connection.execute(select(models)).mappings().all()
        offers = connection.execute(select(plans)).mappings().all()
    plan_of = partial(_plan, documents=parts.documents)
    found = [_model(row, [plan_of(plan) for plan in offers if plan["model_id"] == row["model_id"]]) for row in rows]
    for model in found:
        spec = parts.documents.document(model["specHash"]) or {}
        model |= {"name": spec.get("name"), "title": spec.get("title")}
    return sorted(found, key=lambda model: int(model["modelId"]))


def one_model(parts: Parts, model_id: str) -> dict[str, Any]:
    """A model, its spec document, and its plans with their terms; raises `UnknownModel`."""
    row = _row(parts, models, model_id)
    if row is None:
        raise UnknownModel(f"no model {model_id} is registered.", remedy="GET /api/v1/models lists them.")
    with parts.engine.connect() as connection:
        offers = connection.execute(select(plans).where(plans.c.model_id == model_id)).mappings().all()
    detailed = [_with_terms(_plan(plan, parts.documents), parts.documents) for plan in offers]
    spec = parts.documents.document(row["spec_hash"])
    names = {"name": (spec or {}).get("name"), "title": (spec or {}).get("title")}
    return {**_model(row, detailed), **names, "spec": spec}


def one_plan(parts: Parts, plan_id: str) -> dict[str, Any]:
    """A plan and its terms document; raises `UnknownPlan`."""
    row = _row(parts, plans, plan_id)
    if row is None:
        raise UnknownPlan(f"no plan {plan_id} was published.", remedy="GET /api/v1/models lists them.")
    return _with_terms(_plan(row, parts.documents), parts.documents)


def _row(parts: Parts, table: Table, identifier: str) -> RowMapping | None:
    parts.projection.refresh()
    key = next(iter(table.primary_key.columns))
    with parts.engine.connect() as connection:
        return connection.execute(select(table).where(key == identifier)).mappings().first()


def _with_terms(plan: dict[str, Any], documents: Documents) -> dict[str, Any]:
    return {**plan, "terms": documents.document(plan["termsHash"])}


def _model(row: RowMapping, offers: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "modelId": row["model_id"],
        "owner": row["owner"],
        "kind": row["kind"],
        "specHash": row["spec_hash"],
        "uri": row["uri"],
        "meterKey": row["meter_key"],
        "askBps": row["ask_bps"],
        "royaltyBps": row["royalty_bps"],
        "plans": offers,
    }


def _plan(row: RowMapping, documents: Documents) -> dict[str, Any]:
    """A plan; `isolation` is the degree that its terms name (0 where they name none), null where nobody put them."""
    terms = documents.document(row["terms_hash"])
    return {
        "planId": row["plan_id"],
        "modelId": row["model_id"],
        "version": row["version"],
        "unitPrice": row["unit_price"],
        "periodPrice": row["period_price"],
        "period": row["period"],
        "releaseWindow": row["release_window"],
        "activationWindow": row["activation_window"],
        "qoeFloor": row["qoe_floor"],
        "termsHash": row["terms_hash"],
        "isolation": None if terms is None else terms.get("isolation", 0),
        "shares": row["shares"],
        "retired": row["retired"],
    }
