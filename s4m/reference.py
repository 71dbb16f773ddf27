"""Registers the reference catalogue: all installed models by two providers, all composite services by a third.

Called by the supervisor and by `s4m catalog publish`. Safe to repeat: what the chain already has stays as it is. Every
transaction carries an idempotency key; providers work side by side, and of each some models at a time: most of a
transaction is waiting for its receipt.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ledger.contracts import Contracts
from ledger.events import ModelRegistered, PlanPublished
from ledger.keys import WalletKey
from ledger.rehearsal import Sends
from ledger.sender import Receipt, Sender
from ledger.structs import Model, PlanTerms, Share
from ledger.values import Address, Call, Kind, ModelId, Money, PlanId, plan_id, to_hex
from orchestrator.models.errors import BadManifest
from orchestrator.models.manifests import (
    Document,
    Manifest,
    Plan,
    ServiceSpec,
    canonical,
    manifests,
    parse_manifest,
    parse_service,
    services,
)
from orchestrator.models.pricing import degree_plans
from s4m.errors import BadInput

KINDS = {"CaaS": Kind.CAAS, "TaaS": Kind.TAAS, "Composite": Kind.COMPOSITE}
PROVIDERS = {"CaaS": "provider-resources", "TaaS": "provider-technology", "Composite": "provider-worlds"}
"""Who owns what in the reference catalogue: one provider of resources, one of technology, one of whole services."""
ROYALTY_BPS = 250
AT_ONCE = 4
"""Models of one provider that are published side by side; its sender keeps their nonces in order."""

Spec = Manifest | ServiceSpec


@dataclass(frozen=True)
class Listing:
    """A registered model and its plans: `plans` has one for each degree of isolation, `plan_id` is the least one's."""

    name: str
    model_id: ModelId
    plan_id: PlanId
    owner: Address
    plans: Mapping[int, PlanId]


@dataclass(frozen=True)
class Publisher:
    """Registers models for one owner; its sender (or a rehearsal) keeps their transactions in order."""

    contracts: Contracts
    sender: Sends
    meter_key: Address

    def model(self, spec: Spec, known: Mapping[bytes, ModelId]) -> ModelId:
        """The id of the model with this spec hash; registers it where the owner has none."""
        if spec.spec_hash in known:
            return known[spec.spec_hash]
        uri = f"s4m:documents/{spec.spec_hash.hex()}"
        call = self.contracts.catalog.register(KINDS[spec.kind], spec.spec_hash, uri, self.meter_key, ROYALTY_BPS)
        receipt = self._send(call, f"register:{to_hex(spec.spec_hash)}")
        return self.contracts.event_in(receipt, ModelRegistered).model_id

    def ask(self, model_id: ModelId, bps: int, before: Model | None) -> None:
        """The least share in others' composites; `before` is the model as it was found, None where it is new."""
        if before is None or before.ask_bps != bps:
            self._send(self.contracts.catalog.set_ask(model_id, bps), f"ask:{model_id}:{bps}")

    def plans(
        self, model_id: ModelId, spec: Spec, shares: tuple[Share, ...], before: Model | None
    ) -> dict[int, PlanId]:
        """Degree → its plan. An open version with the very terms stays; else one is published. The versions of one
        model go out one behind the other, so that they are numbered in the order of their degrees."""
        versions = before.versions if before else 0
        known: dict[PlanTerms, PlanId] = {}
        for version in range(1, versions + 1):
            found = self.contracts.catalog.plan(plan_id(model_id, version))
            if not found.retired:
                known[found.terms] = plan_id(model_id, version)
        plans: dict[int, PlanId] = {}
        for one in degree_plans(spec):
            terms = terms_of(one.plan, one.terms_hash)
            if terms not in known:
                versions += 1
                call = self.contracts.catalog.publish_plan(model_id, terms, shares)
                receipt = self._send(call, f"plan:{model_id}:{versions}")
                known[terms] = self.contracts.event_in(receipt, PlanPublished).plan_id
            plans[one.degree] = known[terms]
        return plans

    def publish(self, spec: Spec, known: Mapping[bytes, ModelId], model_ids: Mapping[str, ModelId]) -> Listing:
        """Model, ask and plans of one manifest or service."""
        model_id = self.model(spec, known)
        before = self.contracts.catalog.model(model_id) if spec.spec_hash in known else None
        shares: tuple[Share, ...] = ()
        if isinstance(spec, Manifest):
            self.ask(model_id, spec.ask_bps, before)
        else:
            shares = tuple(Share(model_ids[name], bps) for name, bps in spec.shares.items())
        found = self.plans(model_id, spec, shares, before)
        return Listing(spec.name, model_id, found[min(found)], self.sender.address, found)

    def _send(self, call: Call, key: str) -> Receipt:
        place = f"{self.contracts.deployment.genesis_hash}:{self.contracts.catalog.address}"
        return self.sender.send(call, key=f"{key}:{place}")


