"""A provider's signed word about its capacity: verified against the chain, then handed to MMF. And the proof of pay.

Used by the API's supply routes. Only the present owner of the model on the catalogue may offer or withdraw: the EIP-712
signature is recovered and compared with `ownerOf` at one final block. A payment counts once its transaction's own
events show the transfer to the provider.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from fastapi import FastAPI, Header, Path
from pydantic import BaseModel, ConfigDict, Field

from ledger.errors import SignatureMalformed
from ledger.supply import SupplyOffer, SupplyWithdrawal, hash_of
from ledger.typed_data import Domain, digest, recover
from ledger.values import ModelId, Money, from_hex
from orchestrator.described import OF_PEERS, MalformedRequest
from orchestrator.errors import OrchestratorError, PeerRefused, PeerUnavailable
from orchestrator.requirements import FunctionCall
from trust.openapi import problems

Whole = Annotated[str, Field(pattern=r"^[0-9]{1,19}$")]
Amount = Annotated[int, Field(ge=0, lt=1 << 53)]
ResourceName = Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")]
Signature = Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{130}$")]
ModelNumber = Annotated[str, Field(pattern=r"^[0-9]{1,9}$")]


class NotTheOwner(OrchestratorError):
    """The signature is not that of the model's present owner, for this chain and exactly this content."""

    code = "not_the_owner"
    status = 403
    title = "Not signed by the model's owner"


class SupplyRefused(OrchestratorError):
    """MMF refused; the problem document is its own."""

    code = "supply_refused"
    status = 409
    title = "MMF refused"


class NotPaid(OrchestratorError):
    """The named transaction does not pay this payment."""

    code = "not_paid"
    status = 409
    title = "The transaction is not this payment's"


OF_SUPPLY = (NotTheOwner, SupplyRefused, PeerUnavailable)


class SignedOffer(BaseModel):
    """A SupplyOffer with what its hashes stand for, and the owner's signature."""

    model_config = ConfigDict(extra="forbid")

    modelId: ModelNumber
    site: str = Field(pattern=r"^\w[\w .()-]{0,62}$")
    amounts: dict[ResourceName, Amount]
    prices: dict[ResourceName, Amount]
    """the token's smallest units for one unit of a resource and one hour"""
    payCap: Annotated[str, Field(pattern=r"^[0-9]{1,30}$")]
    until: int = Field(ge=0, lt=1 << 53)
    nonce: Whole
    signature: Signature


class SignedWithdrawal(BaseModel):
    """A SupplyWithdrawal with the owner's signature."""

    model_config = ConfigDict(extra="forbid")

    modelId: ModelNumber
    offer: str = Field(pattern=r"^[0-9a-f]{64}$")
    nonce: Whole
    signature: Signature


class PaidBy(BaseModel):
    """The transaction that made a payment."""

    model_config = ConfigDict(extra="forbid")

    txHash: str = Field(pattern=r"^0x[0-9a-f]{64}$")


@dataclass(frozen=True)
class ModelFacts:
    """A model as one final block has it."""

    owner: str
    spec_hash: bytes


class SupplyChain(Protocol):
    """The catalogue and the token, as the desk sees them."""

    @property
    def supply_domain(self) -> Domain: ...

    def model_facts(self, model_id: int) -> ModelFacts | None:
        """Owner and spec at one final block; None where there is no such model."""

    def paid_in(self, tx_hash: str) -> Mapping[str, int]:
        """Payee → money that a final transaction moved to it, by the token's own events; empty where it is none."""


KeyHeader = Annotated[str, Header(alias="Idempotency-Key", min_length=1, max_length=150)]


