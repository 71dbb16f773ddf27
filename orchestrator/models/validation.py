"""Everything that is wrong with a manifest or a service, all at once, each with what to do about it.

`s4m models validate` and `publish` call it. First the shape (JSON Schema beside this file), then, of a whole document,
the rules that no schema can say: what the metering, the catalogue, placement, the gateway and Table I ask for.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from ledger.metering import Terms, TermsInvalid
from orchestrator.models.errors import BadManifest
from orchestrator.models.manifests import (
    HERE,
    Document,
    Manifest,
    Plan,
    ServiceSpec,
    manifests,
    parse_manifest,
    parse_service,
)
from orchestrator.models.pricing import degrees
from orchestrator.models.table1 import entries, scenarios

SCHEMAS = {"s4m/model/1": "manifest-1.schema.json", "s4m/service/1": "service-1.schema.json"}
LATENCY_MS = 1.5
"""What Table I asks of AR/VR services, and what a request asks for where it names nothing else."""
LONGEST = 200
"""Characters of a cause; the schema's words begin with the value that they are about."""
LINK_CALLS, CACHE_CALLS = {"uplink", "downlink"}, {"get", "put"}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: where (JSON path), what, and what to do."""

    at: str
    cause: str
    remedy: str


def findings(document: Any) -> list[Finding]:
    """All that is wrong with a document; none means that it can be published."""
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema not in SCHEMAS:
        return [
            Finding("$.schema", f"it is {schema!r}", f"give a document whose schema is one of {', '.join(SCHEMAS)}")
        ]
    broken = sorted(_validator(SCHEMAS[schema]).iter_errors(document), key=lambda error: error.json_path)
    if broken:
        return [_of_shape(error) for error in broken]
    try:
        if schema == "s4m/model/1":
            return list(_of_manifest(parse_manifest(document)))
        return list(_of_service(parse_service(document)))
    except BadManifest as cause:
        return [Finding("$", str(cause.__cause__ or cause), "correct what it names")]


def program_findings(manifest: Manifest) -> list[Finding]:
    """Whether the program is there and answers what the manifest says. Imports the module: its top level runs."""
    if find_spec(manifest.program) is None:
        return [Finding("$.module", f"there is no module {manifest.program}", "write it beside the other models")]
    build = getattr(import_module(manifest.program), "build", None)
    if build is None:
        return [Finding("$.module", f"{manifest.program} has no build()", "give it one that answers a Program")]
    program = build()
    found = []
    if program.name != manifest.name:
        found.append(Finding("$.name", f"the program calls itself {program.name!r}", "name both alike"))
    for call in sorted(set(program.calls) ^ set(manifest.calls)):
        lacking = "the program" if call in manifest.calls else "the manifest"
        found.append(Finding(f"$.calls.{call}", f"{lacking} does not have it", "give both the same calls"))
    return found


def _of_manifest(manifest: Manifest) -> Iterator[Finding]:
    yield from _of_terms(manifest.terms, manifest.plan)
    yield from _of_isolation(manifest, degrees(manifest, manifests()))
    units = {meter["name"]: meter["unit"] for meter in _meters(manifest.terms)}
    for call in sorted(set(units) ^ set(manifest.calls)):
        yield Finding("$.terms.meters", f"calls and meters differ in {call!r}", "give each call a meter of its name")
    for call in sorted(set(units) & set(manifest.calls)):
        if units[call] != manifest.calls[call]:
            cause = f"the call counts {manifest.calls[call]!r}, its meter {units[call]!r}"
            yield Finding(f"$.calls.{call}.unit", cause, "name the same unit in both")
    for resource, supplied in manifest.supplies.items():
        due = manifest.max_shares * manifest.per_share.get(resource, 0)
        if due > supplied:
            cause = f"{manifest.max_shares} shares take {due} where {supplied} is supplied"
            yield Finding(f"$.supplies.{resource}", cause, "supply more, or take fewer or smaller shares")
    if manifest.kind == "TaaS" and manifest.supplies:
        yield Finding("$.supplies", "a TaaS consumes resources", "leave supplies empty, or make it a CaaS")
    if manifest.kind == "CaaS" and not manifest.supplies:
        yield Finding("$.supplies", "a CaaS supplies resources", "name what it supplies, or make it a TaaS")
    for entry in manifest.table1:
        if entry not in entries():
            yield Finding("$.table1", f"Table I has no {entry!r}", "name entries of orchestrator/models/table1.json")
    if manifest.own is None:
        yield from program_findings(manifest)


def _of_service(service: ServiceSpec) -> Iterator[Finding]:
    yield from _of_terms(service.terms, service.plan)
    known = manifests()
    for place, name in (*((f"roles.{role}", model) for role, model in service.roles.items()), *_named(service)):
        if name not in known:
            yield Finding(f"$.{place}", f"no model {name!r} is installed", f"name one of {', '.join(sorted(known))}")
    if scenarios().get(service.scenario) != service.service_type:
        fitting = ", ".join(name for name, kind in scenarios().items() if kind == service.service_type)
        yield Finding("$.scenario", f"{service.scenario!r} is none of {service.service_type}", f"name one of {fitting}")
    yield from _of_shares(service)
    if set(service.roles.values()) <= set(known):
        yield from _of_operations(service)
        yield from _of_isolation(service, degrees(service, known))
        latency = sum(known[model].latency_ms for model in service.roles.values())
        if latency >= LATENCY_MS:
            cause = f"its models add {latency:.2f} ms where Table I asks for less than {LATENCY_MS}"
            yield Finding("$.roles", cause, "leave out a role, or choose quicker models")


def _of_shares(service: ServiceSpec) -> Iterator[Finding]:
    if sum(service.shares.values()) > 10_000:
        yield Finding("$.shares", f"they sum to {sum(service.shares.values())} of 10000", "lower them")
    used = {*service.roles.values(), *service.supply}
    for model, bps in service.shares.items():
        if model not in used:
            yield Finding(f"$.shares.{model}", "the service does not use it", "pay models of roles and supply only")
        ask = manifests()[model].ask_bps if model in manifests() else 0
        if bps < ask:
            yield Finding(f"$.shares.{model}", f"{bps} is less than the model asks", f"give at least {ask}")


def _of_operations(service: ServiceSpec) -> Iterator[Finding]:
    meters = _meters(service.terms)
    for name, operation in service.operations.items():
        model = manifests()[service.roles[operation.model]]
        place = f"$.operations.{name}"
        if operation.call not in model.calls:
            yield Finding(
                f"{place}.call", f"{model.name} has no {operation.call!r}", f"it has {', '.join(model.calls)}"
            )
        elif meters[operation.meter]["unit"] != model.calls[operation.call]:
            unit = model.calls[operation.call]
            cause = f"meter {operation.meter} counts {meters[operation.meter]['unit']!r}, the call {unit!r}"
            yield Finding(f"{place}.meter", cause, "choose the call's own meter, or correct its unit")
        for role, field, calls in ((operation.link, "link", LINK_CALLS), (operation.cache, "cache", CACHE_CALLS)):
            if role is not None and not calls <= set(manifests()[service.roles[role]].calls):
                cause = f"{service.roles[role]} is no {field}"
                yield Finding(f"{place}.{field}", cause, f"choose a role with {' and '.join(sorted(calls))}")


def _of_terms(terms: Document, plan: Plan) -> Iterator[Finding]:
    """What the metering and the catalogue ask of terms and plan together."""
    if (plan.period == 0) != (plan.period_price == 0):
        yield Finding("$.plan.period", "only one of period and periodPrice is 0", "give both, or neither")
    try:
        floor = Terms.parse(terms).floor_milli
    except TermsInvalid as error:
        yield Finding(f"$.terms.{error.field}", str(error).split(";")[0], "correct it to s4m/terms/1")
    else:
        if plan.qoe_floor != floor:
            cause = f"it is {plan.qoe_floor}, the terms' qoe.floor_milli {floor}"
            yield Finding("$.plan.qoeFloor", cause, "give both the same number")
    if plan.qoe_floor and not plan.unit_price:
        yield Finding("$.plan.qoeFloor", "a floor lowers unit prices and there is none", "set it to 0, or price units")


def _of_isolation(spec: Manifest | ServiceSpec, sold: tuple[int, ...]) -> Iterator[Finding]:
    """Degrees are not for sale that the programs do not support, and each degree's terms are written from these."""
    if "isolation" in spec.terms:
        cause = "the plan of each degree gets its own terms from these"
        yield Finding("$.terms.isolation", cause, "leave it out")
    if not sold:
        yield Finding("$.roles", "no degree of isolation is supported by all of its models", "choose others")
    for degree, price in spec.document.get("isolation_prices", {}).items():
        place = f"$.isolation_prices.{degree}"
        if int(degree) not in sold:
            yield Finding(place, f"sold are the degrees {', '.join(map(str, sold))}", "leave it out")
        if (spec.plan.period == 0) != (price["periodPrice"] == "0"):
            yield Finding(f"{place}.periodPrice", f"the plan's period is {spec.plan.period} s", "give both, or neither")


