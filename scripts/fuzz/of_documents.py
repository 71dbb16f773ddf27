"""Documents and words: requests, manifests, terms, disclosures, sentences. Unsigned; their hash or meaning counts."""

import json
from hashlib import sha256
from typing import Any

from ledger.claims import Disclosure
from ledger.metering import Terms, TermsInvalid
from ledger.values import to_hex
from marketplace import documents
from marketplace.errors import MarketplaceError
from orchestrator.errors import OrchestratorError
from orchestrator.intent.errors import TextTooLong
from orchestrator.intent.understanding import Understanding, understand
from orchestrator.models.errors import BadManifest
from orchestrator.models.manifests import Manifest, parse_manifest, services
from orchestrator.models.manifests import manifests as installed
from orchestrator.msmf.translation import check_request, translate
from orchestrator.requirements import ServiceRequirements, TranslationRequest
from scripts.fuzz.mutate import anyhow, as_json, either
from scripts.fuzz.parsers import Parser

BEACH = "virtual-beach-travel"
MOST_BYTES = 65_536
REQUESTS: tuple[dict[str, Any], ...] = (
    {"schema": "s4m/request/1", "service": BEACH, "users": 1, "isolation": 0, "qoe": {"rate_mbps": 250}},
    {
        "schema": "s4m/request/2", "service": BEACH, "scenario": "virtual_travelling", "users": 3,
        "qoe": {"latency_ms": 20.5, "reliability": 0.99}, "objects": [{"object": 7, "attention": 4}],
    },
)  # fmt: skip
DISCLOSURE = {
    "schema": "s4m/disclosure/1", "issuer": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8", "claim": "age-over-18",
    "value": "yes", "salt": "0x" + "ab" * 32,
}  # fmt: skip
SENTENCES = (
    b"Walk over a virtual beach with three friends, at least 20 frames a second",
    b"a digital twin of my two turbines, updated ten times a second, 99.9 % reliable",
)


def parsers() -> tuple[Parser, ...]:
    requests = tuple(documents.canonical(each) for each in REQUESTS)
    wholes = tuple(json.dumps(dict(each.document)).encode() for each in list(installed().values())[:6])
    terms = tuple(json.dumps(dict(each.terms)).encode() for each in list(services().values())[:4])
    mixed = either(anyhow, as_json)
    return (
        Parser(
            "request document", 50_000, requests, read_request, (MarketplaceError, OrchestratorError), is_same, mixed
        ),
        Parser(
            "manifest", 30_000, wholes, read_manifest, (BadManifest, json.JSONDecodeError, ValueError), is_whole, mixed
        ),
        Parser("terms", 15_000, terms, read_terms, (TermsInvalid, ValueError), is_sound, mixed),
        Parser(
            "disclosure", 5_000, (json.dumps(DISCLOSURE).encode(),), read_disclosure, (ValueError,), shows_same, mixed
        ),
        Parser("request in words", 1_000, SENTENCES, read_words, (TextTooLong,), is_valid),
    )


def read_request(given: bytes) -> ServiceRequirements | str:
    """As it is put and then translated; what is no request is only put."""
    name = documents.check(sha256(given).hexdigest(), given, MOST_BYTES)
    if name not in documents.REQUEST_SCHEMAS:
        return name
    asked = {"subscriptionId": "5", "planId": "1", "document": json.loads(given), "spec": services()[BEACH].document}
    return translate(TranslationRequest.model_validate(asked))


def is_same(given: bytes, _meaning: object) -> bool:
    """Its hash is what was ordered: one document has one text."""
    return documents.canonical(json.loads(given)) == given


def read_manifest(given: bytes) -> Manifest:
    document = json.loads(given)
    if not isinstance(document, dict):
        raise BadManifest("It is no object.")
    return parse_manifest(document)


def is_whole(_given: bytes, manifest: Manifest) -> bool:
    amounts = (*manifest.supplies.values(), *manifest.consumes.values(), *manifest.per_share.values())
    return all(isinstance(amount, int) and amount >= 0 for amount in amounts)


def read_terms(given: bytes) -> Terms:
    return Terms.parse(json.loads(given))


def is_sound(_given: bytes, terms: Terms) -> bool:
    return bool(terms.meters) and all(meter.units_per_1000 >= 0 for meter in terms.meters)


def read_disclosure(given: bytes) -> Disclosure:
    return Disclosure.parse(json.loads(given))


def shows_same(given: bytes, disclosure: Disclosure) -> bool:
    told = json.loads(given)
    return {**disclosure.to_json(), "issuer": ""} == {**told, "issuer": ""} and to_hex(disclosure.salt) == told["salt"]


def read_words(given: bytes) -> Understanding:
    return understand(given.decode("utf-8", "replace"))


def is_valid(_given: bytes, understood: Understanding) -> bool:
    """Whatever somebody says: a document that MSMF takes, or a question."""
    if understood.document is None:
        return understood.question is not None
    check_request(understood.document)
    return True
