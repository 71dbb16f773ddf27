"""A buyer's request document and a plan's spec → service requirements. Pure; MSMF's app uses it.

The request is checked against its JSON Schema (s4m/request/1 or /2, which adds what digital twins need; 1 reads as 2);
the spec is a composite service or a single model.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from orchestrator.errors import MalformedDocument
from orchestrator.models.errors import BadManifest
from orchestrator.models.manifests import parse_manifest, parse_service
from orchestrator.requirements import (
    SINGLE_ROLE,
    AttendedObject,
    Qoe,
    ServiceRequirements,
    ServiceType,
    TranslationRequest,
)
from orchestrator.resources import Isolation

NEWEST = "s4m/request/2"
SCHEMAS = {f"s4m/request/{version}": Path(__file__).with_name(f"request-{version}.schema.json") for version in (1, 2)}
OF_TWINS, OF_AR_VR = ("fidelity_floor", "update_rate_hz"), ("immersion_floor",)
"""Members of `qoe` that one service type knows only; s4m/request/1 said nothing of the second, so it is let through."""


class BadRequest(MalformedDocument):
    """The request document breaks its schema."""

    code = "malformed_request"
    title = "The request document breaks its schema"


class BadSpec(MalformedDocument):
    """The spec of the plan's model is neither an s4m/service/1 nor an s4m/model/1."""

    code = "malformed_spec"
    title = "The spec of the plan's model cannot be read"


class ServiceMismatch(MalformedDocument):
    """The request asks for another service, or scenario, than the plan sells."""

    code = "service_mismatch"
    title = "The request is for another service than was bought"


class IsolationMismatch(MalformedDocument):
    """The request asks for another degree of isolation than the plan sells, and than was paid for."""

    code = "isolation_mismatch"
    title = "The request asks for another degree of isolation than was bought"


def check_request(document: dict[str, Any]) -> None:
    """Raises BadRequest, naming the worst place, where the document breaks the schema."""
    name = document.get("schema") if document.get("schema") in SCHEMAS else NEWEST
    error = best_match(_validator(str(name)).iter_errors(document))
    if error is None:
        return
    place = error.json_path
    raise BadRequest(
        f"The request document is wrong at {place}: {error.message}. Correct it to {name} and buy anew; "
        "what was paid can be refunded after the activation deadline.",
        at=place,
    )


def migrated(document: dict[str, Any]) -> dict[str, Any]:
    """A request of any version as the newest: s4m/request/1 asks for nothing that 2 says otherwise."""
    return {**document, "schema": NEWEST}


def translate(request: TranslationRequest) -> ServiceRequirements:
    """Step I. Raises BadRequest, BadSpec, ServiceMismatch or IsolationMismatch."""
    check_request(request.document)
    document = migrated(request.document)
    name, service_type, scenario, roles = _sold(request.spec, document.get("scenario", "virtual_travelling"))
    asked, sold = (document["service"], document.get("scenario", scenario)), str(request.spec["name"])
    if asked != (sold, scenario):
        raise ServiceMismatch(
            f"The request asks for {asked[0]} ({asked[1]}), plan {request.plan_id} sells {sold} ({scenario}). "
            "Ask for what the plan sells."
        )
    _require_sold(request, Isolation(document.get("isolation", 0)))
    if request.document["schema"] == NEWEST:
        _require_of_type(document, service_type)
    return ServiceRequirements(
        subscription_id=request.subscription_id,
        plan_id=request.plan_id,
        service=name,
        service_type=service_type,
        scenario=scenario,
        isolation=Isolation(document.get("isolation", 0)),
        users=document.get("users", 1),
        qoe=Qoe.model_validate(document.get("qoe", {})),
        objects=tuple(AttendedObject.model_validate(one) for one in document.get("objects", ())),
        things=tuple(document.get("things", ())),
        roles=roles,
        access=document.get("access", ""),
    )


def _require_sold(request: TranslationRequest, asked: Isolation) -> None:
    sold = request.isolation_sold
    if asked is sold:
        return
    fitting = request.isolation_plans.get(str(int(asked)))
    remedy = f"Buy plan {fitting}, which sells degree {asked:d}" if fitting else f"No plan of it sells degree {asked:d}"
    raise IsolationMismatch(
        f"The request asks for isolation degree {asked:d}, plan {request.plan_id} sells degree {sold:d}. "
        f"{remedy}; or ask for degree {sold:d}. What was paid can be refunded after the activation deadline.",
        asked=int(asked),
        sold=int(sold),
        plan=fitting,
    )


def _require_of_type(document: dict[str, Any], service_type: ServiceType) -> None:
    """What the other service type promises, this one cannot: better refused than unheard."""
    twin = service_type == "digital_twin"
    qoe = [f"qoe.{name}" for name in (OF_AR_VR if twin else OF_TWINS) if name in document.get("qoe", {})]
    foreign = [*qoe, *(name for name in (("objects",) if twin else ("things",)) if document.get(name))]
    if foreign:
        raise BadRequest(
            f"The request asks for {', '.join(foreign)}, which a service of type {service_type} does not have. Leave "
            "it out and buy anew; what was paid can be refunded after the activation deadline.",
            at=f"$.{foreign[0]}",
        )


def _sold(spec: dict[str, Any], asked: str) -> tuple[str, ServiceType, str, dict[str, str]]:
    """Name, type, scenario and roles of what the plan sells; a single model fills one role, in any scenario. The name
    of a provider's own program is its full one, so that it never joins another's instance."""
    try:
        if spec.get("schema") == "s4m/model/1":
            model = parse_manifest(spec)
            return model.name, _type(model.table1), asked, {SINGLE_ROLE: model.name}
        service = parse_service(spec)
    except BadManifest as cause:
        raise BadSpec(f"The spec of the plan's model cannot be read: {cause}. Its owner must correct it.") from cause
    return service.name, _type((service.service_type,)), service.scenario, dict(service.roles)


def _type(entries: tuple[str, ...]) -> ServiceType:
    """The service type of the first entry of Table I."""
    return "digital_twin" if entries and entries[0].startswith("digital_twin") else "ar_vr"


@cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads(SCHEMAS[name].read_text("utf-8")))