def _named(service: ServiceSpec) -> Iterator[tuple[str, str]]:
    yield from (("supply", name) for name in service.supply)
    yield from ((f"shares.{name}", name) for name in service.shares)


def _meters(terms: Document) -> list[Document]:
    """The meters that are whole enough to be compared; `_of_terms` tells of the rest."""
    meters = terms["meters"] if isinstance(terms["meters"], list) else []
    return [meter for meter in meters if isinstance(meter, dict) and {"name", "unit"} <= set(meter)]


def _of_shape(error: ValidationError) -> Finding:
    cause = error.message if len(error.message) <= LONGEST else f"…{error.message[-LONGEST:]}"
    return Finding(error.json_path, cause, _remedy(error))


def _remedy(error: ValidationError) -> str:
    """What the schema says of the place: every part of it has a description that tells what is due."""
    schema = error.schema if isinstance(error.schema, dict) else {}
    properties = schema.get("properties", {})
    if error.validator == "additionalProperties" and properties:
        return f"leave it out; known are {', '.join(properties)}"
    if error.validator == "required":
        missing = [name for name in schema["required"] if f"{name!r} is" in error.message]
        return "add " + ", ".join(f"{name}: {properties.get(name, {}).get('description', name)}" for name in missing)
    return f"give {schema.get('description', 'what the schema asks for')}"


@cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads((HERE / name).read_text("utf-8")))
