"""What every route of /api/v1 answers, once for both sides: the server's response models and the client's types.

Ids, money and units are decimal strings, hashes and addresses 0x-hex, times UTC seconds unless the name says `Ms`. The
examples stand in the OpenAPI document. Values only; nothing here decides.
"""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, NotRequired, TypeVar

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

T = TypeVar("T")

ModelIdText = Annotated[str, Field(description="Decimal model id, below 2^32.", examples=["29"])]
PlanIdText = Annotated[str, Field(description="Model id × 2^32 + version, decimal.", examples=["124554051585"])]
SubscriptionIdText = Annotated[
    str, Field(description="Plan id × 2^32 + number, decimal.", examples=["534955578137634078721"])
]
MoneyText = Annotated[str, Field(description="Decimal, the token's smallest unit.", examples=["1005000"])]
UnitsText = Annotated[str, Field(description="Decimal billable units.", examples=["100"])]
AddressText = Annotated[str, Field(examples=["0x70997970C51812dc3A010C7d01b50e0d17dc79C8"])]
HashText = Annotated[str, Field(examples=["0x5fe7f977e71dba2ea1a68e21057beebb9be2ac30c6410aa38d4f3fbe41dcffd2"])]
Seconds = Annotated[int, Field(description="UTC seconds.", examples=[1764216000])]
Millis = Annotated[int, Field(description="UTC milliseconds.", examples=[1764216000250])]
Document = Annotated[dict[str, Any], Field(examples=[{"schema": "s4m/terms/1"}])]
TypedDataDocument = Annotated[
    dict[str, Any], Field(description="EIP-712 typed data.", examples=[{"primaryType": "Order", "message": {}}])
]

OPEN = ConfigDict(extra="allow")
"""Of answers that another program words: what it adds passes through."""


class Page(TypedDict, Generic[T]):
    """One page of a list. `next` is the path of the page after it, null on the last."""

    items: list[T]
    next: Annotated[str | None, Field(examples=["/api/v1/…?limit=50&cursor=WyIyOSJd"])]


class Health(TypedDict):
    """The marketplace is alive and its node answers."""

    status: Literal["ok"]
    chainId: Annotated[str, Field(examples=["31337"])]
    block: Annotated[str, Field(examples=["184"])]


class ShareAnswer(TypedDict):
    """What a component model earns of a composite's income, in basis points."""

    modelId: ModelIdText
    bps: Annotated[int, Field(examples=[3000])]


class PlanAnswer(TypedDict):
    """A plan as its events tell it. `isolation` is null where nobody has put its terms; `qoeFloor` in thousandths."""

    planId: PlanIdText
    modelId: ModelIdText
    version: Annotated[int, Field(examples=[1])]
    unitPrice: Annotated[MoneyText, Field(examples=["50"])]
    periodPrice: Annotated[MoneyText, Field(examples=["1000000"])]
    period: Annotated[int, Field(description="Seconds; 0: no periods.", examples=[86400])]
    releaseWindow: Annotated[int, Field(description="Seconds.", examples=[3600])]
    activationWindow: Annotated[int, Field(description="Seconds.", examples=[300])]
    qoeFloor: Annotated[int, Field(examples=[500])]
    termsHash: HashText
    isolation: Annotated[int | None, Field(examples=[0])]
    shares: list[ShareAnswer]
    retired: Annotated[bool, Field(examples=[False])]
    terms: NotRequired[Annotated[Document | None, Field(description="The terms document, of one plan or one model.")]]


class ModelAnswer(TypedDict):
    """A model and its plans. Name, title, service type and scenario are its spec's, null where nobody has put it."""

    modelId: ModelIdText
    owner: AddressText
    kind: Annotated[Literal["caas", "taas", "composite"], Field(examples=["composite"])]
    specHash: HashText
    uri: Annotated[str, Field(examples=["s4m:documents/9f5ca11d"])]
    meterKey: AddressText
    askBps: Annotated[int, Field(description="10001: lends itself to no composite.", examples=[2000])]
    royaltyBps: Annotated[int, Field(examples=[250])]
    name: Annotated[str | None, Field(examples=["virtual-beach-travel"])]
    title: Annotated[str | None, Field(examples=["Virtual beach travel: explore, create and take home"])]
    serviceType: Annotated[str | None, Field(examples=["ar_vr"])]
    scenario: Annotated[str | None, Field(examples=["virtual_travelling"])]
    plans: list[PlanAnswer]
    spec: NotRequired[Annotated[Document | None, Field(description="The spec document, of one model.")]]


class PermitToSign(TypedDict):
    """The ERC-2612 permit that would cover what the buyer's account lacks."""

    value: MoneyText
    deadline: Annotated[str, Field(examples=["1764216120"])]
    typedData: TypedDataDocument


