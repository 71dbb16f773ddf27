"""`s4m simulate`: a scenario's users under the controllers that run live, faster than real time."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from s4m.command import Session, common, console

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from orchestrator.simulation.city import Outcome
    from orchestrator.simulation.scenario import Scenario

COLUMNS = (
    "run", "missing_of_promised", "mean_immersion", "mean_capacity_k", "served", "refused", "prewarmed",
    "start_mean_s", "start_p95_s", "wall_s",
)  # fmt: skip


@click.command()
@click.argument("scenario")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for result.json and figures.")
@click.option("--seed", type=click.IntRange(min=0), default=7, show_default=True, help="Of all that is drawn.")
@common
def simulate(session: Session, scenario: str, out: Path | None, seed: int) -> None:
    """Play SCENARIO: a JSON file of s4m/scenario/1, or the name of a shipped one (city-day, rush-hour, quiet-hour)."""
    from orchestrator.simulation.report import write_report
    from orchestrator.simulation.scenario import load_scenario, shipped

    plan = load_scenario(shipped().get(scenario, Path(scenario)))
    outcomes = _play(session, plan, seed)
    if out is not None:
        for path in write_report(plan, outcomes, seed, out):
            session.say(f"wrote {path}")
    session.show([outcome.summary(plan.step_s) for outcome in outcomes], *COLUMNS)


def _play(session: Session, plan: Scenario, seed: int) -> list[Outcome]:
    """All runs of the scenario, each over the same visits, with a progress bar on a terminal's stderr."""
    from rich.progress import Progress

    from orchestrator.simulation.city import play_city
    from orchestrator.simulation.traces import modelled_traces, read_traces
    from orchestrator.simulation.visits import draw_visits

    traces = read_traces(Path(plan.recordings)) if plan.recordings else modelled_traces(seed, 3_600)
    visits = draw_visits(plan, traces, seed)
    outcomes = []
    with Progress(console=console(stderr=True), disable=session.as_json, transient=True) as bar:
        for run in plan.runs:
            task = bar.add_task(run.name, total=plan.seconds)
            outcomes.append(play_city(plan, run, visits, seed, partial(_advance, bar, task)))
    return outcomes


def _advance(bar: Progress, task: TaskID, second: int) -> None:
    bar.update(task, completed=second)
