"""Typed view of the shipped manifests (one model each) and services (composites of models).

The catalogue is registered from these documents and MMF maps an on-chain spec hash back to the installed one. A spec
hash is the SHA-256 of the document's RFC 8785 bytes. Nothing here starts a program or knows what an instance is.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import rfc8785

from orchestrator.models.errors import BadManifest, UnknownModel

HERE = Path(__file__).parent
UNDECLARED = 0.999
"""Availability of a model whose manifest declares none."""
Document = Mapping[str, Any]
T = TypeVar("T")


def canonical(document: Document) -> bytes:
    """RFC 8785 bytes of a JSON document: what is hashed, stored and served."""
    return rfc8785.dumps(dict(document))


def spec_hash_of(document: Document) -> bytes:
    return sha256(canonical(document)).digest()


@dataclass(frozen=True)
class Plan:
    """Price plan as the catalogue takes it: money in the token's smallest unit, times in seconds."""

    unit_price: int
    period_price: int
    period: int
    release_window: int
    activation_window: int
    qoe_floor: int


@dataclass(frozen=True)
class Operation:
    """What one use of a service does: which role's call answers it, through which cache and link, on which meter."""

    meter: int
    model: str
    call: str
    cache: str | None
    link: str | None
    immersion: bool
    provenance: bool


@dataclass(frozen=True)
class HealthCheck:
    """GET `path` every `interval_s` must answer 200 within `timeout_s` seconds; after `failures` misses in a row the
    instance is ended, and started anew."""

    path: str = "/health"
    interval_s: float = 1.0
    timeout_s: float = 1.0
    failures: int = 3


@dataclass(frozen=True)
class OwnProgram:
    """A provider's own program: its content's SHA-256, hexadecimal, and the words that start it in its folder."""

    sha256: str
    command: tuple[str, ...]
    health: HealthCheck


@dataclass(frozen=True)
class Manifest:
    """One MaaS model. `supplies`, `consumes` (once per instance) and `per_share` are resource vectors.

    The name of a provider's own program ends in the first 16 digits of its spec hash: nobody can take another's.
    """

    name: str
    title: str
    kind: str
    module: str
    own: OwnProgram | None
    calls: Mapping[str, str]
    supplies: Mapping[str, int]
    consumes: Mapping[str, int]
    per_share: Mapping[str, int]
    max_shares: int
    isolation: tuple[int, ...]
    latency_ms: float
    availability: float
    """part of the time in which an instance answers, as its provider declares: until more is measured"""
    memory_mib: int
    table1: tuple[str, ...]
    ask_bps: int
    plan: Plan
    terms: Document
    document: Document
    spec_hash: bytes

    @property
    def terms_hash(self) -> bytes:
        return spec_hash_of(self.terms)

    @property
    def program(self) -> str:
        """The module that `python -m` starts; of a provider's own program `sha256:` and its hash."""
        if self.own is not None:
            return f"sha256:{self.own.sha256}"
        return f"orchestrator.models.{self.module}"


@dataclass(frozen=True)
class ServiceSpec:
    """One composite service: `roles` maps a role to a model's name, `supply` names the models it draws on."""

    name: str
    title: str
    kind: str
    service_type: str
    scenario: str
    roles: Mapping[str, str]
    supply: tuple[str, ...]
    operations: Mapping[str, Operation]
    plan: Plan
    terms: Document
    shares: Mapping[str, int]
    document: Document
    spec_hash: bytes

    @property
    def terms_hash(self) -> bytes:
        return spec_hash_of(self.terms)

    def operations_document(self) -> Document:
        """The operations as the gateway's route document carries them."""
        operations: Document = self.document["operations"]
        return operations


def parse_manifest(document: Document) -> Manifest:
    """Raises BadManifest when the document is not an s4m/model/1."""
    return _parsed(document, "s4m/model/1", _manifest)


def parse_service(document: Document) -> ServiceSpec:
    """Raises BadManifest when the document is not an s4m/service/1."""
    return _parsed(document, "s4m/service/1", _service)


@cache
def manifests() -> Mapping[str, Manifest]:
    """All installed models by name."""
    return _load("manifests", parse_manifest, lambda manifest: manifest.name)


@cache
def services() -> Mapping[str, ServiceSpec]:
    """All installed composite services by name."""
    return _load("services", parse_service, lambda service: service.name)


def manifest_named(name: str) -> Manifest:
    return _found(manifests(), name)


def service_named(name: str) -> ServiceSpec:
    return _found(services(), name)


def installed(spec_hash: bytes) -> Manifest | ServiceSpec:
    """The installed model or service with this on-chain spec hash."""
    everything: list[Manifest | ServiceSpec] = [*manifests().values(), *services().values()]
    for spec in everything:
        if spec.spec_hash == spec_hash:
            return spec
    raise UnknownModel(
        f"no installed model or service has spec hash {spec_hash.hex()}; install its manifest or offer a known one"
    )


