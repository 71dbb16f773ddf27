"""What lies in the home: whose it is, who may read the keys, which revision the stores have, recordings."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from s4m.checks.findings import Finding, bad, ok, warn

KEY_FOLDERS = ("keys", "keys/accounts", "wallets", "wallets/sessions")


def home(path: Path) -> Finding:
    """That it can be written by its owner, and by nobody else."""
    if not path.exists():
        return _absent(path)
    if not path.is_dir():
        return bad("home", f"{path} is no folder.", "Name a folder (--home, S4M_HOME).")
    mode = stat.S_IMODE(path.stat().st_mode)
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        return bad(
            "home", f"{path} cannot be read and written (mode {mode:04o}).", f"chown it to you; chmod 700 {path}"
        )
    if mode & 0o022:
        return bad("home", f"Others can write to {path} (mode {mode:04o}): keys can be replaced.", f"chmod go-w {path}")
    return ok("home", f"{path} (mode {mode:04o})")


def _absent(path: Path) -> Finding:
    parent = next(each for each in path.parents if each.exists())
    if os.access(parent, os.W_OK | os.X_OK):
        return ok("home", f"{path} is not there yet; it will be made")
    return bad("home", f"{path} cannot be made in {parent}.", "Name a place of your own (--home, S4M_HOME).")


def key_files(path: Path) -> Finding:
    """No key may be read by others: programs refuse one that is."""
    exposed = [file for file in _keys(path) if stat.S_IMODE(file.stat().st_mode) & 0o077]
    if exposed:
        names = " ".join(map(str, exposed))
        return bad("key files", f"Others can read {len(exposed)} key file(s): {names}.", f"chmod 600 {names}")
    return ok("key files", f"{len(list(_keys(path)))} key file(s), readable by their owner alone")


def _keys(path: Path) -> Iterator[Path]:
    for folder in KEY_FOLDERS:
        yield from sorted((path / folder).glob("*.json"))
    behaviour = path / "keys" / "behaviour.key"
    if behaviour.exists():
        yield behaviour


def revision(name: str, file: Path, known: Sequence[str]) -> Finding:
    """The store's revision against those that this program knows, oldest first; older ones are migrated at the start.

    `name` is the store's (`engine`, `market`); opened for reading alone, and never made.
    """
    check = f"database {name}"
    if not file.exists():
        return ok(check, f"{file} is not there yet; it will be made")
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=5.0)) as rows:
            stored = _stored(rows, name)
    except sqlite3.Error as error:
        return bad(check, f"{file} cannot be read: {error}.", "Restore a copy of it, or take a fresh --home.")
    if stored and stored not in known:
        what = f"{file} has revision {stored}, this program knows up to {known[-1]}: a newer program wrote it."
        return bad(check, what, "Start the newer program, or restore the copy from before the upgrade.")
    if stored != known[-1]:
        was = stored or "none"
        return warn(
            check, f"{file} has revision {was}, due is {known[-1]}.", "It is migrated at the next start: copy it."
        )
    return ok(check, f"{file} has the newest revision, {stored}")


def _stored(rows: sqlite3.Connection, name: str) -> str:
    """Empty where the store is of a time before there were revisions."""
    table = f"{name}_revision"
    if not rows.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone():
        return ""
    return str(rows.execute(f"SELECT version_num FROM {table}").fetchone()[0])  # noqa: S608 — our own name


def recordings(folder: Path | None) -> Finding:
    """The folder of recorded traffic that demo and benches may follow (S4M_DATA); without one they are generated."""
    if folder is None:
        return warn("recordings", "None are named: demo and benches follow a seeded generator.", "Set S4M_DATA.")
    if not folder.is_dir():
        return bad("recordings", f"S4M_DATA names {folder}, which is no folder.", "Correct it, or unset it.")
    found = sorted(each.name for each in folder.iterdir() if each.is_dir())
    if not found:
        return bad("recordings", f"{folder} holds no folder of recordings.", "Correct S4M_DATA, or unset it.")
    return ok("recordings", f"{folder}: {', '.join(found)}")
