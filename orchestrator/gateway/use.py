"""One use, from request to answer: entitled → credit and cap → work → bill → commit → voucher; each request id once.

Called by `app.py` for POST /use. A model that fails leaves no trace: nothing is recorded or billed. The record, and
with it the answer where it is small, is committed before the answer's first byte; a repeated request id gets both.
"""

import asyncio
import json
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Final

from ledger.metering import Terms, bill, vested
from ledger.typed_data import Domain, Provenance, asset_uri, sign
from ledger.usage_log import UsageRecord
from ledger.values import SubscriptionId, Units, address, to_hex
from orchestrator.gateway.books import MOST_WAITING, Book, Books
from orchestrator.gateway.claims import ClaimDesk
from orchestrator.gateway.errors import (
    AnswerGone,
    ClaimRequired,
    Erased,
    MalformedUse,
    NoRoute,
    RequestIdReused,
    TooManyUses,
)
from orchestrator.gateway.passes import Delegate, PassDesk
from orchestrator.gateway.shapes import Route, UseRequest
from orchestrator.gateway.store import Kept, UsageStore
from orchestrator.gateway.under_way import UnderWay
from orchestrator.gateway.vouchers import VoucherDesk
from orchestrator.gateway.watch import Right, Watch
from orchestrator.gateway.work import Asked, Made, Workshop

MOST_REPEATS: Final = 3
"""How often an answer that is kept nowhere is made again unbilled: a lost answer is owed, free rendering is not."""


@dataclass(frozen=True)
class Served:
    """The answer of one use."""

    kept: Kept
    body: bytes
    voucher: dict[str, Any]