def terms_of(plan: Plan, terms_hash: bytes) -> PlanTerms:
    return PlanTerms(
        Money(plan.unit_price), Money(plan.period_price), plan.period, plan.release_window, plan.activation_window,
        plan.qoe_floor, terms_hash,
    )  # fmt: skip


def register(contracts: Contracts, keys: Callable[[str], WalletKey], meter_key: Address, home: Path) -> list[Listing]:
    """The whole reference catalogue; single models first, because composites name them."""
    known = registered(contracts)
    with ThreadPoolExecutor(len(PROVIDERS)) as pool:
        kinds = [[spec for spec in manifests().values() if spec.kind == kind] for kind in ("CaaS", "TaaS")]
        work = [pool.submit(_publish, contracts, keys, meter_key, home, specs, known, {}) for specs in kinds]
        models = [listing for done in work for listing in done.result()]
    ids = {listing.name: listing.model_id for listing in models}
    composites = list(services().values())
    return models + _publish(contracts, keys, meter_key, home, composites, known, ids)


def _publish(
    contracts: Contracts,
    keys: Callable[[str], WalletKey],
    meter_key: Address,
    home: Path,
    specs: Iterable[Spec],
    known: Mapping[bytes, ModelId],
    model_ids: Mapping[str, ModelId],
) -> list[Listing]:
    chosen = list(specs)
    provider = PROVIDERS[chosen[0].kind]
    with Sender(contracts.chain, keys(provider), home / "db" / f"{provider}-sends.db") as sender:
        publisher = Publisher(contracts, sender, meter_key)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(lambda spec: publisher.publish(spec, known, model_ids), chosen))


def registered(contracts: Contracts) -> dict[bytes, ModelId]:
    """Models by spec hash, the first to register it."""
    count = contracts.catalog.model_count()
    found: dict[bytes, ModelId] = {}
    for number in range(1, count + 1):
        found.setdefault(contracts.catalog.model(number).spec_hash, ModelId(number))
    return found


def registered_names(known: Mapping[bytes, ModelId]) -> dict[str, ModelId]:
    """Installed models by name, as far as they are registered: what a composite's shares may name."""
    return {spec.name: known[spec.spec_hash] for spec in manifests().values() if spec.spec_hash in known}


def read_spec(path: Path) -> Spec:
    """A manifest or service from a file; raises `BadInput`."""
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} is no JSON document: {error}.", "Give an s4m/model/1 or s4m/service/1 file.") from error
    if not isinstance(document, dict):
        raise BadInput(f"{path} is no JSON object.", "Give an s4m/model/1 or s4m/service/1 file.")
    try:
        return parse_service(document) if document.get("schema") == "s4m/service/1" else parse_manifest(document)
    except BadManifest as error:
        raise BadInput(f"{path}: {error}.", "Give an s4m/model/1 or s4m/service/1 file.") from error


def documents() -> list[tuple[str, bytes]]:
    """(hash, canonical bytes) of every spec and terms document of the reference catalogue."""
    specs: list[Spec] = [*manifests().values(), *services().values()]
    found: list[tuple[bytes, Document]] = []
    for spec in specs:
        found += [(spec.spec_hash, spec.document), *((one.terms_hash, one.terms) for one in degree_plans(spec))]
    return [(digest.hex(), canonical(document)) for digest, document in found]
