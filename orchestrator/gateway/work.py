"""The work of one use: uplink → cache or model → downlink → what the delivered picture is worth. Records nothing.

Called by `use.py`. A model that fails raises; whatever was made until then is dropped.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

from ledger.metering import Terms
from orchestrator.gateway.frames import attended, frame_params, measured, tile_resolutions
from orchestrator.gateway.link import Links, Path
from orchestrator.gateway.measures import MeasureBoard
from orchestrator.gateway.models import ModelAnswer, ModelClients, ModelMisses, Tenant
from orchestrator.gateway.shapes import Operation, Route, UseRequest


@dataclass(frozen=True)
class Made:
    """An operation's result before it is recorded."""

    body: bytes
    content_type: str
    quantity: int
    immersion: int
    info: dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """One request, checked against its route. `raw` is its body as the client sent it."""

    route: Route
    terms: Terms
    operation: Operation
    request: UseRequest
    raw: bytes

    @cached_property
    def request_hash(self) -> bytes:
        """SHA-256 of the request body's bytes."""
        return sha256(self.raw).digest()

    @cached_property
    def attention(self) -> dict[int, float]:
        """The buyer's attention by object kind."""
        return {item.object: item.attention for item in self.route.objects}

    @cached_property
    def planned(self) -> tuple[dict[str, Any], int]:
        """What the model is asked, and the most quantity that it may count."""
        if not self.operation.immersion:
            return dict(self.request.params), 1
        return frame_params(self.request.params, self.attention, self.route.grant)

    @property
    def in_view(self) -> dict[int, float]:
        """The buyer's attention by object, of the objects that a frame was asked to show."""
        return attended(self.request.params, self.attention)

    @property
    def floor(self) -> float:
        """Meta-Immersion that the plan's terms promise."""
        return self.terms.floor_milli / 1000

    @property
    def most_units(self) -> int:
        """The most that this use may cost: its largest quantity at the full rate."""
        return self.planned[1] * self.terms.meters[self.operation.meter].units_per_1000 // 1000

    @property
    def tenant(self) -> Tenant:
        return Tenant(self.route.subscriptionId, self.route.grant)

    def socket(self, role: str) -> str:
        return self.route.sockets[role]


class Workshop:
    """Makes what was asked, through the models of its route."""

    def __init__(self, models: ModelClients, links: Links, measures: MeasureBoard) -> None:
        self._models = models
        self._links = links
        self._measures = measures

    async def make(self, asked: Asked) -> Made:
        """The operation's result, delivered over its link. `ModelUnavailable` or `ModelRefused` where it fails."""
        with self._models.performance.services.timed(asked.tenant.subscription):
            return await self._make(asked)

    async def _make(self, asked: Asked) -> Made:
        operation = asked.operation
        if operation.link is None:
            answer = await self._answer(asked)
            return Made(answer.body, answer.content_type, answer.quantity, 0, answer.info)
        path = Path(asked.socket(operation.link), asked.tenant)
        bep = await self._links.uplink(path, asked.raw, asked.request.radio)
        answer = await self._answer(asked)
        body, rate = await self._links.downlink(path, answer.body)
        info = {**answer.info, "rate_bps": rate, "bep": bep}
        if not operation.immersion:
            return Made(body, answer.content_type, answer.quantity, 0, info)
        weights = {item: asked.attention.get(item, 1.0) for item in tile_resolutions(answer.info)}
        info |= {"attention": weights}
        immersion = measured(info).immersion_milli
        info |= {"immersion": immersion}
        self._measures.note(asked.tenant.subscription, asked.floor, asked.in_view, info, len(body))
        return Made(body, answer.content_type, answer.quantity, immersion, info)

    async def _answer(self, asked: Asked) -> ModelAnswer:
        """From the cache where the operation has one and it hits, else from the model (and into the cache)."""
        operation, (params, _) = asked.operation, asked.planned
        if operation.cache is None:
            return await self._models.ask(asked.socket(operation.model), operation.call, asked.tenant, params)
        key = {"key": sha256(json.dumps([operation.call, params], sort_keys=True).encode()).hexdigest()}
        try:
            found = await self._models.ask(asked.socket(operation.cache), "get", asked.tenant, key)
            return _unpacked(found.body)
        except ModelMisses:
            answer = await self._models.ask(asked.socket(operation.model), operation.call, asked.tenant, params)
            await self._models.carry(asked.socket(operation.cache), "put", asked.tenant, _packed(answer), key)
            return answer


def _packed(answer: ModelAnswer) -> bytes:
    """An answer with its metering facts, as it lies in the cache: SHA-256 ‖ head's size ‖ head ‖ body."""
    head = json.dumps({"type": answer.content_type, "quantity": answer.quantity, "info": answer.info}).encode()
    content = len(head).to_bytes(4) + head + answer.body
    return sha256(content).digest() + content


def _unpacked(packed: bytes) -> ModelAnswer:
    """`ModelMisses` for an entry that was cut off (a gateway killed while it put it)."""
    content = packed[32:]
    if sha256(content).digest() != packed[:32]:
        raise ModelMisses("The cached entry is damaged; it is made and put anew.")
    end = 4 + int.from_bytes(content[:4])
    head = json.loads(content[4:end])
    return ModelAnswer(content[end:], head["type"], head["quantity"], {**head["info"], "cache": "hit"})
