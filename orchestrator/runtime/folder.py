"""The files of one instance, readable by whoever comes after a crash.

`sandbox` uses it: intent.json (what was asked), grant.json (what it is granted since), info.json (what bubblewrap
told), process.json (who it is), death.json (why it was ended for passing a bound), log, and the socket's folder. It
starts and ends nothing.
"""

import json
import os
import re
import shutil
import socket as net
import tempfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from orchestrator.runtime.errors import BadInstanceId, InstanceFailed

SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
SOCKET_NAME = "model.sock"
MAX_SOCKET_PATH = 107
LOG_TAIL_BYTES = 2000
BACKLOG = 128
BLOCK = 4096
"""Bytes to which what is overwritten is filled up, so that a shorter value leaves nothing of a longer one."""


@dataclass(frozen=True)
class InstanceFolder:
    """Where one instance's files are; `sockets` lies elsewhere when the home's path is too long for a Unix socket."""

    root: Path
    sockets: Path

    @classmethod
    def of(cls, instances: Path, instance_id: str) -> "InstanceFolder":
        """The same for the same home and id, so that it is found again after a crash."""
        if not SAFE_ID.fullmatch(instance_id):
            raise BadInstanceId(f"{instance_id!r} cannot name an instance; use letters, digits, dot, dash, underscore")
        root = instances / instance_id
        fits = len(os.fsencode(root / "s" / SOCKET_NAME)) <= MAX_SOCKET_PATH
        return cls(root, root / "s" if fits else _short_folder(root))

    @property
    def socket(self) -> Path:
        return self.sockets / SOCKET_NAME

    def make(self) -> None:
        self.root.mkdir(parents=True, mode=0o700)
        if not self.sockets.is_relative_to(self.root):
            _check_ours_alone(self.sockets.parent)
        self.sockets.mkdir(mode=0o700)

    def listen(self) -> net.socket:
        """A new socket at the instance's address. The program inherits it and never sees the folder."""
        listener = net.socket(net.AF_UNIX, net.SOCK_STREAM)
        try:
            listener.bind(str(self.socket))
            self.socket.chmod(0o600)
            listener.listen(BACKLOG)
        except OSError:
            listener.close()
            raise
        return listener

    def remove(self) -> None:
        for path in (self.sockets, self.root):
            shutil.rmtree(path, ignore_errors=True)

    def read(self, name: str) -> dict[str, Any] | None:
        try:
            value = json.loads((self.root / name).read_text("utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        return value if isinstance(value, dict) else None

    def write(self, name: str, value: dict[str, Any]) -> None:
        temporary = self.root / f"{name}.new"
        temporary.write_text(json.dumps(value), "utf-8")
        os.replace(temporary, self.root / name)

    def overwrite(self, name: str, value: dict[str, Any]) -> None:
        """In place, by one write, for what changes with every share: a file that is replaced must be on the disk before
        the next database's commit is. Whoever reads in that moment may find nothing."""
        told = json.dumps(value).encode()
        descriptor = os.open(self.root / name, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(descriptor, told.ljust(BLOCK), 0)
        finally:
            os.close(descriptor)

    def log_tail(self) -> str:
        try:
            return (self.root / "log").read_bytes()[-LOG_TAIL_BYTES:].decode("utf-8", "replace")
        except FileNotFoundError:
            return ""


def _short_folder(root: Path) -> Path:
    digest = sha256(os.fsencode(root)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"s4m-{os.getuid()}" / digest


def _check_ours_alone(base: Path) -> None:
    base.mkdir(mode=0o700, exist_ok=True)
    if base.is_symlink() or base.stat().st_uid != os.getuid() or base.stat().st_mode & 0o077:
        raise InstanceFailed(f"{base} is not ours alone; remove it or choose a shorter S4M_HOME")
