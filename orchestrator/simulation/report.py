"""A simulation's results as files: a JSON of all series and designs, and a figure that reads in black and white."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.simulation.city import SERIES, Outcome
from orchestrator.simulation.scenario import Scenario

LINES = ("-", "--", ":", "-.", (0, (5, 1)), (0, (1, 3)))
SMOOTHED_STEPS = 30


def write_report(scenario: Scenario, outcomes: list[Outcome], seed: int, folder: Path) -> list[Path]:
    """Write result.json, result.png and result.svg; answers what was written."""
    folder.mkdir(parents=True, exist_ok=True)
    result = folder / "result.json"
    result.write_text(json.dumps(_document(scenario, outcomes, seed)) + "\n")
    return [result, *_draw(scenario, outcomes, folder)]


def _document(scenario: Scenario, outcomes: list[Outcome], seed: int) -> dict[str, Any]:
    return {
        "scenario": scenario.name,
        "seed": seed,
        "step_s": scenario.step_s,
        "columns": SERIES,
        "runs": [
            {
                **outcome.summary(scenario.step_s),
                "series": outcome.series,
                "designs": [
                    {
                        "until_s": one.until_s,
                        "reserve": one.reserve.amounts(),
                        "models": dict(one.models),
                        "shares": one.shares,
                        "version": one.version,
                        "reasons": one.reasons,
                    }
                    for one in outcome.designs
                ],
            }
            for outcome in outcomes
        ],
    }


def _draw(scenario: Scenario, outcomes: list[Outcome], folder: Path) -> list[Path]:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(3, 1, figsize=(8, 8), sharex=True, layout="constrained")
    titles = ("users served", "missing to the floors (share)", "rendering capacity held (K)")
    for outcome, line in zip(outcomes, LINES, strict=False):
        columns = dict(zip(SERIES, np.array(outcome.series).T, strict=True))
        hours = columns["second"] / 3_600
        missing, floor = (_smooth(columns[name]) for name in ("missing", "floor"))
        share = np.divide(missing, floor, out=np.zeros_like(missing), where=floor > 0)
        for panel, values in zip(panels, (columns["users"], share, columns["capacity_k"]), strict=True):
            panel.plot(hours, values, linestyle=line, color="black", linewidth=1, label=outcome.run.name)
    for panel, title in zip(panels, titles, strict=True):
        panel.set_ylabel(title)
        panel.grid(alpha=0.3)
    panels[0].set_title(f"Scenario {scenario.name}, one frame each {scenario.step_s} s")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    panels[2].set_xlabel("hours")
    files = [folder / f"result.{ending}" for ending in ("png", "svg")]
    for file in files:
        figure.savefig(file, dpi=150)
    plt.close(figure)
    return files


def _smooth(values: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The mean over so many steps around each."""
    width = min(SMOOTHED_STEPS, len(values))
    return np.convolve(values, np.ones(width) / width, mode="same")
