"""What a buyer may look for in the catalogue: type, scenario, promise, price, isolation, words. Pure.

Called by the route below and by the web pages; both hand in the models that `queries.all_models` lists.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from marketplace.answers import ModelAnswer, PlanAnswer

Text = Annotated[str | None, Field(max_length=100)]
Price = Annotated[str | None, Field(pattern=r"^(0|[1-9][0-9]{0,29})$")]


class Search(BaseModel):
    """A search; what is None is not asked for. One open plan must meet promise, prices and isolation together."""

    model_config = ConfigDict(frozen=True)

    text: Text = Field(default=None, description="Words, all of them in name, title, calls or spec.")
    kind: Literal["caas", "taas", "composite"] | None = None
    serviceType: Text = Field(default=None, description="`ar_vr` or `digital_twin`.")
    scenario: Text = Field(default=None, description="A scenario of the paper's Table I.")
    owner: Text = Field(default=None, description="The provider's address.")
    minQoe: int | None = Field(default=None, ge=0, le=100_000, description="Least QoE promise, thousandths.")
    maxUnitPrice: Price = Field(default=None, description="Smallest units of the token.")
    maxPeriodPrice: Price = Field(default=None, description="Smallest units of the token.")
    isolation: int | None = Field(default=None, ge=0, le=2, description="Degree that a plan sells.")


Asked = Annotated[Search, Query()]


def search(models: Sequence[ModelAnswer], asked: Search, specs: Sequence[dict[str, Any] | None]) -> list[ModelAnswer]:
    """The models that fit, in the order given; `specs` are their documents, in the same order."""
    return [model for model, spec in zip(models, specs, strict=True) if _fits(model, spec or {}, asked)]


def _fits(model: ModelAnswer, spec: dict[str, Any], asked: Search) -> bool:
    facts = (
        (asked.kind, model["kind"]),
        (asked.serviceType, model["serviceType"]),
        (asked.scenario, model["scenario"]),
        (asked.owner and asked.owner.lower(), model["owner"].lower()),
    )
    if any(wanted is not None and wanted != found for wanted, found in facts):
        return False
    return _says(model, spec, asked.text) and _sells(model, asked)


def _says(model: ModelAnswer, spec: dict[str, Any], text: str | None) -> bool:
    words = (text or "").casefold().split()
    if not words:
        return True
    told = f"{model['name']} {model['title']} {model['kind']} {json.dumps(spec, ensure_ascii=False)}".casefold()
    return all(word in told for word in words)


def _sells(model: ModelAnswer, asked: Search) -> bool:
    about_plans = (asked.minQoe, asked.maxUnitPrice, asked.maxPeriodPrice, asked.isolation)
    if all(wanted is None for wanted in about_plans):
        return True
    return any(_suits(plan, asked) for plan in model["plans"] if not plan["retired"])


def _suits(plan: PlanAnswer, asked: Search) -> bool:
    return (
        plan["qoeFloor"] >= (asked.minQoe or 0)
        and _cheap(plan["unitPrice"], asked.maxUnitPrice)
        and _cheap(plan["periodPrice"], asked.maxPeriodPrice)
        and asked.isolation in (None, plan["isolation"] or 0)
    )


def _cheap(price: str, most: str | None) -> bool:
    return most is None or int(price) <= int(most)