class QuoteAnswer(TypedDict):
    """A price that holds until `expires`; signer and requirementsHash of the typed data are the buyer's to fill in."""

    quoteId: Annotated[str, Field(examples=["0f1e2d3c4b5a69788796a5b4c3d2e1f0"])]
    planId: PlanIdText
    cap: UnitsText
    periods: Annotated[int, Field(examples=[1])]
    total: MoneyText
    nonce: Annotated[str, Field(examples=["0"])]
    deadline: Annotated[str, Field(examples=["1764216120"])]
    expires: Annotated[str, Field(examples=["1764216120"])]
    typedData: TypedDataDocument
    permit: PermitToSign | None


class OrderAnswer(TypedDict):
    """Where an order stands; its id is its EIP-712 digest."""

    orderId: HashText
    state: Annotated[Literal["relaying", "bought", "failed"], Field(examples=["bought"])]
    txHash: HashText | None
    subscriptionId: SubscriptionIdText | None


class SubscriptionRow(TypedDict):
    """A subscription as its events tell it."""

    subscriptionId: SubscriptionIdText
    planId: PlanIdText
    buyer: AddressText
    signer: AddressText
    cap: UnitsText
    used: UnitsText
    periods: Annotated[int, Field(examples=[1])]
    reserved: MoneyText
    returned: Annotated[MoneyText, Field(examples=["0"])]
    deadline: Seconds
    requirementsHash: HashText
    endpointHash: HashText | None
    since: Seconds
    paidThrough: Seconds
    releasableAt: Seconds | None
    ended: Annotated[Literal["released", "refunded"] | None, Field(examples=[None])]
    txHash: HashText


class ChainSide(TypedDict):
    """What the contract says now, and what only its events tell."""

    status: Annotated[
        Literal["purchased", "active", "releasing", "released", "refundable", "refunded"], Field(examples=["active"])
    ]
    buyer: AddressText
    signer: AddressText
    cap: UnitsText
    used: UnitsText
    since: Seconds
    paidThrough: Seconds
    collectedThrough: Seconds
    planId: NotRequired[PlanIdText]
    periods: NotRequired[Annotated[int, Field(examples=[1])]]
    reserved: NotRequired[MoneyText]
    returned: NotRequired[MoneyText]
    deadline: NotRequired[Seconds]
    requirementsHash: NotRequired[HashText]
    endpointHash: NotRequired[HashText | None]
    txHash: NotRequired[HashText]


@with_config(OPEN)
class ServiceSide(TypedDict):
    """What the orchestrator says; `unknown` with `why` where it is silent. Its other fields pass through."""

    state: Annotated[str, Field(examples=["running"])]
    why: NotRequired[str]
    endpoint: NotRequired[Annotated[str | None, Field(examples=["http://127.0.0.1:8703/use/534955578137634078721"])]]
    endpointHash: NotRequired[HashText | None]
    endpointDocument: NotRequired[Document | None]
    refusal: NotRequired[dict[str, Any] | None]
    times: NotRequired[Annotated[dict[str, int], Field(examples=[{"final": 1764216000250, "running": 1764216001420}])]]


class SubscriptionAnswer(TypedDict):
    """Both sides of a subscription."""

    subscriptionId: SubscriptionIdText
    chain: ChainSide
    service: ServiceSide


@with_config(OPEN)
class Accepted(TypedDict):
    """What the orchestrator answered to an activation or an update of the request; its fields pass through."""

    subscriptionId: NotRequired[SubscriptionIdText]


@with_config(OPEN)
class Decisions(TypedDict):
    """Steps I to III as the orchestrator explains them; its fields pass through."""

    subscriptionId: NotRequired[SubscriptionIdText]


@with_config(OPEN)
class Notice(TypedDict):
    """A change that MSMF was told of; docs/reference/notices.md has the kinds."""

    number: Annotated[int, Field(examples=[17])]
    kind: Annotated[str, Field(examples=["share.joined"])]
    subject: Annotated[str, Field(examples=["msi-5d1c0c5e6a77"])]
    subscriptionId: Annotated[str, Field(examples=["534955578137634078721"])]
    at: Annotated[int, Field(examples=[1764216600])]


class Notices(TypedDict):
    """A page of notices, oldest first."""

    notices: list[Notice]


class SettledAnswer(TypedDict):
    """A voucher settled, or time collected."""

    kind: Annotated[Literal["voucher", "time"], Field(examples=["voucher"])]
    units: UnitsText
    amount: MoneyText
    usageRoot: HashText | None
    txHash: HashText
    blockNumber: Annotated[int, Field(examples=[184])]


class UsageAnswer(TypedDict):
    """What was settled for a subscription, oldest first; sums over all of it, `settled` one page."""

    subscriptionId: SubscriptionIdText
    units: UnitsText
    amount: MoneyText
    settled: list[SettledAnswer]
    next: Annotated[str | None, Field(examples=[None])]


class AssetAnswer(TypedDict):
    """A digital asset."""

    assetId: Annotated[str, Field(examples=["7"])]
    owner: AddressText
    creator: AddressText
    subscriptionId: SubscriptionIdText
    contentHash: HashText
    uri: Annotated[str, Field(examples=["s4m:content/5fe7f977"])]
    price: MoneyText | None
    user: AddressText | None
    userExpires: Seconds | None
    burned: Annotated[bool, Field(examples=[False])]


