"""`s4m models list|validate|publish|run`: the installed models, and a provider's way to add one of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from s4m.catalog import publish_spec
from s4m.command import Session, common
from s4m.completion import ACCOUNTS
from s4m.spending import Choice, spends

if TYPE_CHECKING:
    from orchestrator.models.manifests import Manifest
    from orchestrator.models.validation import Finding
    from s4m.trial import Told, Trial

PROGRAM = click.option(
    "--program",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of your own program; else `program` beside the manifest.",
)
FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.group()
def models() -> None:
    """Installed models; validate, publish and run your own."""


@models.command("list")
@common
def list_installed(session: Session) -> None:
    """Every installed model: kind, calls, isolation degrees, entries of Table I."""
    from orchestrator.models.manifests import manifests

    rows = [
        {
            "name": one.name, "kind": one.kind, "calls": list(one.calls), "isolation": list(one.isolation),
            "table1": list(one.table1), "specHash": "0x" + one.spec_hash.hex(), "title": one.title,
        }
        for one in manifests().values()
    ]  # fmt: skip
    session.show(rows, "name", "kind", "calls", "isolation", "table1")


@models.command("hash")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@common
def hash_program(session: Session, folder: Path) -> None:
    """The content hash of your own program's folder: its manifest's `program`."""
    from s4m.own_program import hash_of

    session.show({"folder": str(folder), "program": hash_of(folder)})


@models.command()
@click.argument("file", type=FILE)
@PROGRAM
@common
def validate(session: Session, file: Path, program: Path | None) -> None:
    """Check a manifest or service: everything that is wrong with it, with cause and remedy. Your own program is hashed
    and tried in a sandbox."""
    from s4m.errors import ManifestInvalid

    document = _document(file)
    wrong = _findings(document, file, program)
    session.show(
        {
            "file": str(file), "name": document.get("name"), "schema": document.get("schema"), "valid": not wrong,
            "installed": not wrong and _is_installed(session, document),
            "findings": [{"at": one.at, "cause": one.cause, "remedy": one.remedy} for one in wrong],
        }
    )  # fmt: skip
    if wrong:
        raise ManifestInvalid(f"{file} has {len(wrong)} fault(s).")


@models.command()
@click.argument("file", type=FILE)
@PROGRAM
@click.option(
    "--account", default="provider-worlds", show_default=True, shell_complete=ACCOUNTS,
    help="Provider account in keys/accounts.",
)  # fmt: skip
@spends
@common
def publish(session: Session, file: Path, program: Path | None, account: str, choice: Choice) -> None:
    """Check a manifest or service as `validate` does, put your own program where this machine's orchestrator finds it,
    register the model and publish its plans."""
    from s4m.errors import ManifestInvalid

    wrong = _findings(_document(file), file, program)
    if wrong:
        told = "; ".join(f"{one.at}: {one.cause} ({one.remedy})" for one in wrong)
        raise ManifestInvalid(f"{file} has {len(wrong)} fault(s), nothing was published: {told}.")
    publish_spec(session, file, account, choice, program)


@models.command()
@click.argument("what")
@PROGRAM
@click.option("--call", help="Make this one call, print its answer, end.")
@click.option("--params", default="{}", help="JSON object of the call's parameters.")
@click.option("--grant", default="", help="JSON object: resources granted; else what an instance with one share has.")
@click.option("--tenant", default="trial", show_default=True, help="The subscription that the call is for.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the answer's body here.")
@click.option("--sandbox/--no-sandbox", default=True, show_default=True, help="In bubblewrap, as the house runs it.")
@common
def run(
    session: Session,
    what: str,
    program: Path | None,
    call: str | None,
    params: str,
    grant: str,
    tenant: str,
    out: Path | None,
    sandbox: bool,
) -> None:
    """Run a model without a house: WHAT is an installed model's name or a manifest file."""
    from contextlib import suppress
    from threading import Event

    from s4m.errors import BadInput, Exit
    from s4m.own_program import program_of, tried
    from s4m.trial import Trial, interruptible

    manifest, wanted = _manifest(what), _object(params, "--params")
    folder = program_of(manifest, Path(what), program) if manifest.own else None
    if folder and not sandbox:
        raise BadInput("A provider's own program runs in a sandbox only.", "Leave out --no-sandbox.")
    with (
        interruptible(),
        tried(manifest, _grant(grant), folder)
        if folder
        else Trial.start(manifest, _grant(grant), sandbox=sandbox) as trial,
    ):
        if call is None:
            with suppress(KeyboardInterrupt):
                session.show(_ways(manifest, trial, tenant))
                session.say("running until Ctrl-C")
                Event().wait()
            return
        told = trial.ask(call, wanted, tenant)
    session.show(_answer(told, out))
    if told.status >= 400:
        raise click.exceptions.Exit(Exit.REFUSED)


