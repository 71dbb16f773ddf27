"""Table I of the paper as data: which models and resources each QoE requirement asks for, and in which scenarios.

Manifests name the entries that they fill as `<row>/<name>` (`digital_twin/service_quality/sensors`); the validator and
the tests hold the catalogue against it. `text` are models that the paper names beside the table.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

TABLE = Path(__file__).with_name("table1.json")


@dataclass(frozen=True)
class Row:
    """One QoE requirement of one service type. `text` maps a model's name to the section that names it."""

    id: str
    service_type: str
    qoe_requirement: str
    caas: tuple[str, ...]
    taas: tuple[str, ...]
    text: Mapping[str, str]
    resources: tuple[str, ...]
    scenarios: tuple[str, ...]

    def entries(self) -> tuple[str, ...]:
        """Every model of this row, as a manifest's `table1` names it."""
        return tuple(f"{self.id}/{name}" for name in (*self.caas, *self.taas, *self.text))


@cache
def rows() -> tuple[Row, ...]:
    return tuple(
        Row(
            id=row["id"],
            service_type=row["service_type"],
            qoe_requirement=row["qoe_requirement"],
            caas=tuple(row["caas"]),
            taas=tuple(row["taas"]),
            text=MappingProxyType(row["text"]),
            resources=tuple(row["resources"]),
            scenarios=tuple(row["scenarios"]),
        )
        for row in json.loads(TABLE.read_text("utf-8"))["rows"]
    )


def entries() -> frozenset[str]:
    """All entries of all rows."""
    return frozenset(entry for row in rows() for entry in row.entries())


def scenarios() -> Mapping[str, str]:
    """Scenario → the service type that it is of."""
    return {scenario: row.service_type for row in rows() for scenario in row.scenarios}
