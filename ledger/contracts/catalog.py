"""ModelCatalog: MaaS models and their immutable plans.

Called by providers (register, publish) and by everyone who reads what is for sale.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from ledger.contracts.token import TokenContract
from ledger.structs import Model, Plan, PlanTerms, Share
from ledger.values import Address, BlockStamp, Call, Kind


class CatalogContract(TokenContract):
    WORD: ClassVar[str] = "catalog"

    def register(self, kind: Kind, spec_hash: bytes, uri: str, meter_key: Address, royalty_bps: int) -> Call:
        """Registers a model to the sender; `spec_hash` is the SHA-256 of the document at `uri`."""
        return self.build("register", kind, spec_hash, uri, meter_key, royalty_bps)

    def set_meter_key(self, model_id: int, meter_key: Address) -> Call:
        return self.build("setMeterKey", model_id, meter_key)

    def set_ask(self, model_id: int, bps: int) -> Call:
        """The least share in composites, basis points; 10,001 or more: never."""
        return self.build("setAsk", model_id, bps)

    def publish_plan(self, model_id: int, terms: PlanTerms, shares: Sequence[Share] = ()) -> Call:
        return self.build("publishPlan", model_id, terms, list(shares))

    def retire_plan(self, plan_id: int) -> Call:
        return self.build("retirePlan", plan_id)

    def model_count(self, block: BlockStamp | None = None) -> int:
        """The number of models; ids run from 1."""
        count: int = self.read("modelCount", block=block)
        return count

    def model(self, model_id: int, block: BlockStamp | None = None) -> Model:
        kind, *rest = self.read("model", model_id, block=block)
        return Model(Kind(kind), *rest)

    def plan(self, plan_id: int, block: BlockStamp | None = None) -> Plan:
        terms, retired = self.read_all("plan", plan_id, block=block)
        return Plan(PlanTerms(*terms), retired)

    def shares(self, plan_id: int, block: BlockStamp | None = None) -> tuple[Share, ...]:
        return tuple(Share(*share) for share in self.read("shares", plan_id, block=block))

    def meter_key_of(self, model_id: int, block: BlockStamp | None = None) -> Address:
        key: Address = self.read("meterKeyOf", model_id, block=block)
        return key
