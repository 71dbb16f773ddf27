"""Storage: keeps objects with their versions until they are deleted, and never drops one to make room.

put    {"key", "data": base64, "content_type", "if_version"}  a new version; `if_version` refuses where it is not newest
get    {"key", "version"}                                       the object's bytes
list   {"prefix", "after", "limit"}                             keys in order, with size, version and SHA-256
delete {"key", "version"}                                       one version, or all
Contents are kept once each (by SHA-256), packed (zlib) where that helps, and checked when they are read. A share holds
what its `storage_mib` hold, packed; beyond that it refuses and nothing changes. Quantity: KiB put or read, else one.
"""

import zlib
from base64 import b64decode
from dataclasses import dataclass, field
from hashlib import sha256
from threading import Lock

from orchestrator.models.errors import BadCall, CallRefused, NotThere, OverGrant
from orchestrator.models.serving import Answer, Program, Request, json_answer, run

DEFAULT_STORAGE_MIB = 16
MOST_KEYS, MOST_VERSIONS, MOST_LISTED = 10_000, 32, 1000
ENTRY_BYTES = 256
"""What a version's own record is counted at."""


@dataclass(frozen=True)
class Version:
    number: int
    digest: str
    size: int
    content_type: str


@dataclass
class Blob:
    """One content, packed, and how many versions have it."""

    packed: bytes
    users: int = 0


@dataclass
class Shelf:
    """One tenant's keys → versions, oldest first, and the contents by digest."""

    keys: dict[str, list[Version]] = field(default_factory=dict)
    blobs: dict[str, Blob] = field(default_factory=dict)
    held_bytes: int = 0

    def put(self, key: str, body: bytes, content_type: str, limit: int) -> Version:
        digest, versions = sha256(body).hexdigest(), self.keys.get(key, [])
        packed = self.blobs[digest].packed if digest in self.blobs else _packed(body)
        cost = ENTRY_BYTES + (0 if digest in self.blobs else len(packed))
        if self.held_bytes + cost > limit or (not versions and len(self.keys) >= MOST_KEYS):
            raise OverGrant(f"{cost} bytes do not fit beside {self.held_bytes} into the granted {limit}; delete some")
        version = Version(versions[-1].number + 1 if versions else 1, digest, len(body), content_type)
        self.keys[key] = [*versions, version]
        self.blobs.setdefault(digest, Blob(packed)).users += 1
        self.held_bytes += cost
        while len(self.keys[key]) > MOST_VERSIONS:
            self.drop(key, self.keys[key][0])
        return version

    def read(self, version: Version) -> bytes:
        body = _unpacked(self.blobs[version.digest].packed)
        if sha256(body).hexdigest() != version.digest:
            raise CallRefused(f"{version.digest} does not hash to its name any more; put it anew")
        return body

    def drop(self, key: str, version: Version) -> None:
        self.keys[key] = [each for each in self.keys[key] if each is not version]
        if not self.keys[key]:
            del self.keys[key]
        blob = self.blobs[version.digest]
        blob.users -= 1
        self.held_bytes -= ENTRY_BYTES
        if blob.users == 0:
            self.held_bytes -= len(blob.packed)
            del self.blobs[version.digest]

    def find(self, request: Request) -> tuple[str, Version]:
        key = request.text("key", most=512)
        versions = self.keys.get(key, [])
        if not versions:
            raise NotThere(f"{key!r} is not stored; put it first")
        number = request.integer("version", versions[-1].number, 1, 2**53)
        found = next((version for version in versions if version.number == number), None)
        if found is None:
            raise NotThere(f"{key!r} has no version {number} any more; there are {versions[0].number} and later")
        return key, found


class Storage:
    def __init__(self) -> None:
        self._shelves: dict[str, Shelf] = {}
        self._lock = Lock()

    def put(self, request: Request) -> Answer:
        key, body = request.text("key", most=512), _data(request)
        content_type = request.text("content_type", "application/octet-stream", 100)
        limit = request.granted("storage_mib", DEFAULT_STORAGE_MIB) << 20
        with self._lock:
            shelf = self._shelves.setdefault(request.tenant, Shelf())
            newest = shelf.keys[key][-1].number if key in shelf.keys else 0
            if request.integer("if_version", newest, 0, 2**53) != newest:
                raise BadCall(f"if_version is not {newest}, the newest of {key!r}; get it and try again")
            version = shelf.put(key, body, content_type, limit)
            value = {**vars(version), "key": key, "held_bytes": shelf.held_bytes}
        return json_answer(value, max(-(-len(body) // 1024), 1))

    def get(self, request: Request) -> Answer:
        with self._lock:
            shelf = self._shelves.get(request.tenant, Shelf())
            key, version = shelf.find(request)
            body = shelf.read(version)
        info = {"key": key, "version": version.number, "digest": version.digest}
        return Answer(body, version.content_type, max(-(-len(body) // 1024), 1), info)

    def listing(self, request: Request) -> Answer:
        prefix, after = (
            request.text(name, most=512) if request.params.get(name) else "" for name in ("prefix", "after")
        )
        limit = request.integer("limit", 100, 1, MOST_LISTED)
        with self._lock:
            shelf = self._shelves.get(request.tenant, Shelf())
            keys = sorted(key for key in shelf.keys if key.startswith(prefix) and key > after)
            rows = [{"key": key, "versions": len(shelf.keys[key]), **vars(shelf.keys[key][-1])} for key in keys[:limit]]
            value = {"objects": rows, "more": len(keys) > limit, "held_bytes": shelf.held_bytes}
        return json_answer(value)

    def delete(self, request: Request) -> Answer:
        with self._lock:
            shelf = self._shelves.get(request.tenant, Shelf())
            key, version = shelf.find(request)
            going = (version,) if "version" in request.params else tuple(shelf.keys[key])
            for each in going:
                shelf.drop(key, each)
            return json_answer({"key": key, "deleted": len(going), "held_bytes": shelf.held_bytes})

    def forget(self, tenant: str) -> None:
        with self._lock:
            self._shelves.pop(tenant, None)


def _data(request: Request) -> bytes:
    """The raw body of a call that carries one, else `data` in base64."""
    if request.body:
        return request.body
    data = request.params.get("data", "")
    if not isinstance(data, str):
        raise BadCall("data must be a base64 string")
    try:
        return b64decode(data, validate=True)
    except ValueError as cause:
        raise BadCall(f"data is no base64 ({cause}); encode the bytes") from cause


def _packed(body: bytes) -> bytes:
    """One byte that says how, then the bytes."""
    small = zlib.compress(body, 6)
    return b"z" + small if len(small) < len(body) else b"-" + body


def _unpacked(packed: bytes) -> bytes:
    return zlib.decompress(packed[1:]) if packed[:1] == b"z" else packed[1:]


def build() -> Program:
    storage = Storage()
    calls = {"put": storage.put, "get": storage.get, "list": storage.listing, "delete": storage.delete}
    return Program("storage", calls, forget=storage.forget)


if __name__ == "__main__":
    run(build())