def _found(installed_specs: Mapping[str, T], name: str) -> T:
    if name not in installed_specs:
        raise UnknownModel(f"{name!r} is not installed; known are {', '.join(sorted(installed_specs))}")
    return installed_specs[name]


def _load(folder: str, parse: Callable[[Document], T], name_of: Callable[[T], str]) -> Mapping[str, T]:
    parsed = [parse(json.loads(path.read_text("utf-8"))) for path in sorted((HERE / folder).glob("*.json"))]
    return MappingProxyType({name_of(spec): spec for spec in parsed})


def _parsed(document: Document, schema: str, build: Callable[[Document], T]) -> T:
    if document.get("schema") != schema:
        raise BadManifest(
            f"schema is {document.get('schema')!r} where {schema!r} is due; give a document of that schema"
        )
    try:
        return build(document)
    except (KeyError, TypeError, ValueError, AttributeError) as cause:
        raise BadManifest(
            f"{document.get('name')!r} is not a whole {schema}: {cause!r}; complete the document"
        ) from cause


def _manifest(document: Document) -> Manifest:
    own = _own_program(document) if "program" in document else None
    return Manifest(
        name=_name(document, own),
        title=document["title"],
        kind=_one_of(document["kind"], "CaaS", "TaaS"),
        module="" if own else document["module"],
        own=own,
        calls={call: spec["unit"] for call, spec in document["calls"].items()},
        supplies=_vector(document["supplies"]),
        consumes=_vector(document["consumes"]),
        per_share=_vector(document["per_share"]),
        max_shares=_whole(document["max_shares"]),
        isolation=tuple(_whole(degree) for degree in document["isolation"]),
        latency_ms=_milliseconds(document["latency_ms"]),
        availability=_availability(document.get("availability", UNDECLARED)),
        memory_mib=_whole(document["memory_mib"]),
        table1=tuple(document["table1"]),
        ask_bps=_whole(document["ask_bps"]),
        plan=_plan(document["plan"]),
        terms=document["terms"],
        document=document,
        spec_hash=spec_hash_of(document),
    )


def _name(document: Document, own: OwnProgram | None) -> str:
    name: str = document["name"]
    return f"{name}.{spec_hash_of(document).hex()[:16]}" if own else name


def _own_program(document: Document) -> OwnProgram:
    """Raises ValueError for one that would be a part of the pool: only an operator adds capacity by a manifest."""
    if document["supplies"] and not document["consumes"] and not document["per_share"]:
        raise ValueError(
            "an own program that supplies must consume or take per share: offer capacity by a supply offer"
        )
    return OwnProgram(document["program"], tuple(document["command"]), HealthCheck(**document.get("health", {})))


def _service(document: Document) -> ServiceSpec:
    roles = dict(document["roles"])
    operations = {name: Operation(**operation) for name, operation in document["operations"].items()}
    _check_operations(operations, roles, len(document["terms"]["meters"]))
    return ServiceSpec(
        name=document["name"],
        title=document["title"],
        kind=_one_of(document["kind"], "Composite"),
        service_type=document["service_type"],
        scenario=document["scenario"],
        roles=roles,
        supply=tuple(document["supply"]),
        operations=operations,
        plan=_plan(document["plan"]),
        terms=document["terms"],
        shares={model: _whole(bps) for model, bps in document["shares"].items()},
        document=document,
        spec_hash=spec_hash_of(document),
    )


def _check_operations(operations: Mapping[str, Operation], roles: Mapping[str, str], meters: int) -> None:
    for name, operation in operations.items():
        used = {operation.model, operation.cache, operation.link} - {None}
        if not used <= set(roles):
            raise ValueError(f"operation {name} uses roles {used - set(roles)} that the service does not have")
        if not 0 <= operation.meter < meters:
            raise ValueError(f"operation {name} counts on meter {operation.meter} of {meters}")


def _plan(document: Document) -> Plan:
    return Plan(
        unit_price=_whole(document["unitPrice"]),
        period_price=_whole(document["periodPrice"]),
        period=_whole(document["period"]),
        release_window=_whole(document["releaseWindow"]),
        activation_window=_whole(document["activationWindow"]),
        qoe_floor=_whole(document["qoeFloor"]),
    )


def _vector(document: Document) -> Mapping[str, int]:
    return {resource: _whole(amount) for resource, amount in document.items()}


def _whole(value: object) -> int:
    """ValueError for anything else than a whole number from 0 to under 2^128, or its decimal text."""
    if isinstance(value, str) and re.fullmatch("0|[1-9][0-9]{0,38}", value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 128:
        raise ValueError(f"{str(value)[:40]!r} is no whole number")
    return value


def _milliseconds(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1e9:
        raise ValueError(f"{str(value)[:40]!r} is no time in milliseconds")
    return float(value)


def _availability(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < 1:
        raise ValueError(f"{str(value)[:40]!r} is no availability: a part of the time, above 0 and below 1")
    return float(value)


def _one_of(value: str, *allowed: str) -> str:
    if value not in allowed:
        raise ValueError(f"{value!r} is none of {allowed}")
    return value
