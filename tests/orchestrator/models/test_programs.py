"""Providers' own programs: what hashes alike, what is refused, and that nothing is kept of what is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from orchestrator.models import programs as bounds
from orchestrator.models.errors import BadManifest, ProgramRefused
from orchestrator.models.manifests import Manifest, manifests, parse_manifest
from orchestrator.models.programs import InstalledModels, Programs, command_fault, content_hash
from orchestrator.models.validation import findings

EXAMPLE = Path(__file__).parents[3] / "examples" / "word-count"


def document(**fields: Any) -> dict[str, Any]:
    return {**json.loads((EXAMPLE / "manifest.json").read_text()), **fields}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "program"
    (made / "inner").mkdir(parents=True)
    (made / "serve.py").write_text("print(1)\n")
    (made / "inner" / "data").write_text("2")
    return made


def own(folder: Path, **fields: Any) -> Manifest:
    return parse_manifest(document(program=content_hash(folder), **fields))


def refused(work: Any, *given: Any) -> str:
    with pytest.raises(ProgramRefused) as caught:
        work(*given)
    assert caught.value.cause
    assert caught.value.remedy
    return caught.value.reason


def test_the_hash_is_of_names_contents_and_who_may_be_executed(folder: Path) -> None:
    seen = [content_hash(folder)]
    (folder / "serve.py").chmod(0o755)
    seen.append(content_hash(folder))
    (folder / "serve.py").rename(folder / "other.py")
    seen.append(content_hash(folder))
    (folder / "other.py").write_text("print(2)\n")
    seen.append(content_hash(folder))
    assert len(set(seen)) == len(seen)
    os.utime(folder / "other.py", (0, 0))
    assert content_hash(folder) == seen[-1]


@pytest.mark.parametrize("target", ["/etc/passwd", "serve.py", ".."])
def test_a_link_is_refused_wherever_it_leads(folder: Path, target: str) -> None:
    (folder / "link").symlink_to(target)
    assert refused(content_hash, folder) == "program_link"


def test_a_pipe_is_refused_and_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    assert refused(content_hash, folder) == "program_link"


def test_too_large_is_refused_unread(folder: Path) -> None:
    with (folder / "huge").open("wb") as file:
        file.truncate(bounds.MOST_BYTES)
    assert refused(content_hash, folder) == "program_too_large"


def test_too_many_files_are_refused(folder: Path) -> None:
    for number in range(bounds.MOST_FILES):
        (folder / str(number)).touch()
    assert refused(content_hash, folder) == "program_too_large"


def test_what_was_put_is_found_by_its_hash_and_again_is_no_change(folder: Path, tmp_path: Path) -> None:
    kept, manifest = Programs(tmp_path / "kept"), own(folder)
    kept.put(manifest, folder)
    kept.put(manifest, folder)
    assert manifest.own is not None
    assert (kept.verified(manifest.own.sha256) / "inner" / "data").read_text() == "2"
    assert kept.manifests() == {manifest.name: manifest}
    assert sorted(path.name for path in kept.root.iterdir()) == sorted([manifest.own.sha256, "manifests"])


def test_a_wrong_hash_keeps_nothing(folder: Path, tmp_path: Path) -> None:
    kept = Programs(tmp_path / "kept")
    assert refused(kept.put, parse_manifest(document(program="0" * 64)), folder) == "program_hash"
    assert not kept.root.exists()


@pytest.mark.parametrize("name", ["../../etc", "0" * 63, "", "manifests"])
def test_a_name_that_is_no_hash_leads_nowhere(tmp_path: Path, name: str) -> None:
    assert refused(Programs(tmp_path).verified, name) == "program_hash"


def test_a_program_changed_after_it_was_put_is_refused(folder: Path, tmp_path: Path) -> None:
    kept, manifest = Programs(tmp_path / "kept"), own(folder)
    kept.put(manifest, folder)
    assert manifest.own is not None
    (kept.root / manifest.own.sha256 / "serve.py").write_text("print('other')\n")
    assert refused(kept.verified, manifest.own.sha256) == "program_hash"
    assert refused(kept.verified, "0" * 64) == "program_missing"


@pytest.mark.parametrize("word", ["/bin/sh", "../serve.py", "inner/../../x", "inner/..", "a\0b", ""])
def test_a_command_that_leads_out_is_refused_by_the_schema(word: str) -> None:
    (found,) = findings(document(command=[word]))
    assert found.at == "$.command[0]"
    assert found.remedy


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        (("python", "serve.py", "--fast"), ""),
        (("python",), "no file"),
        (("python", "gone.py"), "no file"),
        (("serve.py",), "no executable file"),
        (("inner",), "no executable file"),
        (("python", "serve.py", "../x"), "leads out"),
    ],
)
def test_a_command_names_what_is_in_the_folder(folder: Path, command: tuple[str, ...], fault: str) -> None:
    told = command_fault(command, folder)
    assert fault in told
    assert bool(told) == bool(fault)


@pytest.mark.parametrize(
    "fields",
    [
        {"module": "monitoring"},
        {"program": "ABC"},
        {"command": []},
        {"health": {"path": "alive"}},
        {"health": {"interval_s": 0}},
        {"health": {"failures": 0}},
        {"health": {"shell": "true"}},
    ],
)
def test_a_malformed_field_is_found(fields: dict[str, Any]) -> None:
    assert findings(document(**fields))


def test_either_a_module_or_a_program_with_its_command() -> None:
    neither = {name: value for name, value in document().items() if name not in ("program", "command", "health")}
    assert findings(neither)
    assert findings({**neither, "module": "monitoring", "health": {}})


def test_a_provider_takes_nobodys_name_and_adds_nothing_to_the_pool(folder: Path, tmp_path: Path) -> None:
    programs = Programs(tmp_path / "kept")
    models = InstalledModels(manifests(), programs)
    assert set(models) == set(manifests())
    thief = own(folder, name="monitoring")
    programs.put(thief, folder)
    assert models["monitoring"] == manifests()["monitoring"]
    assert models[thief.name] == thief
    assert thief.name == f"monitoring.{thief.spec_hash.hex()[:16]}"
    assert len(models) == len(manifests()) + 1
    with pytest.raises(BadManifest, match="supply offer"):
        own(folder, kind="CaaS", supplies={"computing_mcores": 10**6}, consumes={}, per_share={})


def test_a_manifest_that_is_not_what_its_name_says_is_left_out(folder: Path, tmp_path: Path) -> None:
    programs, manifest = Programs(tmp_path / "kept"), own(folder)
    programs.put(manifest, folder)
    (programs.root / "manifests" / f"{manifest.spec_hash.hex()}.json").write_text(json.dumps(document(title="Other")))
    (programs.root / "manifests" / "x.json").write_text("[]")
    assert programs.manifests() == {}
