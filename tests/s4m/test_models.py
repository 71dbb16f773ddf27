"""`s4m models`: what is installed, what is wrong with a manifest, and one model run by itself."""

from __future__ import annotations

import json
import re
import signal
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command_runner import Run

from orchestrator.models.manifests import HERE, manifest_named
from orchestrator.runtime import unix_http
from s4m.trial import Trial, granted

DEVICE = HERE / "manifests" / "device.json"


def changed(tmp_path: Path, **fields: Any) -> Path:
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps({**json.loads(DEVICE.read_text()), **fields}))
    return path


def test_the_list_tells_calls_isolation_and_table_1(run: Run) -> None:
    rows = {row["name"]: row for row in run("models", "list").json}
    assert len(rows) == 27
    assert rows["storage"]["calls"] == ["put", "get", "list", "delete"]
    assert rows["sensors"]["table1"] == ["digital_twin/service_quality/sensors", "ar_vr/ultra_low_latency/sensors"]
    assert "digital-twin" in run("models", "list", as_json=False).text


@pytest.mark.parametrize("file", [DEVICE, HERE / "services" / "city-twin.json"])
def test_what_is_installed_is_valid(run: Run, file: Path) -> None:
    answer = run("models", "validate", file)
    assert (answer.code, answer.json["valid"], answer.json["installed"], answer.json["findings"]) == (0, True, True, [])


def test_a_changed_manifest_is_valid_but_not_installed(run: Run, tmp_path: Path) -> None:
    told = run("models", "validate", changed(tmp_path, ask_bps=999)).json
    assert (told["valid"], told["installed"]) == (True, False)


def test_all_faults_are_told_at_once_with_cause_and_remedy(run: Run, tmp_path: Path) -> None:
    answer = run("models", "validate", changed(tmp_path, kind="SaaS", memory_mib=0, isolation=[]))
    assert answer.code == 2
    assert [finding["at"] for finding in answer.json["findings"]] == ["$.isolation", "$.kind", "$.memory_mib"]
    assert all(finding["cause"] and finding["remedy"] for finding in answer.json["findings"])
    assert json.loads(answer.errors.strip().splitlines()[-1])["code"] == "bad_manifest"
    spoken = run("models", "validate", changed(tmp_path, kind="SaaS"), as_json=False)
    assert "$.kind" in spoken.text
    assert "error [bad_manifest]" in spoken.errors


def test_a_faulty_manifest_is_published_nowhere(run: Run, tmp_path: Path) -> None:
    answer = run("models", "publish", changed(tmp_path, max_shares=0))
    assert (answer.code, answer.json["code"]) == (2, "bad_manifest")
    assert "$.max_shares" in answer.json["error"]
    assert run("models", "publish", DEVICE).json["code"] == "nothing_running"


@pytest.mark.parametrize("text", ["{", "[]"])
def test_what_is_no_document_is_bad_input(run: Run, tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    assert run("models", "validate", tmp_path / "x.json").json["code"] == "bad_input"


@pytest.mark.parametrize("where", ["--sandbox", "--no-sandbox"])
def test_one_call_prints_answer_quantity_and_cost(run: Run, where: str) -> None:
    params = json.dumps({"kind": "patient", "seconds": 2, "rate_hz": 4, "channels": ["heart_bpm"]})
    answer = run("models", "run", "sensors", "--call", "read", "--params", params, where)
    assert answer.code == 0
    assert (answer.json["status"], answer.json["quantity"], answer.json["unit"]) == (200, 1, "hectosample")
    assert answer.json["cpuMs"] > 0
    assert len(answer.json["body"]["channels"]["heart_bpm"]["values"]) == 8


def test_the_grant_is_an_instances_with_one_share_unless_one_is_given(run: Run) -> None:
    assert granted(manifest_named("rendering-server")) == {"computing_mcores": 260, "rendering_k": 4000}
    model = ("models", "run", "3d-modelling", "--call", "model", "--params", '{"parts": [{"shape": "cylinder"}]}')
    usual, given = (run(*model, "--no-sandbox", *more).json for more in ((), ("--grant", '{"computing_mcores": 1}')))
    assert usual["info"]["triangles"] > 10_000
    assert given["info"]["triangles"] <= 100


def test_a_body_goes_to_a_file(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "gear.glb"
    params = '{"parts": [{"shape": "gear"}]}'
    run("models", "run", "3d-modelling", "--call", "model", "--params", params, "--out", out, "--no-sandbox")
    assert struct.unpack_from("<III", out.read_bytes()) == (0x46546C67, 2, out.stat().st_size)


def test_a_refused_call_says_so_and_is_no_success(run: Run) -> None:
    answer = run("models", "run", "storage", "--call", "get", "--params", '{"key": "a"}', "--no-sandbox")
    assert (answer.code, answer.json["status"], answer.json["body"]["code"]) == (3, 404, "not_there")


def test_a_manifest_file_runs_too_and_a_wrong_one_is_refused(run: Run, tmp_path: Path) -> None:
    given = changed(tmp_path, title="My device")
    answer = run("models", "run", given, "--call", "capture", "--params", '{"seconds": 0.1}', "--no-sandbox")
    assert answer.json["status"] == 200
    nowhere = run("models", "run", changed(tmp_path, module="nowhere"))
    assert (nowhere.code, nowhere.json["code"]) == (2, "bad_manifest")
    assert run("models", "run", "teleporter").json["code"] == "bad_input"
    assert run("models", "run", "device", "--params", "[1]").json["code"] == "bad_input"


def test_a_model_runs_until_it_is_stopped_and_tells_how_to_call_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "s4m.main", "models", "run", "edge-cache", "--home", str(tmp_path), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "running until Ctrl-C\n"
        said = _said(process)
        assert "governor" in json.loads(said)["bounds"]["cpu"]
        socket = Path(re.findall(r"--unix-socket (\S+)", said)[0])
        assert unix_http.ask(socket, "GET", "/health").json()["program"] == "edge-cache"
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert not socket.exists()


def _said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    lines = []
    while not lines or lines[-1] != "}\n":
        lines.append(process.stdout.readline())
    return "".join(lines)


def test_a_trial_leaves_nothing_behind_even_where_its_user_fails() -> None:
    class Mishap(Exception):
        pass

    seen: list[Trial] = []

    def fail() -> None:
        with Trial.start(manifest_named("platform"), sandbox=True) as trial:
            seen.append(trial)
            raise Mishap

    with pytest.raises(Mishap):
        fail()
    assert not Path(f"/proc/{seen[0].pid}").exists()
    assert not seen[0].socket.exists()
