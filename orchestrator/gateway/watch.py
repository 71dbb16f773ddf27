"""Who may use what right now: subscriptions as the chain has them, with sessions that end at once.

Grants are read at the finalised block (`open`), everything that takes a right away at the latest one: a task looks at
each new block's events, and a release request, refund or lapse ends the subscription's sessions for good (until a new
one is opened with the chain's consent). Blind for too long, nothing is served. It holds no keys and meters nothing.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from ledger.chain import Chain
from ledger.contracts import Contracts
from ledger.errors import BlockGone, LedgerError
from ledger.structs import Subscription
from ledger.values import BlockStamp, Status, SubscriptionId, plan_of
from orchestrator.gateway.errors import ChainUnreachable, NotEntitled
from orchestrator.gateway.store import UsageStore
from trust.errors import Refusal

MOST_BLOCKS_BEHIND = 200


class ChainUnseen(Refusal):
    """`ChainUnreachable` as the gate says it."""

    code, status, title = ChainUnreachable.code, ChainUnreachable.status, ChainUnreachable.title
    remedy = "Bring the Ethereum node back (S4M_RPC_URL), then repeat: nothing is billed twice."


@dataclass(frozen=True)
class Right:
    """A subscription as the latest block that concerned it has it; `period` of its plan, seconds."""

    subscription: Subscription
    period: int
    block: BlockStamp

    def lapsed(self, now: float) -> bool:
        return self.period > 0 and now >= self.subscription.paid_through


class Watch:
    """The gateway's view of the chain. One instance per process; `run` is its task."""

    def __init__(
        self,
        chain: Chain,
        contracts: Contracts,
        store: UsageStore,
        *,
        poll_interval_s: float,
        blind_limit_s: float,
    ) -> None:
        self._chain = chain
        self._contracts = contracts
        self._store = store
        self._poll_interval_s = poll_interval_s
        self._blind_limit_s = blind_limit_s
        self._rights: dict[int, Right | None] = {}
        self._periods: dict[int, int] = {}
        self._ended = store.ended()
        self._head: BlockStamp | None = None
        self._seen_at = float("-inf")
        self._log = structlog.get_logger("gateway.watch")

    async def run(self) -> None:
        """Look at the chain for ever; a node that is down is tried again."""
        while True:
            try:
                await self.look()
            except LedgerError as error:
                self._log.warning("chain_unreachable", code=error.code)
            except Exception:  # noqa: BLE001  (outermost: a watch that stopped would shut everybody out)
                self._log.exception("watch_failed")
            await asyncio.sleep(self._poll_interval_s)

    async def look(self) -> None:
        """Take in what happened since the last look."""
        head = await asyncio.to_thread(self._chain.latest)
        if self._head is None or head.hash != self._head.hash:
            for subscription in await asyncio.to_thread(self._touched, dict(self._rights), head):
                await self.refresh(subscription, head)
        self._head = head
        self._seen_at = time.monotonic()
        for subscription in [id_ for id_, right in self._rights.items() if right and right.lapsed(self._now())]:
            await self.end(subscription, "lapsed")

    def watch(self, subscription: int) -> None:
        """Follow this subscription from the next look on."""
        self._rights.setdefault(subscription, None)

    async def open(self, subscription: int) -> Right:
        """Grant sessions: entitled at the finalised block, and nothing taken away at the latest.

        Buyers ask again and again until their activation is final: the latest block is read for who is entitled only.
        """
        try:
            granted = await asyncio.to_thread(self._granted, subscription)
            if granted:
                right = await self.refresh(subscription, await asyncio.to_thread(self._chain.latest))
            else:
                right = await self.known(subscription)
        except LedgerError as cause:
            raise ChainUnreachable(f"{cause}") from cause
        if not granted or right.subscription.status != Status.ACTIVE or right.lapsed(self._now()):
            raise NotEntitled(
                f"Subscription {subscription} is {right.subscription.status.name.lower()} on the chain, entitled at "
                f"the finalised block: {str(granted).lower()}. Wait for its activation to be final, or buy again."
            )
        if self._ended.pop(subscription, None):
            await asyncio.to_thread(self._store.reopen, subscription)
        return right

    def require(self, subscription: int) -> Right:
        """The right to use now; `NotEntitled` or `ChainUnreachable`. Asks nobody."""
        self._require_sight()
        right = self._rights.get(subscription)
        reason = self._ended.get(subscription) or (_why_not(right, self._now()) if right else "not known here")
        if right is None or reason:
            raise NotEntitled(f"Subscription {subscription}: {reason}. Its use has ended; buy again to go on.")
        return right

    def require_settling(self, subscription: int) -> Right:
        """The right of a call that was let in and is done: it is billed while its voucher still can be settled, that
        is until a release is executed. `NotEntitled` or `ChainUnreachable`: what nobody would pay is not answered."""
        self._require_sight()
        right = self._rights.get(subscription)
        if right is None or right.subscription.status not in _SETTLES:
            raise NotEntitled(
                f"Subscription {subscription} ended on the chain while this call was under way, so it could not be "
                "billed any more. Nothing was recorded; buy again to go on."
            )
        return right

    def _require_sight(self) -> None:
        if time.monotonic() - self._seen_at > self._blind_limit_s:
            raise ChainUnreachable(
                "The chain's latest block has not been seen for too long, so nobody's right can be checked. "
                "Bring the Ethereum node back (S4M_RPC_URL); use passes again by itself."
            )

    async def known(self, subscription: int) -> Right:
        """The subscription as last read, whatever its state; read now where it never was."""
        right = self._rights.get(subscription)
        if right is not None:
            return right
        try:
            return await self.refresh(subscription, await asyncio.to_thread(self._chain.latest))
        except LedgerError as cause:
            raise ChainUnreachable(f"{cause}") from cause

    def health(self) -> dict[str, int]:
        """The newest block seen and how many subscriptions are followed."""
        return {"block": self._head.number if self._head else 0, "subscriptions": len(self._rights)}

    def may_sign(self, subscription: int) -> bool:
        """What the gate asks on every call and every 3 s of a stream; `ChainUnseen` (503) while blind.

        Wider than the right to use (`require`): vouchers stay valid until a release is executed, so whoever used the
        service may still sign for it, and read its log, while the release is under way.
        """
        try:
            self.require(subscription)
        except NotEntitled:
            right = self._rights.get(subscription)
            return right is not None and right.subscription.status in _SETTLES
        except ChainUnreachable as cause:
            raise ChainUnseen(str(cause)) from cause
        return True

    async def refresh(self, subscription: int, block: BlockStamp) -> Right:
        """Read one subscription at `block`; end its sessions where it is no longer active.

        What a later block said stands, however late this answer comes; what nobody bought is not remembered.
        """
        read = self._contracts.market.subscription
        state = await asyncio.to_thread(read, SubscriptionId(subscription), block)
        right = Right(state, await self._period(subscription) if state.status != Status.NONE else 0, block)
        known = self._rights.get(subscription)
        later = known is not None and known.block.number > block.number
        if known is not None and later and await asyncio.to_thread(self._stands, known.block):
            return self._rights.get(subscription) or known
        if state.status == Status.NONE and subscription not in self._rights:
            return right
        self._rights[subscription] = right
        if state.status in _OVER:
            await self.end(subscription, state.status.name.lower())
        return right

    async def end(self, subscription: int, reason: str) -> None:
        """End all sessions, durably."""
        if subscription in self._ended:
            return
        self._ended[subscription] = reason
        self._log.info("sessions_ended", subscription=str(subscription), reason=reason)
        await asyncio.to_thread(self._store.end, subscription, reason)

    def _granted(self, subscription: int) -> bool:
        return self._contracts.market.is_entitled(SubscriptionId(subscription), self._chain.finalized())

    def _touched(self, rights: Mapping[int, Right | None], head: BlockStamp) -> list[int]:
        """Watched subscriptions that events since the last head concern; all of them after a gap or a reorg."""
        known = self._head
        if known is None or not 0 < head.number - known.number <= MOST_BLOCKS_BEHIND:
            return list(rights)
        if self._chain.block(known.number).hash != known.hash:
            return list(rights)
        events = self._chain.logs(known.number + 1, head.number, {"market": self._contracts.deployment.market})
        named = {getattr(event.event, "subscription_id", None) for event in events}
        return [id_ for id_, right in rights.items() if right is None or id_ in named]

    def _stands(self, block: BlockStamp) -> bool:
        """Whether the chain still has this block; False after a reorganisation."""
        try:
            return self._chain.block(block.number).hash == block.hash
        except BlockGone:
            return False

    async def _period(self, subscription: int) -> int:
        plan = plan_of(subscription)
        if plan not in self._periods:
            found = await asyncio.to_thread(self._contracts.catalog.plan, plan)
            self._periods[plan] = found.terms.period
        return self._periods[plan]

    def _now(self) -> float:
        """UTC seconds; the chain's own where it runs ahead (a devnet whose time was moved)."""
        return max(time.time(), self._head.timestamp if self._head else 0)


def _why_not(right: Right, now: float) -> str:
    if right.subscription.status != Status.ACTIVE:
        return f"it is {right.subscription.status.name.lower()} on the chain"
    return "its paid time has run out" if right.lapsed(now) else ""


_SETTLES = frozenset({Status.ACTIVE, Status.RELEASING})
_OVER = frozenset({Status.RELEASING, Status.RELEASED, Status.REFUNDED, Status.REFUNDABLE})
