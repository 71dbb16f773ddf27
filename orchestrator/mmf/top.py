"""MMF's part of the live view: the pool by site, models by name, the fullest instances, the newest repacks. It changes
nothing."""

from collections import defaultdict
from typing import Any

import sqlalchemy as sa

from orchestrator.instances.models import STANDING
from orchestrator.instances.tables import INSTANCES
from orchestrator.resources.pool import virtual_pool
from orchestrator.resources.repacks import repacks

SHOWN = 40
"""Instances in the view; the sums by model are of all."""
NEWEST = 3
"""Repacks in the view."""


def top(rows: sa.Connection) -> dict[str, Any]:
    """{"pool", "models", "instances", "instancesLeftOff", "repacks"}."""
    models = _models(rows)
    instances = _instances(rows)
    count = sum(model["instances"] for model in models)
    return {
        "pool": virtual_pool(rows).to_json(),
        "models": models,
        "instances": instances,
        "instancesLeftOff": max(count - len(instances), 0),
        "repacks": repacks(rows, NEWEST),
    }


def _models(rows: sa.Connection) -> list[dict[str, Any]]:
    columns = INSTANCES.c
    query = sa.select(
        columns.model,
        columns.state,
        sa.func.count(),
        sa.func.sum(columns.shares),
        sa.func.sum(columns.max_shares * columns.scale),
        sa.func.max(columns.scale),
    ).where(_standing())
    states: defaultdict[str, dict[str, Any]] = defaultdict(_nothing)
    for model, state, count, shares, seats, scale in rows.execute(query.group_by(columns.model, columns.state)):
        sums = states[model]
        sums["states"][state] = count
        for name, more in (("instances", count), ("shares", shares), ("maxShares", seats)):
            sums[name] += int(more)
        sums["maxScale"] = max(sums["maxScale"], int(scale))
    return [{"model": model, **states[model]} for model in sorted(states)]


def _nothing() -> dict[str, Any]:
    return {"instances": 0, "shares": 0, "maxShares": 0, "maxScale": 0, "states": {}}


def _instances(rows: sa.Connection) -> list[dict[str, Any]]:
    names = ("instance_id", "model", "node_id", "state", "isolation", "scale", "shares", "supply")
    query = sa.select(
        *(INSTANCES.c[name] for name in names), (INSTANCES.c.max_shares * INSTANCES.c.scale).label("seats")
    )
    order = query.where(_standing()).order_by(INSTANCES.c.shares.desc(), INSTANCES.c.instance_id).limit(SHOWN)
    return [
        {
            "instance": row["instance_id"],
            "model": row["model"],
            "node": row["node_id"],
            "state": row["state"],
            "isolation": row["isolation"],
            "scale": row["scale"],
            "shares": row["shares"],
            "maxShares": row["seats"],
            "supply": bool(row["supply"]),
        }
        for row in rows.execute(order).mappings()
    ]


def _standing() -> sa.ColumnElement[bool]:
    return INSTANCES.c.state.in_([state.value for state in STANDING])
