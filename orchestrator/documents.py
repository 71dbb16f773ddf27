"""The documents of a purchase: fetched by their hash, checked, and turned into the gateway's route and the endpoint.

Used by the pipeline's steps. Everything fetched is addressed by its SHA-256, so a wrong answer is a malformed
document, never a wrong service. Plans never change, nor does a document under its hash: they are kept in memory.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any, Protocol

import rfc8785

from ledger.metering import Terms, TermsInvalid
from ledger.values import model_of
from orchestrator.errors import DocumentNotYet, MalformedDocument, PeerRefused
from orchestrator.requirements import SINGLE_ROLE, FunctionCall
from orchestrator.store import Row

MOST_KEPT = 500
"""Documents in memory; each has at most 128 KiB."""
ENDPOINT_SCHEMA = "s4m/endpoint/1"


@dataclass(frozen=True)
class PlanFacts:
    """What the pipeline must know of a plan: hashes in hex without 0x, the period in seconds (0: none)."""

    spec_hash: str
    terms_hash: str
    period: int


class PlanReader(Protocol):
    """Reads a plan's facts from the catalogue."""

    def __call__(self, plan_id: int) -> PlanFacts: ...


@dataclass(frozen=True)
class Purchase:
    """A final purchase, as a workflow's attempt sees it."""

    subscription_id: str
    plan_id: str
    buyer: str
    signer: str
    cap: str
    requirements_hash: str
    attempt: int

    @classmethod
    def of(cls, row: Row) -> "Purchase":
        """From the service's row."""
        return cls(**{name: row[name] for name in cls.__dataclass_fields__})

    def key(self, step: str) -> str:
        """The Idempotency-Key of one call."""
        return f"{self.subscription_id}:{step}:{self.attempt}"


class Documents:
    """Fetches documents from the marketplace through the gate."""

    def __init__(self, marketplace: FunctionCall, plan_facts: PlanReader) -> None:
        self._marketplace = marketplace
        self._plan_facts = plan_facts
        self._plans: dict[int, PlanFacts] = {}
        self._kept = lru_cache(MOST_KEPT)(self.fetch)

    def of(self, purchase: Purchase) -> dict[str, Any]:
        """The request document, the plan's spec and terms, its period in seconds, and the degree of isolation that it
        sells; where the request asks for another, the model's plans by degree."""
        request = self._kept(purchase.requirements_hash)
        plan = self._plan(int(purchase.plan_id))
        spec, terms = self._kept(plan.spec_hash), self._kept(plan.terms_hash)
        sold = _terms(terms).isolation
        asked = request.get("isolation", 0) if isinstance(request, dict) else sold
        plans = {} if asked == sold else self._plans_by_degree(int(purchase.plan_id))
        isolation = {"isolationSold": sold, "isolationPlans": plans}
        return {"request": request, "spec": spec, "terms": terms, "period": plan.period, **isolation}

    def _plans_by_degree(self, plan_id: int) -> dict[str, str]:
        """Only to tell the buyer what to buy instead, so that nobody's word is checked; empty where nobody knows."""
        try:
            model = self._marketplace.get(f"/api/v1/models/{model_of(plan_id)}")
        except PeerRefused:
            return {}
        open_plans = (plan for plan in model["plans"] if not plan["retired"])
        return {str(plan["isolation"] or 0): str(plan["planId"]) for plan in open_plans}

    def fetch(self, document_hash: str) -> Any:
        """The JSON document with this hash; DocumentNotYet where the marketplace has none."""
        digest = document_hash.removeprefix("0x")
        try:
            document = self._marketplace.get(f"/api/v1/documents/{digest}")
        except PeerRefused as refusal:
            if refusal.peer_status != 404:
                raise
            raise DocumentNotYet(
                f"Nobody has put document {digest} yet. Put it: PUT /api/v1/documents/{digest} at the marketplace."
            ) from refusal
        if document_hash_of(document) != digest:
            raise MalformedDocument(
                f"The marketplace's document {digest} has another hash: it was changed on its way. "
                "Put the very bytes (RFC 8785) whose SHA-256 was ordered."
            )
        return document

    def _plan(self, plan_id: int) -> PlanFacts:
        """A plan's facts are final once a purchase of it is."""
        if plan_id not in self._plans:
            self._plans[plan_id] = self._plan_facts(plan_id)
        return self._plans[plan_id]


def _terms(terms: Any) -> Terms:
    """Before anything is placed: what cannot be metered is not served."""
    try:
        return Terms.parse(terms)
    except TermsInvalid as cause:
        raise MalformedDocument(
            f"The plan's terms cannot be metered: {cause}. Publish a plan with valid terms."
        ) from cause


def document_hash_of(document: Any) -> str:
    """SHA-256 of the document's RFC 8785 bytes, hex."""
    try:
        return sha256(rfc8785.dumps(document)).hexdigest()
    except rfc8785.CanonicalizationError as cause:
        raise MalformedDocument(f"The document has no RFC 8785 form: {cause}. Numbers must fit 53 bits.") from cause


def served_by(documents: Mapping[str, Any]) -> dict[str, Any]:
    """What of a purchase's documents its route is made of."""
    return {
        "terms": documents["terms"],
        "operations": operations_of(documents["spec"], documents["terms"]),
        "objects": documents["request"].get("objects", []),
        "period": documents["period"],
    }


def route_of(purchase: Purchase, served: Mapping[str, Any], share: Mapping[str, Any]) -> dict[str, Any]:
    """The gateway's route document; signer and cap are filled in again at every push, since they may change."""
    return {
        "subscriptionId": purchase.subscription_id,
        "planId": purchase.plan_id,
        "buyer": purchase.buyer,
        "signer": purchase.signer,
        "cap": purchase.cap,
        "msi": share["msi"],
        "terms": served["terms"],
        "service": share["service"],
        "grant": dict(share["grant"]),
        "operations": served["operations"],
        "sockets": dict(share["sockets"]),
        "objects": served["objects"],
        "status": "running",
    }


def outcome_of(share: Mapping[str, Any]) -> dict[str, Any]:
    """What is told of a share: the instance, the models chosen and why."""
    told = {name: share[name] for name in ("msi", "reused", "decision")}
    return {**told, "models": models_told(share)}


def models_told(share: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Of each model of a share what buyers and operators are told."""
    told = ("role", "model", "instance", "isolation", "verdict", "node")
    return [{name: model[name] for name in told} for model in share["models"]]


def operations_of(spec: Mapping[str, Any], terms: Mapping[str, Any]) -> dict[str, Any]:
    """A service's own operations; of a single model, every call that its terms meter, straight to the model."""
    if "operations" in spec:
        return dict(spec["operations"])
    plain = {"cache": None, "link": None, "immersion": False, "provenance": False}
    return {
        meter["name"]: {"meter": index, "model": SINGLE_ROLE, "call": meter["name"], **plain}
        for index, meter in enumerate(terms["meters"])
        if meter["name"] in spec["calls"]
    }


def endpoint_of(gateway_url: str, subscription_id: str) -> dict[str, Any]:
    """Where the service is used: its URL, the endpoint document and the hash that the session key activates."""
    url = f"{gateway_url.rstrip('/')}/use/{subscription_id}"
    document = {"schema": ENDPOINT_SCHEMA, "subscriptionId": subscription_id, "url": url}
    return {"endpoint": url, "endpointDocument": document, "endpointHash": "0x" + document_hash_of(document)}