class MintAnswer(TypedDict):
    """A minted asset."""

    assetId: Annotated[str, Field(examples=["7"])]
    txHash: HashText
    contentHash: HashText


class FindingAnswer(TypedDict):
    """One thing that does not add up."""

    code: Annotated[str, Field(examples=["root_differs"])]
    subscriptionId: SubscriptionIdText | None
    detail: Annotated[str, Field(examples=["the log's root is not the settled one."])]


@with_config(OPEN)
class AuditAnswer(TypedDict):
    """An audit's report; `ok` exactly when there are no findings."""

    ok: Annotated[bool, Field(examples=[True])]
    subscriptions_checked: Annotated[int, Field(examples=[1])]
    records_checked: Annotated[int, Field(examples=[240])]
    findings: list[FindingAnswer]
    money: Annotated[
        dict[str, str] | None, Field(examples=[{"token_balance": "1005000", "donated": "0"}])  # nosec B105 (money)
    ]


class ActivityAnswer(TypedDict):
    """One event of the contracts, where it stands in the chain. `at` is its block's time."""

    place: Annotated[str, Field(description="block.log: the id in streams.", examples=["184.3"])]
    name: Annotated[str, Field(examples=["Activated"])]
    contract: Annotated[str, Field(examples=["market"])]
    subscriptionId: SubscriptionIdText | None
    blockNumber: Annotated[int, Field(examples=[184])]
    logIndex: Annotated[int, Field(examples=[3])]
    txHash: HashText
    at: Seconds
    fields: Annotated[dict[str, Any], Field(examples=[{"since": "1764216000"}])]


class ProgressEvent(TypedDict):
    """One step of a subscription, in streams: of the chain, of a management function, or a state of the service."""

    kind: Annotated[Literal["chain", "step", "state", "waiting"], Field(examples=["step"])]
    name: Annotated[str, Field(examples=["stepII"])]
    atMs: Millis
    words: Annotated[str, Field(examples=["Step II: VMOF gave it a place in a Metaverse service instance."])]
    detail: Annotated[dict[str, Any], Field(examples=[{}])]


class WebhookAnswer(TypedDict):
    """A webhook as its owner sees it."""

    webhookId: Annotated[str, Field(examples=["wh_2f1c9a7be04d4c11"])]
    owner: AddressText
    url: Annotated[str, Field(examples=["https://shop.example/hooks"])]
    kinds: Annotated[list[str], Field(examples=[["Subscribed", "Settled"]])]
    subscriptionId: SubscriptionIdText | None
    created: Seconds
    pending: Annotated[int, Field(examples=[0])]
    dead: Annotated[int, Field(examples=[0])]


class SecretAnswer(TypedDict):
    """What the messages of a webhook are signed with, as Standard Webhooks write it."""

    webhookId: Annotated[str, Field(examples=["wh_2f1c9a7be04d4c11"])]
    secret: Annotated[str, Field(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])]


class DeliveryAnswer(TypedDict):
    """One message of a webhook: pending, delivered, or dead after the last try."""

    messageId: Annotated[str, Field(examples=["msg_5fe7f977e71dba2ea1a68e21"])]
    kind: Annotated[str, Field(examples=["Settled"])]
    place: Annotated[str, Field(examples=["184.3"])]
    state: Annotated[Literal["pending", "delivered", "dead"], Field(examples=["delivered"])]
    tries: Annotated[int, Field(examples=[1])]
    nextTry: Seconds | None
    lastStatus: Annotated[int | None, Field(examples=[200])]
    lastError: Annotated[str | None, Field(examples=[None])]


class RequestDocument(TypedDict):
    """What was understood of a request in words: a document to buy with, or a question. `why` tells of each field."""

    text: Annotated[str, Field(examples=["A calm beach for six friends this evening"])]
    service_type: Annotated[str | None, Field(examples=["ar_vr"])]
    scenario: Annotated[str | None, Field(examples=["virtual_travelling"])]
    service: Annotated[str | None, Field(examples=["virtual-beach-travel"])]
    confidence: Annotated[float, Field(description="Probability of `service`.", examples=[0.93])]
    question: Annotated[str | None, Field(description="To ask the buyer, where it is not clear.", examples=[None])]
    document: Annotated[
        Document | None,
        Field(examples=[{"schema": "s4m/request/2", "service": "virtual-beach-travel", "users": 6}]),
    ]
    wishes: Annotated[dict[str, Any], Field(examples=[{"when": "this evening"}])]
    candidates: Annotated[dict[str, float], Field(examples=[{"virtual-beach-travel": 0.93}])]
    why: Annotated[list[dict[str, Any]], Field(examples=[[{"field": "users", "value": 6, "words": "six friends"}]])]
    requirementsHash: Annotated[HashText | None, Field(description="Of the document; null without one.")]
    plans: Annotated[list[PlanIdText], Field(description="Open plans that sell it, the newest first.")]