def _answer(told: Told, out: Path | None) -> dict[str, Any]:
    """What one call gave: quantity and cost as the meter sees them, and the body where it is text."""
    import json

    if out is not None:
        out.write_bytes(told.body)
    answer: dict[str, Any] = {
        "status": told.status, "quantity": told.quantity, "unit": told.unit, "cpuMs": told.cpu_ms,
        "contentType": told.content_type, "bytes": len(told.body), "info": told.info, "out": str(out) if out else None,
    }  # fmt: skip
    return {**answer, "body": json.loads(told.body)} if "json" in told.content_type else answer


def _ways(manifest: Manifest, trial: Trial, tenant: str) -> dict[str, Any]:
    import json
    import shlex

    body = shlex.quote(json.dumps({"params": {}, "tenant": tenant}))
    head = f"curl --unix-socket {shlex.quote(str(trial.socket))}"
    return {
        "name": manifest.name, "socket": str(trial.socket), "pid": trial.pid, "grant": dict(trial.grant),
        "bounds": dict(trial.bounds),
        "health": f"{head} http://x/health",
        "calls": {
            call: f"{head} -H 'Content-Type: application/json' -d {body} http://x/{call}" for call in manifest.calls
        },
    }  # fmt: skip


def _manifest(what: str) -> Manifest:
    """The installed model of that name, or the one of a file; `BadInput` where it is neither or cannot be run."""
    from orchestrator.models.errors import BadManifest, UnknownModel
    from orchestrator.models.manifests import manifest_named, parse_manifest
    from orchestrator.models.validation import program_findings
    from s4m.errors import BadInput, ManifestInvalid

    if not Path(what).is_file():
        try:
            return manifest_named(what)
        except UnknownModel as error:
            raise BadInput(f"{error}.", "Name an installed model (`s4m models list`), or a manifest file.") from error
    try:
        manifest = parse_manifest(_document(Path(what)))
    except BadManifest as error:
        raise ManifestInvalid(f"{what}: {error}.") from error
    for one in program_findings(manifest) if manifest.own is None else ():
        raise ManifestInvalid(f"{what}: {one.at}: {one.cause}; {one.remedy}.")
    return manifest


def _findings(document: dict[str, Any], file: Path, program: Path | None) -> list[Finding]:
    from orchestrator.models.validation import findings
    from s4m.own_program import own_findings

    return findings(document) or own_findings(document, file, program)


def _is_installed(session: Session, document: Mapping[str, Any]) -> bool:
    """Whether MMF would run it: the very document lies among the installed ones."""
    from orchestrator.models.errors import UnknownModel
    from orchestrator.models.manifests import installed, spec_hash_of
    from s4m.own_program import programs_dir

    if "program" in document:
        return (programs_dir(session) / "manifests" / f"{spec_hash_of(document).hex()}.json").exists()
    try:
        return bool(installed(spec_hash_of(document)).name == document["name"])
    except UnknownModel:
        return False


def _document(file: Path) -> dict[str, Any]:
    import json

    from s4m.errors import BadInput

    try:
        document = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise BadInput(f"{file} is no JSON document: {error}.", "Give an s4m/model/1 or s4m/service/1 file.") from error
    if not isinstance(document, dict):
        raise BadInput(f"{file} is no JSON object.", "Give an s4m/model/1 or s4m/service/1 file.")
    return document


def _object(text: str, option: str) -> dict[str, Any]:
    import json

    from s4m.errors import BadInput

    try:
        return dict(json.loads(text))
    except (ValueError, TypeError) as error:
        raise BadInput(f"{option} is no JSON object: {error}.", f"Example: {option} '{{\"seed\": 1}}'") from error


def _grant(text: str) -> dict[str, int] | None:
    return _object(text, "--grant") if text else None
