"""Scenario files: JSON of `scenario-1.schema.json`, checked, with the defaults filled in."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from orchestrator.simulation.errors import ScenarioMalformed

HERE = files(__package__)


@dataclass(frozen=True, slots=True)
class Run:
    """One playing of the scenario: which local controller, and whether the global one runs."""

    name: str
    local: Literal["local", "static", "hpa"]
    designed: bool


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is simulated; the schema tells the units and bounds."""

    name: str
    seconds: int
    step_s: int
    epoch_s: int
    users_at_peak: int
    stay_s: int
    profile: Literal["day", "flat", "event"]
    topology: str
    rendering_k: int
    starting_s: int
    promised_part: float
    recordings: str
    runs: tuple[Run, ...]


def shipped() -> dict[str, Path]:
    """The scenarios that come with the program, by name."""
    return {path.stem: path for path in sorted(Path(str(HERE / "scenarios")).glob("*.json"))}


def load_scenario(path: Path) -> Scenario:
    """Read and check a scenario file. Raises ScenarioMalformed, naming the worst place."""
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError) as cause:
        raise ScenarioMalformed(
            f"{path} is no JSON file that can be read ({cause}). See `s4m simulate --help`."
        ) from cause
    return parse_scenario(document)


def parse_scenario(document: Any) -> Scenario:
    """The scenario of a document."""
    schema = json.loads((HERE / "scenario-1.schema.json").read_text())
    error = best_match(Draft202012Validator(schema).iter_errors(document))
    if error is not None:
        raise ScenarioMalformed(f"The scenario is wrong at {error.json_path}: {error.message}. Correct it.")
    defaults = {name: one["default"] for name, one in schema["properties"].items() if "default" in one}
    filled = {**defaults, **document}
    runs = tuple(Run(one["name"], one["local"], one["global"]) for one in filled.pop("runs"))
    if len({run.name for run in runs}) != len(runs):
        raise ScenarioMalformed("Two runs of the scenario have one name. Give each a name of its own.")
    del filled["schema"]
    return Scenario(**filled, runs=runs)
