"""The bench of forecasts: strangers' traces are read, its figures can be recomputed from its raw file."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts.bench import figure
from scripts.immersion.demands import diurnal
from scripts.immersion.forecast import geometric_mean, hpa_variants, measure
from scripts.immersion.traces import MalformedTrace, Trace, read_trace, read_traces, synthetic


def written(folder: Path, steps: int = 240) -> Path:
    """A folder with one trace, five-minute steps, a gap of two rows."""
    values = [str(value) for value in diurnal(np.random.default_rng(31), steps)]
    values[100] = values[101] = ""
    stamps = [
        f"2026-01-{1 + place // 288:02d} {place // 12 % 24:02d}:{place % 12 * 5:02d}:00" for place in range(steps)
    ]
    lines = ["timestamp,value", *map(",".join, zip(stamps, values, strict=True))]
    (folder / "strange.csv").write_text("\n".join(lines) + "\n")
    return folder


def mean_cost(capacity: list[float], demand: list[float]) -> float:
    return sum(
        capable - needed if capable > needed else 10 * (needed - capable)
        for capable, needed in zip(capacity, demand, strict=True)
    ) / len(demand)


def test_figures_follow_from_the_raw_file(tmp_path: Path) -> None:
    figures = {each["name"]: each for each in measure(figure, tmp_path, 7, written(tmp_path))}
    raw: list[dict[str, Any]] = json.loads((tmp_path / "forecast-raw.json").read_text())
    over_best = []
    for one in raw:
        assert len(one["demand"]) == 72
        ours = mean_cost(one["ours"], one["demand"])
        hpa = min(mean_cost(capacity, one["demand"]) for capacity in one["hpa"].values())
        over_best.append(ours / min(mean_cost(capacity, one["demand"]) for capacity in one["experts"].values()))
        assert figures[f"forecast_cost_over_hpa_{one['horizon']}"]["value"] == pytest.approx(ours / hpa, abs=1e-3)
    assert figures["forecast_over_best_expert"]["value"] == pytest.approx(max(over_best), abs=1e-3)


def test_command_prints_a_line_a_trace_and_refuses_what_is_none(tmp_path: Path) -> None:
    command = [sys.executable, "scripts/immersion/forecast.py", "--input", str(written(tmp_path))]
    told = subprocess.run([*command, "--out", str(tmp_path / "raw.json")], capture_output=True, text=True, check=True)
    assert told.stdout.count("strange") == 2
    assert "geometric mean" in told.stdout
    (tmp_path / "broken.csv").write_text("a,b\n1,2\n")
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "broken.csv has the columns ['a', 'b']. Give timestamp,value." in refused.stderr


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("timestamp,value\n", "has 0 steps"),
        ("timestamp,value\n2026-01-01,1\n", "has 1 steps"),
        ("timestamp,value\nnever,1\n", "line 2"),
        ("timestamp,value\n1,-1\n", "'-1' is no demand"),
        ("timestamp,value\n1,inf\n", "'inf' is no demand"),
        ("timestamp,value\n1\n", "line 2"),
        ("", "has the columns"),
    ],
)
def test_file_that_holds_no_trace_is_told(tmp_path: Path, text: str, cause: str) -> None:
    (tmp_path / "bad.csv").write_text(text)
    with pytest.raises(MalformedTrace, match=cause):
        read_trace(tmp_path / "bad.csv")


def test_folder_without_traces_is_told(tmp_path: Path) -> None:
    with pytest.raises(MalformedTrace, match=r"holds no \.csv"):
        read_traces(tmp_path)


def test_rates_of_containers_become_requests_a_minute(tmp_path: Path) -> None:
    rows = [f"{60 * minute + second},0.5,,API" for minute in range(60) if minute != 30 for second in (0, 57)]
    (tmp_path / "genai.csv").write_text("\n".join(["timestamp_anon,value,container_ip,request_type", *rows]) + "\n")
    trace = read_trace(tmp_path / "genai.csv")
    assert trace.step_s == 60
    assert len(trace.demand) == 60
    assert trace.demand[29] == 60.0
    assert trace.demand[30] == 0.0


def test_hpa_variants_at_five_minutes() -> None:
    variants = hpa_variants(Trace("x", np.array([7.0, 70.0, 7.0, 7.0, np.nan, 7.0, 7.0]), 300.0))
    assert variants["plain"] == pytest.approx([10, 100, 10, 10, 10, 10, 10])
    assert variants["stabilised 300 s"] == pytest.approx([10, 100, 100, 10, 10, 10, 10])
    assert variants["stabilised 5 steps"] == pytest.approx([10, 100, 100, 100, 100, 100, 10])


def test_geometric_mean_and_seeded_traces() -> None:
    assert geometric_mean([0.5, 2.0]) == pytest.approx(1.0)
    one, again = synthetic(3, 100), synthetic(3, 100)
    assert all(np.array_equal(a.demand, b.demand, equal_nan=True) for a, b in zip(one, again, strict=True))


@pytest.mark.skipif(not os.environ.get("S4M_DATA"), reason="S4M_DATA is unset: no recorded traces here")
def test_recorded_traces_are_read() -> None:
    traces = {trace.name: trace for trace in read_traces(Path(os.environ["S4M_DATA"]) / "demand")}
    assert traces["genai_qps"].step_s == 60
    assert traces["elb_request_count_8c0756"].step_s == 300
    assert len(traces["ec2_network_in_5abac7"].demand) == 4_730


def test_measure_of_a_folder_without_traces_ends_with_its_cause(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"error: .* holds no \.csv"):
        measure(figure, tmp_path, 7, tmp_path)
