"""A provider's own program, for `s4m models`: its folder, its hash, a trial in a sandbox, and where it is put.

It is put into a directory of this machine (S4M_PROGRAMS, else programs/ of the home): an orchestrator elsewhere gets it
by a copy of that directory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from orchestrator.models.errors import ProgramRefused
from orchestrator.models.manifests import Manifest, OwnProgram, parse_manifest
from orchestrator.models.programs import Programs, command_fault, content_hash, expect
from orchestrator.models.validation import Finding
from orchestrator.runtime import unix_http
from orchestrator.runtime.errors import InstanceFailed, ProgramUnfit
from s4m.command import Session
from s4m.errors import BadInput, ManifestInvalid, ServiceNotReady
from s4m.trial import Trial

TRIAL_START_S = 10.0


def programs_dir(session: Session) -> Path:
    given = session.settings.programs
    return given.expanduser() if given else session.home / "programs"


def program_of(manifest: Manifest, file: Path, given: Path | None) -> Path:
    """The folder that holds what the manifest names; raises ManifestInvalid where there is none."""
    folder = given or file.parent / "program"
    for one in _of_content(manifest, folder):
        raise ManifestInvalid(f"{file}: {one.at}: {one.cause}; {one.remedy}.")
    return folder


def hash_of(folder: Path) -> str:
    """Raises BadInput for what can be no program."""
    try:
        return content_hash(folder)
    except ProgramRefused as refused:
        raise BadInput(f"{refused.reason}: {refused.cause}.", f"{refused.remedy}.") from refused


def keep_program(session: Session, manifest: Manifest, file: Path, given: Path | None) -> None:
    """Puts program and manifest where the orchestrator finds them; again is no change."""
    folder = program_of(manifest, file, given)
    try:
        Programs(programs_dir(session)).put(manifest, folder)
    except ProgramRefused as refused:
        raise ManifestInvalid(f"{file}: {refused}.") from refused


@contextmanager
def tried(manifest: Manifest, grant: Mapping[str, int] | None, folder: Path) -> Iterator[Trial]:
    """The program in a sandbox; raises ServiceNotReady, with its last words, where it does not come up."""
    trial = Trial.start(manifest, grant, sandbox=True, program=folder, start_s=TRIAL_START_S)
    with ExitStack() as stack:
        try:
            running = stack.enter_context(trial)
        except (InstanceFailed, ProgramUnfit) as failed:
            raise ServiceNotReady(f"{failed}.", "Correct the program, or its command and health check.") from failed
        yield running


def own_findings(document: Mapping[str, Any], file: Path, given: Path | None) -> list[Finding]:
    """What is wrong with the program of a document that is whole: content, command, and how it answers in a sandbox."""
    if "program" not in document:
        return []
    manifest, folder = parse_manifest(document), given or file.parent / "program"
    return _of_content(manifest, folder) or _of_trial(manifest, folder)


def _of_content(manifest: Manifest, folder: Path) -> list[Finding]:
    own = _own(manifest)
    if folder.is_symlink() or not folder.is_dir():
        return [Finding("$.program", f"program_missing: {folder} is no folder", "name it by --program")]
    try:
        expect(folder, own.sha256)
    except ProgramRefused as refused:
        return [Finding("$.program", f"{refused.reason}: {refused.cause}", refused.remedy)]
    fault = command_fault(own.command, folder)
    return [Finding("$.command", f"program_command: {fault}", "name a file of the folder")] if fault else []


def _of_trial(manifest: Manifest, folder: Path) -> list[Finding]:
    try:
        with Trial.start(manifest, sandbox=True, program=folder, start_s=TRIAL_START_S) as trial:
            told = unix_http.ask_json(trial.socket, "/configure", {"grant": dict(trial.grant)})
    except (InstanceFailed, ProgramUnfit) as failed:
        remedy = f"answer GET {_own(manifest).health.path} with 200 within {TRIAL_START_S:g} s"
        return [Finding("$.health", f"{failed.code}: {failed}", remedy)]
    except OSError as silent:
        return [Finding("$.command", f"POST /configure got no answer: {silent}", "answer it with 200")]
    if told.status != 200:
        return [Finding("$.command", f"POST /configure answered {told.status}", "answer it with 200")]
    return []


def _own(manifest: Manifest) -> OwnProgram:
    assert manifest.own is not None  # noqa: S101  (callers ask before)
    return manifest.own
