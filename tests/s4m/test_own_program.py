"""A provider's own program by commands alone: checked, tried, published, bought, used, hung, and up again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_runner import Run, runner

from orchestrator.models.programs import content_hash
from s4m.supervisor import House

WORD_COUNT = Path(__file__).parents[2] / "examples" / "word-count"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with House.start(tmp_path_factory.mktemp("house"), port_base=0) as running:
        yield running


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A copy of the example, to be spoilt."""
    return Path(shutil.copytree(WORD_COUNT, tmp_path / "own"))


def rewritten(own: Path, **fields: Any) -> Path:
    """The manifest with these fields; it names the folder's content."""
    manifest = own / "manifest.json"
    document = {**json.loads(manifest.read_text()), "program": content_hash(own / "program"), **fields}
    manifest.write_text(json.dumps(document))
    return manifest


def finding(run: Run, manifest: Path) -> tuple[str, str]:
    """Where the only fault is, and its cause; it is published nowhere."""
    answer = run("models", "validate", manifest)
    assert answer.code == 2
    (found,) = answer.json["findings"]
    assert found["remedy"]
    assert run("models", "publish", manifest).json["code"] == "bad_manifest"
    return found["at"], found["cause"]


@pytest.mark.parametrize("example", ["word-count", "dice"])
def test_the_examples_are_valid_and_name_their_content(run: Run, example: str) -> None:
    folder = WORD_COUNT.parent / example
    told = run("models", "validate", folder / "manifest.json").json
    assert (told["valid"], told["installed"], told["findings"]) == (True, False, [])
    named = json.loads((folder / "manifest.json").read_text())["program"]
    assert run("models", "hash", folder / "program").json["program"] == named


def test_a_call_is_tried_without_a_house(run: Run) -> None:
    tried = ("models", "run", WORD_COUNT / "manifest.json", "--call", "count", "--params")
    answer = run(*tried, '{"text": "sun sea sun"}').json
    assert (answer["status"], answer["quantity"], answer["unit"]) == (200, 3, "word")
    assert answer["body"]["words"] == {"sun": 2, "sea": 1}
    assert run(*tried, "{}").code == 3
    assert run(*tried, "{}", "--no-sandbox").json["code"] == "bad_input"


def test_a_changed_program_is_not_what_the_manifest_names(run: Run, own: Path) -> None:
    (own / "program" / "serve.py").write_text("print('other')")
    at, cause = finding(run, own / "manifest.json")
    assert (at, cause.split(":")[0]) == ("$.program", "program_hash")
    assert run("models", "run", own / "manifest.json").json["code"] == "bad_manifest"


def test_links_and_missing_folders_are_refused(run: Run, own: Path) -> None:
    (own / "program" / "keys").symlink_to("/etc")
    assert finding(run, own / "manifest.json")[1].startswith("program_link")
    assert run("models", "hash", own / "program").json["code"] == "bad_input"
    shutil.rmtree(own / "program")
    assert finding(run, own / "manifest.json")[1].startswith("program_missing")


def test_a_command_is_a_file_of_the_folder(run: Run, own: Path) -> None:
    assert finding(run, rewritten(own, command=["sh", "-c", "id"]))[0] == "$.command"
    assert finding(run, rewritten(own, command=["../serve.py"]))[0] == "$.command[0]"


def test_what_does_not_come_up_or_takes_no_grant_is_found_by_the_trial(run: Run, own: Path) -> None:
    program = own / "program" / "serve.py"
    whole = program.read_text()
    program.write_text("raise SystemExit('no beach today')")
    at, cause = finding(run, rewritten(own))
    assert at == "$.health"
    assert "no beach today" in cause
    assert run("models", "run", own / "manifest.json", "--call", "count").json["code"] == "service_not_ready"
    program.write_text(whole.replace('"/configure"', '"/set"'))
    assert finding(run, rewritten(own)) == ("$.command", "POST /configure answered 400")


def pid_of(house: House) -> int | None:
    """The own program's process as the orchestrator recorded it. Only read: a runtime of the test's own would ask for
    its health too, and let it go on."""
    for intent in house.home.glob("instances/*/intent.json"):
        recorded = intent.with_name("process.json")
        if '"sha256:' in intent.read_text() and recorded.exists():
            return int(json.loads(recorded.read_text())["pid"])
    return None


def test_published_bought_used_hung_and_up_again(house: House) -> None:
    run = runner(house.home)
    published = run("models", "publish", WORD_COUNT / "manifest.json", "--account", "provider-technology").json
    assert published["program"].startswith("sha256:")
    assert run("models", "validate", WORD_COUNT / "manifest.json").json["installed"] is True
    assert (house.home / "programs" / published["program"].removeprefix("sha256:") / "serve.py").is_file()
    assert run("wallet", "create", "anna").code == 0
    assert run("wallet", "fund", "anna").code == 0
    bought = run("buy", "word-count", "--wallet", "anna", "--cap", "100", "--yes").json
    assert bought.get("state") == "active", bought
    used = run("use", bought["subscriptionId"], "count", "--params", '{"text": "sun sea sun"}').json
    assert (used["units"], used["body"]["words"]) == ("3", {"sun": 2, "sea": 1})
    first = pid_of(house)
    assert first is not None
    os.kill(first, signal.SIGSTOP)
    deadline = time.monotonic() + 60
    while pid_of(house) in (None, first):
        assert time.monotonic() < deadline, "it was not started anew"
        time.sleep(0.2)
    while (again := run("use", bought["subscriptionId"], "count", "--params", '{"text": "sea"}')).code != 0:
        assert time.monotonic() < deadline, again
        time.sleep(0.2)
    assert (again.json["units"], again.json["body"]["words"]) == ("1", {"sea": 1})
    assert run("settle").code == 0
    audited = run("audit", "--log", again.json["log"], "--proofs", "all").json
    assert (audited["findings"], audited["records_checked"]) == ([], 2)
