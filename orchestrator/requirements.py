"""What MSMF, VMOF and MMF say to each other (section II-C): frozen shapes, JSON at the edge, typed values inside.

Used by the three functions, the pipeline and the tests. It holds no rule: who refuses what stands in the functions.
Ids are decimal strings or names; field names are camelCase on the wire, resources and QoE keep their unit in the name.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from orchestrator.resources import Isolation, Resources, ResourceVector

SINGLE_ROLE = "model"
"""The one role of a service that is a single model."""
WHOLE = "service"
"""Stands for all roles together where what is lacking is none's alone."""
MOST_NOTICES = 100
"""told of at once"""
ServiceType = Literal["ar_vr", "digital_twin"]
Verdict = Literal["reuse", "modify", "create"]


class FunctionCall(Protocol):
    """Calls of one neighbour from a worker thread; blocks until the answer is there (see orchestrator.calls)."""

    def get(self, path: str, params: Mapping[str, str] | None = None) -> Any: ...

    def post(self, path: str, json: Any, idempotency_key: str = "") -> Any: ...

    def put(self, path: str, json: Any, idempotency_key: str = "") -> Any: ...

    def delete(self, path: str, idempotency_key: str = "") -> Any: ...


class Shape(BaseModel):
    """Root of the shapes: frozen, closed, camelCase on the wire."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, serialize_by_alias=True
    )

    def to_json(self) -> dict[str, Any]:
        """This shape as a JSON object."""
        return self.model_dump(mode="json", by_alias=True)


class Qoe(BaseModel):
    """What the user is to experience (Table I): a rate, the latency of the planned network path, a reliability; of
    AR/VR a floor under Meta-Immersion, of a digital twin a floor under its fidelity and how often it is updated."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    immersion_floor: float = Field(default=0.0, ge=0)
    rate_mbps: int = Field(default=100, gt=0, le=1_000_000)
    latency_ms: float = Field(default=1.5, gt=0)
    reliability: float = Field(default=0.99, gt=0, le=1)
    fidelity_floor: float = Field(default=0.0, ge=0, lt=1)
    update_rate_hz: int = Field(default=0, ge=0, le=1000)
    """0 = as the service does by itself"""


class AttendedObject(BaseModel):
    """A virtual object and how much attention its user pays to it, 1 to 5."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    object: int = Field(ge=0, le=55)
    attention: int = Field(ge=1, le=5)


class RequestInWords(Shape):
    """What a buyer wants, in its own words; MSMF makes a request document of it (orchestrator.intent)."""

    text: str


class TranslationRequest(Shape):
    """Step I, asked of MSMF: the request document and the spec of the plan's model, both already hash-checked."""

    subscription_id: str = Field(pattern=r"^[0-9]{1,29}$")
    plan_id: str = Field(pattern=r"^[0-9]{1,20}$")
    document: dict[str, Any]
    spec: dict[str, Any]
    isolation_sold: Isolation = Isolation.SHARED
    """the degree of the plan's terms"""
    isolation_plans: dict[str, str] = Field(default_factory=dict)
    """degree → the plan of the same model that sells it, as far as anybody knows"""


class ServiceRequirements(Shape):
    """Step I, answered by MSMF: what the user wants, in terms of a Metaverse service."""

    subscription_id: str
    plan_id: str
    service: str
    service_type: ServiceType
    scenario: str
    isolation: Isolation
    users: int = Field(ge=1)
    qoe: Qoe
    objects: tuple[AttendedObject, ...] = ()
    things: tuple[str, ...] = ()
    """of a digital twin, the physical objects that it is to follow"""
    roles: dict[str, str] = Field(min_length=1)
    """role → name of the MaaS model that fills it"""
    access: str = ""
    """the site where the user enters; empty: the operator's default"""


class Lack(Shape):
    """What kept a candidate from being chosen, and what would have made it feasible."""

    kind: Literal[
        "resource",
        "latency",
        "reliability",
        "immersion",
        "performance",
        "link",
        "isolation",
        "shares",
        "model",
        "state",
        "runtime",
        "money",
    ]
    name: str
    """resource or property"""
    needed: float | str
    available: float | str
    unit: str = ""


class RoleRequirement(Shape):
    """One sub-instance: the model that fills a role and what one share of it needs."""

    role: str
    model: str
    resources: Resources = ResourceVector()
    latency_ms: float
    """the part of the service's latency that this role may use"""


