"""A PostgreSQL of one's own: a fresh cluster in a temporary folder behind a Unix socket, gone at the end.

    .venv/bin/python scripts/private_postgresql.py COMMAND…   # with S4M_DATABASE and S4M_MARKETPLACE_DATABASE set

Tests and benchmarks use it; it needs `initdb` and `postgres` (Debian: apt-get install postgresql) and touches no other
cluster. PostgreSQL does not run as root: there it runs as the user `postgres`, or else `nobody`.
"""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import psycopg

DEBIAN = Path("/usr/lib/postgresql")
MISSING = "there is no PostgreSQL here: apt-get install postgresql"
_numbers = count(1)


class NoPostgresql(Exception):
    """This machine has no PostgreSQL, or it does not start; the message says why."""


@dataclass(frozen=True)
class PrivatePostgresql:
    """A running cluster."""

    folder: Path

    def url(self, database: str) -> str:
        """The setting for one of its databases."""
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def create(self) -> str:
        """A new, empty database; its URL."""
        name = f"house_{os.getpid()}_{next(_numbers)}"
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def connect(self, url: str = "") -> psycopg.Connection[Any]:
        """A connection of the superuser, every statement its own transaction."""
        return psycopg.connect(url or self.url("postgres"), autocommit=True)


def programs() -> Path:
    """The folder of `initdb` and `postgres`; NoPostgresql where there is none."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(DEBIAN.glob("*/bin"), key=lambda folder: int(folder.parent.name), reverse=True)
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise NoPostgresql(MISSING)


@contextmanager
def private_postgresql(*, durable: bool = True) -> Iterator[PrivatePostgresql]:
    """Start one; with `durable=False` commits do not reach the disk, for tests that kill no server."""
    binaries = programs()
    user = _user()
    folder = Path(tempfile.mkdtemp(prefix="s4m-pg-"))
    try:
        if user:
            os.chown(folder, user["user"], user["group"])
        initdb = [str(binaries / "initdb"), "-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "--no-sync"]
        made = subprocess.run(initdb, capture_output=True, text=True, cwd=folder, **user)
        if made.returncode:
            raise NoPostgresql(f"initdb failed: {made.stderr.strip()}")
        with _server(binaries, folder, user, durable) as running:
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _server(binaries: Path, folder: Path, user: dict[str, Any], durable: bool) -> Iterator[PrivatePostgresql]:
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": folder,
        "max_connections": 200,
        "fsync": "on" if durable else "off",
        "synchronous_commit": "on" if durable else "off",
        "full_page_writes": "on" if durable else "off",
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    with (folder / "log").open("wb") as log:
        command = [*_dying_with_us(), str(binaries / "postgres"), "-D", str(folder / "data"), *options]
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, start_new_session=True, **user)
    try:
        running = PrivatePostgresql(folder)
        _wait(running, server)
        yield running
    finally:
        if server.poll() is None:
            server.send_signal(signal.SIGINT)  # fast: ends the sessions, then itself
            server.wait(20)


def _dying_with_us() -> list[str]:
    """What lets the server end when this process is killed; the folder then stays behind."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "INT", "--"] if setpriv else []


def _wait(running: PrivatePostgresql, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            running.connect().close()
            return
        except psycopg.OperationalError as cause:
            if server.poll() is not None or time.monotonic() > deadline:
                said = (running.folder / "log").read_text("utf-8", "replace")[-1_000:]
                raise NoPostgresql(f"postgres did not start: {said}") from cause
        time.sleep(0.03)


def _user() -> dict[str, Any]:
    """Whom to run as: ourselves, or where we are root somebody who is not."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}
    raise NoPostgresql("PostgreSQL does not run as root, and there is neither a user `postgres` nor `nobody`")


def main() -> int:
    """Run a command with both stores on a cluster that lives as long as it does; its exit code."""
    try:
        with private_postgresql() as running:
            stores = {name: running.create() for name in ("S4M_DATABASE", "S4M_MARKETPLACE_DATABASE")}
            return subprocess.run(sys.argv[1:], env={**os.environ, **stores}).returncode
    except NoPostgresql as cause:
        sys.exit(f"error: {cause}")


if __name__ == "__main__":
    sys.exit(main())
