"""Models and plans from the projected tables, with their documents where somebody has put them.

The whole catalogue is small and changes seldom: it is built once for each version of tables and documents.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import RowMapping, Table, select

from marketplace.answers import ModelAnswer, PlanAnswer
from marketplace.catalog.search import Search, search
from marketplace.database import models, plans
from marketplace.documents import Documents
from marketplace.errors import UnknownModel, UnknownPlan
from marketplace.pagination import Window
from marketplace.parts import Parts


@dataclass(frozen=True)
class Catalogue:
    """All models in order of registration, and their specs in the same order, as of one version."""

    version: tuple[int, int]
    models: tuple[ModelAnswer, ...]
    specs: tuple[dict[str, Any] | None, ...]


def all_models(parts: Parts) -> list[ModelAnswer]:
    """Every model with its plans, in order of registration."""
    return list(catalogue(parts).models)


def found_models(parts: Parts, asked: Search, window: Window) -> list[ModelAnswer]:
    """The models that fit, from `window` on; one more than it shows where there are more."""
    known = catalogue(parts)
    found = search(known.models, asked, known.specs)
    if window.after is not None:
        last = int(window.after[0]) if window.after[0].isdecimal() else 0
        found = [model for model in found if int(model["modelId"]) > last]
    return found[: window.limit + 1]


def catalogue(parts: Parts) -> Catalogue:
    """The catalogue of the newest block that was looked at."""
    parts.projection.refresh()
    version = (parts.projection.catalogue_version, parts.documents.version)
    known = parts.memory.get("catalogue")
    if known is None or known.version != version:
        known = parts.memory["catalogue"] = _built(parts, version)
    return cast(Catalogue, known)


def _built(parts: Parts, version: tuple[int, int]) -> Catalogue:
    with parts.engine.connect() as connection:
        rows = connection.execute(select(models)).mappings().all()
        offers = connection.execute(select(plans)).mappings().all()
    of_model: dict[str, list[PlanAnswer]] = {}
    for offer in sorted(offers, key=lambda row: int(row["plan_id"])):
        of_model.setdefault(offer["model_id"], []).append(_plan(offer, parts.documents))
    ordered = sorted(rows, key=lambda row: int(row["model_id"]))
    specs = tuple(parts.documents.document(row["spec_hash"]) for row in ordered)
    listed = tuple(
        _model(row, spec, of_model.get(row["model_id"], [])) for row, spec in zip(ordered, specs, strict=True)
    )
    return Catalogue(version, listed, specs)


def one_model(parts: Parts, model_id: str) -> ModelAnswer:
    """A model, its spec document, and its plans with their terms; raises `UnknownModel`."""
    known = catalogue(parts)
    for model, spec in zip(known.models, known.specs, strict=True):
        if model["modelId"] == model_id:
            detailed = [_with_terms(plan, parts.documents) for plan in model["plans"]]
            return {**model, "plans": detailed, "spec": spec}
    raise UnknownModel(f"no model {model_id} is registered.", remedy="GET /api/v1/models lists them.")


def one_plan(parts: Parts, plan_id: str) -> PlanAnswer:
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


def _with_terms(plan: PlanAnswer, documents: Documents) -> PlanAnswer:
    return {**plan, "terms": documents.document(plan["termsHash"])}


def _model(row: RowMapping, spec: dict[str, Any] | None, offers: list[PlanAnswer]) -> ModelAnswer:
    told = spec or {}
    return {
        "modelId": row["model_id"],
        "owner": row["owner"],
        "kind": row["kind"],
        "specHash": row["spec_hash"],
        "uri": row["uri"],
        "meterKey": row["meter_key"],
        "askBps": row["ask_bps"],
        "royaltyBps": row["royalty_bps"],
        "name": told.get("name"),
        "title": told.get("title"),
        "serviceType": told.get("service_type"),
        "scenario": told.get("scenario"),
        "plans": offers,
    }


def _plan(row: RowMapping, documents: Documents) -> PlanAnswer:
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