class OfferRequest(Shape):
    """Step II, asked of MMF: the sub-instances of one share of an MSI."""

    subscription_id: str
    msi: str
    cluster: ServiceType
    isolation: Isolation
    roles: tuple[RoleRequirement, ...]
    access: str = ""
    """the site where the user enters; empty: the operator's default"""
    reliability: float = Field(default=0.0, ge=0, le=1)
    """that the product of the roles' availabilities is to have; 0: whatever it is"""
    avoid: dict[str, tuple[Lack, ...]] = Field(default_factory=dict)
    """model instance → why VMOF does not want it as it is"""
    instead_of: str = ""
    """the offer that VMOF answers by this request"""


def plain_amount(amount: float | str) -> str:
    """As people read it: numbers of 1,000 and more whole, smaller ones to four digits, shares of time to six."""
    if isinstance(amount, str):
        return amount
    if 0.9 < amount < 1:
        return f"{amount:.6g}"
    return f"{amount:,.0f}" if abs(amount) >= 1_000 else f"{amount:.4g}"


def lacks_of(lacks: Iterable[Lack]) -> str:
    """What is lacking, in words."""
    return ", ".join(
        f"{one.name} (needs {plain_amount(one.needed)}, there is {plain_amount(one.available)})" for one in lacks
    )


class CandidateReason(Shape):
    """One candidate that was looked at for a role; chosen when it lacked nothing and was the best."""

    candidate: str
    """id of a running model instance or of a physical node"""
    action: Verdict
    chosen: bool
    lacks: tuple[Lack, ...] = ()
    cost: int | None = None
    """points of orchestrator.placement.worth; None where nobody priced it"""
    availability: float | None = None
    """of the instance, or of a new one there; None where nobody asked"""


class Performance(Shape):
    """How an MSI, or a model instance, did within the last minute, and how many more shares it takes."""

    calls: int = 0
    latency_ms: float | None = None
    """mean time to the end of a call; of an MSI, of a whole use. None: nobody called"""
    queue: float = 0.0
    """calls under way or waiting, on average; of an MSI, at its busiest role"""
    error_rate: float = Field(default=0.0, ge=0, le=1)
    """part of the calls that got no answer"""
    immersion: float | None = None
    """mean Meta-Immersion of its users' newest frames; None: nobody looks at any"""
    under_floor: int = 0
    """users whose newest frame was worth less than their plans promise"""
    free_shares: int = 0
    """how many more shares of the usual size its models take as they are"""
    shares: int = 0
    """that stood in it when this was written"""
    at: int = 0
    """UTC seconds"""


class MsiCandidate(CandidateReason):
    """An MSI that was looked at, with what was known of it."""

    performance: Performance | None = None


class Placement(Shape):
    """How one role is filled."""

    role: str
    model: str
    verdict: Verdict
    instance: str
    node: str


class Decision(Shape):
    """Why each role is filled as it is; of a refusal, what would make it feasible."""

    feasible: bool
    verdict: Verdict
    placements: tuple[Placement, ...] = ()
    reasons: dict[str, tuple[CandidateReason, ...]] = Field(default_factory=dict)
    """role → the candidates"""
    needed: dict[str, tuple[Lack, ...]] = Field(default_factory=dict)
    """role that cannot be filled → the least that would make it feasible"""
    objective: int | None = None
    """revenue − use − opening − dedicated cost of the placements, in points"""
    bound: int | None = None
    """what no placement of this share could earn more than, at that moment"""
    gap: float | None = None
    """(bound − objective) ÷ |bound|; 0 = proven best"""
    reliability: float | None = None
    """what the placements attain together, six digits rounded down; of a refusal, the most that could be attained"""


class Change(Shape):
    """What a counter-offer has otherwise than was asked for."""

    name: Literal["isolation", "access", "rate"]
    asked: int | str
    """degree, site or Mb/s of the role with the most"""
    offered: int | str


class Offer(Shape):
    """Step III, answered by MMF: what it would reuse, modify and create. Open until accepted, or stale (others were
    faster), rejected (by VMOF), refused (MMF cannot) or failed. A counter-offer is what MMF could instead: only whoever
    bought can ask for that, so VMOF accepts none."""

    offer_id: str
    msi: str
    subscription_id: str
    state: Literal["open", "accepted", "stale", "rejected", "refused", "counter", "failed"]
    decision: Decision
    instead_of: str = ""
    """the offer that this one takes the place of"""
    change: Change | None = None
    """of a counter-offer"""
    counters: tuple[Change, ...] = ()
    """of a refused offer, what each of its counter-offers changes; each alone is enough"""