class Recent:
    """Bodies of recent answers in memory, oldest out first; for repeats of answers too large for the store."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._held = 0
        self._bodies: OrderedDict[tuple[int, str], bytes] = OrderedDict()

    def put(self, key: tuple[int, str], body: bytes) -> None:
        self._held += len(body) - len(self._bodies.pop(key, b""))
        self._bodies[key] = body
        while self._held > self._limit:
            self._held -= len(self._bodies.popitem(last=False)[1])

    def get(self, key: tuple[int, str]) -> bytes | None:
        return self._bodies.get(key)

    def forget(self, subscription: int) -> None:
        """Drop all bodies of a subscription."""
        for key in [key for key in self._bodies if key[0] == subscription]:
            self._held -= len(self._bodies.pop(key))


class UseDesk:
    """Serves uses of all routes. `assets` is the EIP-712 domain of DigitalAssets, for provenance."""

    def __init__(
        self,
        store: UsageStore,
        books: Books,
        watch: Watch,
        workshop: Workshop,
        vouchers: VoucherDesk,
        passes: PassDesk,
        claims: ClaimDesk,
        assets: Domain,
        *,
        row_bytes: int,
        memory_bytes: int,
    ) -> None:
        self._store = store
        self._books = books
        self._watch = watch
        self._workshop = workshop
        self._vouchers = vouchers
        self._passes = passes
        self._claims = claims
        self._assets = assets
        self._row_bytes = row_bytes
        self._recent = Recent(memory_bytes)
        self._routes: dict[int, tuple[Route, Terms]] = {}
        self._under_way = UnderWay()

    def put_route(self, route: Route) -> None:
        """Serve this route from now on. `TermsInvalid` or `MalformedUse` where it cannot be served."""
        self._routes[route.subscription] = (route, route.servable_terms())
        self._under_way.reopen(route.subscription)

    def drain_route(self, subscription: int) -> tuple[int, float]:
        """Take no new calls of it; how many are under way, and for how many seconds none has been taken."""
        return len(self._books.of(subscription).in_flight), self._under_way.drain(subscription)

    def drop_route(self, subscription: int) -> None:
        """Serve it no longer."""
        self._routes.pop(subscription, None)
        self._under_way.reopen(subscription)

    def route(self, subscription: int) -> Route | None:
        """The route as it was put last."""
        found = self._routes.get(subscription)
        return found[0] if found else None

    def serves_by(self, socket: str) -> bool:
        """Whether any route leads over this socket."""
        return any(socket in route.sockets.values() for route, _ in self._routes.values())

    def calls_by(self, socket: str) -> int:
        """How many calls under way may use this socket."""
        return self._under_way.calls(socket)

    async def erase(self, subscription: int) -> int:
        """Forget a subscription's behaviour, here and in the store; of how many records."""
        self._recent.forget(subscription)
        return await asyncio.to_thread(self._store.erase, subscription)

    async def use(self, subscription: int, request: UseRequest, raw: bytes, delegate: Delegate | None = None) -> Served:
        """One use; a repeat of a request id that is at work waits for it, one that is done gets its answer.

        A delegate's request ids are its own: nobody gets another's answer by them.
        """
        self._watch.require(subscription)
        await self.require_claims(subscription, delegate)
        if delegate is not None:
            self._passes.require(delegate, request.operation)
            request = request.model_copy(update={"requestId": f"{delegate.id}/{request.requestId}"})
        book = self._books.of(subscription)
        task = book.in_flight.get(request.requestId)
        if task is None:
            _require_room(book)
            task = asyncio.create_task(self._first_or_again(book, request, raw, delegate))
            book.in_flight[request.requestId] = task
            task.add_done_callback(lambda _: book.in_flight.pop(request.requestId, None))
        served: Served = await asyncio.shield(task)
        _require_same(served.kept, request, raw)
        return served

    async def require_claims(self, subscription: int, delegate: Delegate | None = None) -> None:
        """ClaimRequired unless the user has what the plan requires; a delegate cannot: the claims are the buyer's."""
        _, terms = self._routes.get(subscription, (None, None))
        if terms is None or not terms.requires:
            return
        if delegate is not None:
            raise ClaimRequired("The plan asks for a claim about its user, which a pass cannot carry. Buy your own.")
        await self._claims.require(subscription, self._watch.require(subscription).subscription.buyer, terms)

    async def _first_or_again(self, book: Book, request: UseRequest, raw: bytes, delegate: Delegate | None) -> Served:
        digest = sha256(raw).digest()
        asked = book.subscription, request.requestId, digest
        found = self._store.known_now(*asked)
        if found is None:
            found = await asyncio.to_thread(self._store.known, *asked)
        kept, erased = found
        if kept is None and erased is None:
            self._under_way.require_open(book.subscription)
        async with book.slots:
            if kept is not None:
                return await self._again(book, kept, request, raw)
            if erased is not None:
                raise Erased(
                    f"This request is record {erased} of subscription {book.subscription}: it was served and billed "
                    "once. Its answer was erased since. Ask with a new request id."
                )
            return await self._first(book, self._asked(book.subscription, request, raw), delegate)

    async def _first(self, book: Book, asked: Asked, delegate: Delegate | None) -> Served:
        right = self._watch.require(book.subscription)
        self._vouchers.require_credit(book, asked.terms, right.subscription.signer)
        self._vouchers.require_cap(book, _cap(asked, right), asked.most_units)
        started = _now_ms()
        with _reserved(book, asked.most_units), self._passes.held(delegate, asked.most_units):
            made = await self._make(asked)
            async with book.lock:
                kept = self._billed(book, asked, made, started)
                if delegate is not None:
                    self._passes.require(delegate, asked.request.operation)  # revoked meanwhile: no record, no answer
                    kept = replace(kept, passes=tuple(each.id for each in delegate.lineage), proof=delegate.proof)
                await self._books.append(book, kept)
                self._passes.spend(delegate, kept.gross)
                voucher = self._vouchers.propose(book)
        self._recent.put((book.subscription, asked.request.requestId), made.body)
        return Served(kept, made.body, voucher)

    async def _again(self, book: Book, kept: Kept, request: UseRequest, raw: bytes) -> Served:
        """The first answer once more: kept, remembered, or (a few times) made again unbilled."""
        _require_same(kept, request, raw)
        body = kept.body if kept.body is not None else self._recent.get((book.subscription, request.requestId))
        if body is None:
            if kept.again >= MOST_REPEATS:
                raise AnswerGone(
                    f"Request {request.requestId} is record {kept.record.seq}, its answer was made {MOST_REPEATS + 1} "
                    "times. Ask with a new request id."
                )
            await asyncio.to_thread(self._store.count_again, kept.record)
            body = (await self._make(self._asked(book.subscription, request, raw))).body
            self._recent.put((book.subscription, request.requestId), body)
        return Served(kept, body, self._vouchers.propose(book))

    async def _make(self, asked: Asked) -> Made:
        with self._under_way.over(asked.route):
            return await self._workshop.make(asked)

    def _asked(self, subscription: int, request: UseRequest, raw: bytes) -> Asked:
        route, terms = self._routes.get(subscription, (None, None))
        if route is None or terms is None or route.status != "running":
            raise NoRoute(f"No service of subscription {subscription} runs here. Follow its state, or try in a moment.")
        operation = route.operations.get(request.operation)
        if operation is None:
            names = ", ".join(sorted(route.operations))
            raise MalformedUse(f"There is no operation {request.operation!r}; this service has {names}.")
        return Asked(route, terms, operation, request, raw)

    def _billed(self, book: Book, asked: Asked, made: Made, started: int) -> Kept:
        """The record of this use, right after the book's last one; the caller holds the book's lock."""
        right, ended = self._watch.require_settling(book.subscription), max(_now_ms(), started)
        meter, before = asked.operation.meter, book.tally
        after = bill(asked.terms, before, meter, made.quantity, made.immersion, _free(asked, right, ended))
        self._vouchers.require_cap(book, _cap(asked, right), after.billed - before.billed - asked.most_units)
        record = UsageRecord(
            subscription_id=SubscriptionId(book.subscription),
            seq=book.log.size,
            meter=meter,
            quantity=made.quantity,
            units=Units(after.billed - before.billed),
            total=Units(after.billed),
            start_millis=started,
            end_millis=ended,
            immersion=made.immersion,
            request_hash=asked.request_hash,
        )
        return Kept(
            record=record,
            gross=after.gross - before.gross,
            info=made.info,
            request_id=asked.request.requestId,
            content_type=made.content_type,
            provenance=self._provenance(asked, made) if asked.operation.provenance else "",
            body=made.body if len(made.body) <= self._row_bytes else None,
        )

    def _provenance(self, asked: Asked, made: Made) -> str:
        """The meter key's word over the file: content hash, creator, subscription, uri."""
        creator, subscription = address(asked.route.buyer), SubscriptionId(asked.route.subscription)
        content = sha256(made.body).digest()
        word = Provenance(content, creator, subscription, asset_uri(content))
        document = {
            "contentHash": to_hex(word.content_hash),
            "creator": creator,
            "subscriptionId": str(subscription),
            "uri": word.uri,
            "signature": to_hex(sign(self._vouchers.meter_key, self._assets, word)),
        }
        return json.dumps(document)


@contextmanager
def _reserved(book: Book, units: int) -> Iterator[None]:
    """Hold `units` of the cap while a use is at work."""
    book.reserved += units
    try:
        yield
    finally:
        book.reserved -= units


def _require_room(book: Book) -> None:
    if len(book.in_flight) >= MOST_WAITING:
        raise TooManyUses(
            f"{MOST_WAITING} uses of subscription {book.subscription} are at work or wait for their turn. "
            "Nothing was recorded or billed; wait for an answer, then repeat with the same request id."
        )


def _cap(asked: Asked, right: Right) -> int:
    """The cap that binds: a raise counts once it is final (the route has it then), whatever the latest block says."""
    return min(right.subscription.cap, int(asked.route.cap))


def _free(asked: Asked, right: Right, at_ms: int) -> int:
    state = right.subscription
    return vested(asked.terms, state.since, right.period, state.paid_through, at_ms)


def _require_same(kept: Kept, request: UseRequest, raw: bytes) -> None:
    if kept.record.request_hash != sha256(raw).digest():
        raise RequestIdReused(f"Request id {request.requestId!r} was used for another request; take a new one.")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
