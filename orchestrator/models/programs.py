"""Providers' own programs: folders addressed by the SHA-256 of their content, and the manifests that name them.

`s4m models` hashes and puts them, the runtime takes them verified, MMF reads the manifests. A program's hash is that
of the RFC 8785 bytes of {path: {"executable", "sha256"}}. Nothing here starts a program.
"""

import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import rfc8785

from orchestrator.models.errors import BadManifest, ProgramRefused
from orchestrator.models.manifests import Document, Manifest, canonical, parse_manifest

MOST_FILES = 1000
MOST_BYTES = 64 << 20
HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Programs:
    """A directory of them: `<program's hash>/` and `manifests/<spec hash>.json`. Who may write there may add models."""

    root: Path

    def verified(self, program: str) -> Path:
        """The folder with that content; raises ProgramRefused where it is missing or was changed."""
        if not HASH.fullmatch(program):
            raise ProgramRefused("program_hash", f"{program!r} is no SHA-256", "give 64 hexadecimal digits")
        folder = self.root / program
        if folder.is_symlink() or not folder.is_dir():
            raise ProgramRefused("program_missing", f"there is no program {program}", "publish it: s4m models publish")
        expect(folder, program)
        return folder

    def put(self, manifest: Manifest, source: Path) -> None:
        """Copies the program and keeps the manifest; what is copied is hashed again, so that it may change meanwhile.

        Raises ProgramRefused; nothing is kept then.
        """
        assert manifest.own is not None  # noqa: S101  (callers ask before)
        expect(source, manifest.own.sha256)
        self._put_program(manifest.own.sha256, source)
        kept = self.root / "manifests" / f"{manifest.spec_hash.hex()}.json"
        kept.parent.mkdir(exist_ok=True)
        draft = kept.with_suffix(".new")
        draft.write_bytes(canonical(manifest.document))
        os.replace(draft, kept)

    def manifests(self) -> dict[str, Manifest]:
        """All kept manifests by name; one that is not what its file's name says is left out."""
        found = (_kept(path) for path in sorted((self.root / "manifests").glob("*.json")))
        return {manifest.name: manifest for manifest in found if manifest is not None}

    def _put_program(self, program: str, source: Path) -> None:
        place = self.root / program
        if place.is_dir():
            expect(place, program)
            return
        self.root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.root, prefix=".new-") as draft:
            copy = Path(draft) / program
            shutil.copytree(source, copy, symlinks=True)
            expect(copy, program)
            os.rename(copy, place)


class InstalledModels(Mapping[str, Manifest]):
    """The shipped models and the providers' own, by name; a program that is put later is there at once."""

    def __init__(self, shipped: Mapping[str, Manifest], programs: Programs) -> None:
        self._shipped = shipped
        self._programs = programs
        self._own: dict[str, Manifest] = {}
        self._read_at = 0

    def __getitem__(self, name: str) -> Manifest:
        return self._shipped[name] if name in self._shipped else self._provided()[name]

    def __iter__(self) -> Iterator[str]:
        return iter([*self._shipped, *self._provided()])

    def __len__(self) -> int:
        return len(self._shipped) + len(self._provided())

    def _provided(self) -> dict[str, Manifest]:
        """Read again when the folder of manifests has changed (its time, nanoseconds)."""
        try:
            changed = (self._programs.root / "manifests").stat().st_mtime_ns
        except FileNotFoundError:
            changed = 0
        if changed != self._read_at:
            self._own, self._read_at = self._programs.manifests(), changed
        return self._own


def content_hash(folder: Path) -> str:
    """The folder's hash, hexadecimal. Raises ProgramRefused for links, special files, and what passes the bounds."""
    files = _files(folder)
    listing: dict[str, Any] = {
        name: {"executable": bool(mode & 0o100), "sha256": _digest(path)} for name, path, mode in files
    }
    return sha256(rfc8785.dumps(listing)).hexdigest()


def expect(folder: Path, program: str) -> None:
    """Raises ProgramRefused where the folder's content is not that program."""
    found = content_hash(folder)
    if found != program:
        raise ProgramRefused(
            "program_hash",
            f"the program's content hashes to {found}, its manifest names {program}",
            "name the content's own hash, or restore the files",
        )


def command_fault(command: tuple[str, ...], folder: Path) -> str:
    """Why the folder cannot run this command; empty where it can. Its first word is `python` or an executable file."""
    for word in command:
        if word.startswith("/") or ".." in Path(word).parts:
            return f"{word!r} leads out of the program's folder"
    if command[0] == "python":
        return "" if len(command) > 1 and (folder / command[1]).is_file() else "python is given no file of the folder"
    if not os.access(folder / command[0], os.X_OK) or not (folder / command[0]).is_file():
        return f"{command[0]!r} is no executable file of the program's folder"
    return ""


def _files(folder: Path) -> list[tuple[str, Path, int]]:
    """(relative path, path, mode) of each file, sorted; the bounds are checked before anything is read."""
    found, size = [], 0
    for path in folder.rglob("*"):
        seen = path.lstat()
        if stat.S_ISDIR(seen.st_mode):
            continue
        name = path.relative_to(folder).as_posix()
        if not stat.S_ISREG(seen.st_mode):
            raise ProgramRefused("program_link", f"{name} is a link or a special file", "put plain files only")
        size += seen.st_size
        found.append((name, path, seen.st_mode))
        if len(found) > MOST_FILES or size > MOST_BYTES:
            bound = f"{MOST_FILES} files and {MOST_BYTES >> 20} MiB"
            raise ProgramRefused("program_too_large", f"the program has more than {bound}", "leave out what can go")
    if not found:
        raise ProgramRefused("program_missing", f"{folder} holds no file", "name the folder of the program")
    return sorted(found)


def _digest(path: Path) -> str:
    """A file that became a link since it was looked at is not followed."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as cause:
        raise ProgramRefused("program_link", f"{path.name} cannot be read: {cause}", "put plain files only") from cause
    with os.fdopen(handle, "rb") as file:
        return sha256(file.read(MOST_BYTES)).hexdigest()


def _kept(path: Path) -> Manifest | None:
    try:
        document: Document = json.loads(path.read_text("utf-8"))
        manifest = parse_manifest(document)
    except (OSError, ValueError, AttributeError, BadManifest):
        return None
    return manifest if manifest.own is not None and manifest.spec_hash.hex() == path.stem else None
