"""The pages' static files: read once, compressed once, served under an address that changes with their content.

`/static/<version>/css/site.css`: the version is a hash over all files, so a browser may keep them for a year, and ES
modules that import each other by relative paths stay within one version. Mounted by `app.py`; it takes reads only.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

ROOT = Path(__file__).parent / "static"
FOR_A_YEAR = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"
COMPRESSED = {".css", ".js", ".json", ".svg", ".txt"}
mimetypes.add_type("text/javascript", ".js")


@dataclass(frozen=True)
class StaticFile:
    """One file in memory; `packed` is its gzip form, None where it would not get smaller."""

    content: bytes
    packed: bytes | None
    media_type: str


class StaticTree:
    """All files below one folder, and their common version."""

    def __init__(self, root: Path = ROOT) -> None:
        paths = sorted(path for path in root.rglob("*") if path.is_file())
        self.files = {path.relative_to(root).as_posix(): _read(path) for path in paths}
        digest = hashlib.sha256()
        for name, file in self.files.items():
            digest.update(name.encode() + b"\0" + hashlib.sha256(file.content).digest())
        self.version = digest.hexdigest()[:12]

    def address(self, name: str) -> str:
        """Where pages find the file `name`; KeyError for a file that does not exist."""
        if name not in self.files:
            raise KeyError(name)
        return f"/static/{self.version}/{name}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(scope.get("root_path", "")).lstrip("/")
        version, _, name = path.partition("/")
        await self._answer(scope, version, name)(scope, receive, send)

    def _answer(self, scope: Scope, version: str, name: str) -> Response:
        file = self.files.get(name)
        if file is None:
            return PlainTextResponse("No such file.\n", 404)
        packed = file.packed if accepts_gzip(scope) else None
        headers = {"cache-control": FOR_A_YEAR if version == self.version else ASK_AGAIN, "vary": "accept-encoding"}
        if packed is not None:
            headers["content-encoding"] = "gzip"
        return Response(packed or file.content, headers=headers, media_type=file.media_type)


@cache
def static_tree() -> StaticTree:
    """The shipped files; read on first use."""
    return StaticTree()


def accepts_gzip(scope: Scope) -> bool:
    """Whether the request's accept-encoding names gzip."""
    return any(name == b"accept-encoding" and b"gzip" in value for name, value in scope["headers"])


def _read(path: Path) -> StaticFile:
    content = path.read_bytes()
    packed = gzip.compress(content, 9, mtime=0) if path.suffix in COMPRESSED else None
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return StaticFile(content, packed if packed and len(packed) < len(content) else None, media_type)