class SupplyDesk:
    """Verifies, then asks MMF."""

    def __init__(self, chain: SupplyChain, mmf: FunctionCall) -> None:
        self._chain = chain
        self._mmf = mmf

    def offer(self, body: SignedOffer, key: str) -> Any:
        """Take an offer; its id is the digest that was signed."""
        message = SupplyOffer(
            ModelId(int(body.modelId)),
            body.site,
            hash_of(body.amounts),
            hash_of(body.prices),
            Money(int(body.payCap)),
            body.until,
            int(body.nonce),
        )
        facts = self._verified(message, body.modelId, body.signature)
        request = {
            "offer": digest(self._chain.supply_domain, message).hex(),
            "modelId": body.modelId,
            "specHash": facts.spec_hash.hex(),
            "owner": facts.owner,
            "site": body.site,
            "amounts": body.amounts,
            "prices": {name: str(price) for name, price in body.prices.items()},
            "payCap": body.payCap,
            "until": body.until,
            "nonce": body.nonce,
        }
        return self._ask("/supplies", request, f"supply:{key}")

    def withdraw(self, body: SignedWithdrawal, key: str) -> Any:
        """End an offer: what stands on it is moved, or MMF's refusal says what stands and what it would take."""
        message = SupplyWithdrawal(ModelId(int(body.modelId)), from_hex(body.offer), int(body.nonce))
        facts = self._verified(message, body.modelId, body.signature)
        request = {"modelId": body.modelId, "owner": facts.owner, "nonce": body.nonce}
        return self._ask(f"/supplies/{body.offer}/withdrawal", request, f"supply:{key}")

    def shown(self) -> Any:
        """All offers with their statements, and all payments."""
        return self._mmf.get("/supplies")

    def begin_payments(self, key: str) -> Any:
        """What is to be paid now."""
        return self._ask("/payments", {}, f"supply:{key}")

    def confirm(self, payment_id: str, tx_hash: str) -> Any:
        """Record a payment's transaction, once the chain shows that it pays exactly this to exactly its payee."""
        payments = {one["payment"]: one for one in self.shown()["payments"]}
        payment = payments.get(payment_id)
        if payment is None:
            raise NotPaid(f"No payment {payment_id} was begun. `s4m supply pay` begins and pays what is due.")
        moved = self._chain.paid_in(tx_hash).get(payment["payee"], 0)
        if moved != int(payment["amount"]):
            raise NotPaid(
                f"{tx_hash} moved {moved} to {payment['payee']}, {payment_id} is of {payment['amount']}. "
                "Name the final transaction that paid it."
            )
        return self._ask(f"/payments/{payment_id}", {"txHash": tx_hash}, "")

    def _verified(self, message: SupplyOffer | SupplyWithdrawal, model_id: str, signature: str) -> ModelFacts:
        facts = self._chain.model_facts(int(model_id))
        if facts is None:
            raise NotTheOwner(f"The catalogue's final block has no model {model_id}. Wait until it is final, or check.")
        try:
            signer = recover(self._chain.supply_domain, message, from_hex(signature))
        except SignatureMalformed as cause:
            raise NotTheOwner(f"The signature cannot be read: {cause}. Sign anew.") from cause
        if signer.lower() != facts.owner.lower():
            raise NotTheOwner(
                f"Model {model_id} belongs to {facts.owner}; this content on this chain was signed by {signer}. "
                "Sign exactly what is sent, with the owner's key, for this chain.",
                owner=facts.owner,
            )
        return facts

    def _ask(self, path: str, body: Any, key: str) -> Any:
        try:
            return self._mmf.post(path, body, key)
        except PeerRefused as refusal:
            reason = dict(refusal.reason)
            raise SupplyRefused(str(reason.pop("detail", refusal)), **reason) from refusal


def add_supply_routes(app: FastAPI, desk: SupplyDesk) -> None:
    """The supply routes of the orchestrator's API. A signature alone lets somebody offer; the gate lets nobody else."""

    @app.post("/supply/offers", responses=problems(MalformedRequest, *OF_SUPPLY))
    def offer(body: SignedOffer, key: KeyHeader) -> Any:
        return desk.offer(body, key)

    @app.post("/supply/withdrawals", responses=problems(MalformedRequest, *OF_SUPPLY))
    def withdraw(body: SignedWithdrawal, key: KeyHeader) -> Any:
        return desk.withdraw(body, key)

    @app.get("/supply", responses=problems(*OF_PEERS))
    def shown() -> Any:
        return desk.shown()

    @app.post("/supply/payments", responses=problems(MalformedRequest, *OF_PEERS))
    def begin_payments(key: KeyHeader) -> Any:
        return desk.begin_payments(key)

    @app.post("/supply/payments/{paymentId}", responses=problems(MalformedRequest, NotPaid, *OF_PEERS))
    def confirm(payment_id: Annotated[str, Path(alias="paymentId", max_length=100)], paid: PaidBy) -> Any:
        return desk.confirm(payment_id, paid.txHash)