class RunningModel(Shape):
    """A model instance as one share sees it."""

    role: str
    model: str
    instance: str
    isolation: Isolation
    verdict: Verdict
    node: str
    socket: str
    granted: Resources
    """what is allocated to this share"""
    supplies: Resources
    """what the instance as a whole supplies to its shares"""


class Acceptance(Shape):
    """MMF's answer to an acceptance: the models run, or a newer offer replaces the stale one, or the start failed."""

    state: Literal["accepted", "stale", "failed"]
    models: tuple[RunningModel, ...] = ()
    offer: Offer | None = None
    cause: str = ""


class InstantiationRequest(Shape):
    """Step II, asked of VMOF."""

    requirements: ServiceRequirements


class ServiceDecision(Shape):
    """Why a share stands in the MSI it stands in, and how its roles are filled."""

    msi: str
    msi_verdict: Verdict
    msi_candidates: tuple[MsiCandidate, ...] = ()
    models: Decision
    rounds: int = 1
    """offers until agreement"""


class RefusalNotice(Shape):
    """A recorded refusal: the code, one sentence, and per role what would make it feasible."""

    code: str
    detail: str
    needed: dict[str, tuple[Lack, ...]] = Field(default_factory=dict)
    decision: ServiceDecision | None = None
    counters: tuple[Change, ...] = ()
    """what MMF could instead; each alone is enough"""


class InstanceShare(Shape):
    """A subscription's share of a running MSI: everything the pipeline needs for handover."""

    subscription_id: str
    msi: str
    service: str
    cluster: ServiceType
    isolation: Isolation
    state: Literal["running"] = "running"
    reused: bool
    models: tuple[RunningModel, ...]
    sockets: dict[str, str]
    """role → path of the model's Unix socket"""
    grant: Resources
    """this share's grant; rendering is the fair share at this moment"""
    grants: dict[str, Resources] = Field(default_factory=dict)
    """subscription → grant, of all shares whose grant this one's coming changed"""
    decision: ServiceDecision


class AdjustmentRequest(Shape):
    """An update of a running request, asked of VMOF: what the share is to be from now on."""

    requirements: ServiceRequirements
    revision: int = Field(ge=1)


class UseAdjustment(Shape):
    """An update of a running share, asked of MMF: its sub-instances as they are to be, in the MSI it is to stand in."""

    request: OfferRequest
    revision: int = Field(ge=1)


class Adjusted(Shape):
    """MMF's answer to an update: the models as they run now, or why everything stayed as it was."""

    state: Literal["adjusted", "infeasible", "failed", "gone"]
    decision: Decision
    models: tuple[RunningModel, ...] = ()
    stopped: tuple[str, ...] = ()
    cause: str = ""


class GrantProposal(Shape):
    """Rendering among the shares of one server, asked of VMOF; whoever is not named keeps what he has."""

    server: str
    """the model instance that renders"""
    grants: dict[str, Annotated[int, Field(ge=0)]] = Field(min_length=1, max_length=10_000)
    """subscription → K of rendering"""


class GrantsChanged(Shape):
    """VMOF's answer to a proposal."""

    server: str
    grants: dict[str, Resources] = Field(default_factory=dict)
    """subscription → grant, of all shares whose grant is another now"""
    msis: dict[str, str] = Field(default_factory=dict)
    """of the same subscriptions"""


class ReleasedShare(Shape):
    """VMOF's answer to the end of a share."""

    subscription_id: str
    msi: str
    msi_state: str
    released: bool
    stopped: tuple[str, ...] = ()
    """model instances that lost their last user and were stopped"""
    grants: dict[str, Resources] = Field(default_factory=dict)


class Notice(Shape):
    """A change that MSMF is told of."""

    kind: str
    subject: str
    subscription_id: str = ""
    detail: dict[str, Any] = Field(default_factory=dict)
    at: int = Field(default=0, ge=0, lt=2**40)
    """UTC seconds; 0 = when MSMF got it"""


class ToldNotice(Notice):
    """A change on its way to MSMF."""

    key: str = ""
    """by which it is kept once, whatever call tells it; "" = by its call's key and its place there"""


class Notices(Shape):
    """Changes that MSMF is told of at once, in their order."""

    notices: tuple[ToldNotice, ...] = Field(max_length=MOST_NOTICES)
