"""What goes over the gateway's wire: route documents from the orchestrator, requests from buyers' clients."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from ledger.claims import Disclosure
from ledger.metering import Terms
from orchestrator.gateway.errors import MalformedUse

Decimal = Annotated[str, StringConstraints(pattern=r"^(0|[1-9][0-9]{0,77})$")]
Seconds = Annotated[int, Field(gt=0, lt=2**40)]
"""UTC; far above every time, far below what a signed word of 64 bits holds."""
Hex32 = Annotated[str, StringConstraints(pattern=r"^0x[0-9a-fA-F]{64}$")]
Hex65 = Annotated[str, StringConstraints(pattern=r"^0x[0-9a-fA-F]{130}$")]
HexAddress = Annotated[str, StringConstraints(pattern=r"^0x[0-9a-fA-F]{40}$")]


def _of_96_bits(text: str) -> str:
    if int(text) >= 2**96:
        raise ValueError("a subscription's id has at most 96 bits")
    return text


SubscriptionText = Annotated[
    str, StringConstraints(pattern=r"^(0|[1-9][0-9]{0,28})$", max_length=29), AfterValidator(_of_96_bits)
]


class Shape(BaseModel):
    """Strict and frozen: unknown fields, infinities and what is no number are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Operation(Shape):
    """One thing a buyer may ask of the service, and which models it passes through."""

    meter: int = Field(ge=0)
    model: str
    call: str
    cache: str | None = None
    link: str | None = None
    immersion: bool = False
    provenance: bool = False


class Attention(Shape):
    """How much the buyer attends to one object kind (0..5)."""

    object: int = Field(ge=0)
    attention: float = Field(ge=0, le=5)


class Route(BaseModel):
    """A running service of one subscription, as the orchestrator puts it. Fields that are not ours pass through."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)

    subscriptionId: SubscriptionText
    planId: Decimal
    buyer: HexAddress
    signer: HexAddress
    cap: Decimal
    msi: str = ""
    terms: dict[str, Any]
    service: str = ""
    grant: dict[str, int] = Field(default_factory=dict)
    operations: dict[str, Operation]
    sockets: dict[str, str]
    objects: tuple[Attention, ...] = ()
    status: str = "running"

    @property
    def subscription(self) -> int:
        return int(self.subscriptionId)

    def servable_terms(self) -> Terms:
        """The metering rules. `TermsInvalid` for a malformed document, `MalformedUse` where an operation names a model
        without a socket or a meter that the terms lack."""
        terms = Terms.parse(self.terms)
        for name, operation in self.operations.items():
            lacking = {operation.model, operation.cache, operation.link} - {None, *self.sockets}
            if lacking or operation.meter >= len(terms.meters):
                what = f"no socket for {', '.join(map(str, lacking))}" if lacking else f"no meter {operation.meter}"
                raise MalformedUse(f"The route's operation {name!r} cannot be served: it has {what}.")
        return terms


class Routes(Shape):
    """PUT /routes: the routes of several subscriptions at once."""

    routes: tuple[Route, ...] = Field(max_length=100)


class Radio(Shape):
    """Radio conditions that the traveller's device reports (as CQI reports do); the link never exceeds its grant."""

    rate_mbps: float | None = Field(default=None, gt=0)
    snr_db: float | None = Field(default=None, ge=-50, le=100)
    trace: tuple[tuple[float, float], ...] | None = Field(default=None, max_length=3600)


class UseRequest(Shape):
    """POST /use/{subscriptionId}."""

    requestId: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]
    operation: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    params: dict[str, Any] = Field(default_factory=dict)
    radio: Radio | None = None


class SessionRequest(Shape):
    """POST /sessions: the session key's EIP-712 SessionBinding over the proof key's thumbprint."""

    subscriptionId: SubscriptionText
    jkt: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$")]
    expires: Seconds
    signature: Hex65
    disclosures: tuple[dict[str, Any], ...] = Field(default=(), max_length=8)

    def disclosed(self) -> tuple[Disclosure, ...]:
        """The claims shown (ledger.claims); MalformedUse."""
        try:
            return tuple(Disclosure.parse(each) for each in self.disclosures)
        except ValueError as error:
            raise MalformedUse(f"A disclosure is malformed: {error}.") from error


class PassRequest(Shape):
    """POST /pass-sessions: a chain of passes (trust.passes), used by the holder of its last."""

    document: dict[str, Any]


class RevocationPost(Shape):
    """POST /passes/{subscriptionId}/revocations: an EIP-712 PassRevocation, signed by the buyer or the session key."""

    passId: Hex32
    signature: Hex65


class VoucherPost(Shape):
    """POST /vouchers/{subscriptionId}: the proposed voucher, signed by the session key."""

    units: Decimal
    usageRoot: Hex32
    size: int = Field(gt=0)
    signature: Hex65


class ErasurePost(Shape):
    """POST /usage/{subscriptionId}/erasure: an EIP-712 ErasureDemand, signed by the buyer or the session key."""

    subscriptionId: SubscriptionText
    expires: Seconds
    signature: Hex65


class AuditGrantHeader(Shape):
    """The S4M-Audit-Grant header (base64url JSON): the buyer lets `grantee` read the log until `expires`."""

    subscriptionId: SubscriptionText
    grantee: HexAddress
    expires: Seconds
    signature: Hex65
