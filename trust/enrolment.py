"""Which component keys are good right now, and which passkeys were given up, read from `IdentityRegistry` on the chain.

A grant counts once its block is final, a revocation as soon as the newest block shows it. Events are folded
incrementally: one refresh costs three node calls, however many keys there are. The gate asks before each call; the view
is refreshed on demand, at most every 0.5 s, in a thread. When the node is away the last view serves for 30 s, then
everybody is refused (`enrolment_unreachable`). Writing to the registry is `trust.enrol`'s task.
"""

import asyncio
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ledger.contracts import Contracts
from ledger.errors import LedgerError
from ledger.events import (
    ChainEvent,
    ComponentKeyEnrolled,
    ComponentKeyRevoked,
    PasskeyRegistered,
    PasskeyRevoked,
)
from trust.errors import EnrolmentUnreachable, KeyNotEnrolled, KeyRevoked
from trust.keys import DEFAULT_DOMAIN, ed25519_jkt, ed25519_of

REFRESH_S = 0.5
TOLERATE_S = 30.0
PATIENCE_S = 1.0  # how long one request waits for a refresh while a tolerable view is at hand


@dataclass(frozen=True, slots=True)
class EnrolledKey:
    component: str
    public_bytes: bytes
    not_before: int
    not_after: int
    revoked: bool = False


Passkey = tuple[str, bytes]
"""Account, and the registry's name of its credential."""

KeyTable = Mapping[tuple[str, str], EnrolledKey]
"""(component, thumbprint) → key."""


@dataclass(frozen=True, slots=True)
class EnrolmentView:
    """The keys of one domain as of one pair of blocks. Immutable."""

    domain: str
    keys: KeyTable = field(repr=False)
    given_up: frozenset[Passkey] = frozenset()
    final_hash: str = ""
    latest_hash: str = ""

    def key(self, component: str, jkt: str, now: float) -> Ed25519PublicKey:
        """The key, when it is enrolled and good at `now`; else KeyNotEnrolled or KeyRevoked."""
        entry = self.keys.get((component, jkt))
        if entry is None:
            raise KeyNotEnrolled(f"No final block enrols this key as {component} of {self.domain}.")
        if entry.revoked:
            raise KeyRevoked(f"This key of {component} was revoked on-chain.")
        if now > entry.not_after:
            raise KeyRevoked(f"This key of {component} ended at {entry.not_after} (UTC seconds).")
        if now < entry.not_before:
            raise KeyNotEnrolled(f"This key of {component} starts at {entry.not_before} (UTC seconds).")
        return ed25519_of(entry.public_bytes)


def fold(
    keys: KeyTable, events: Iterable[ChainEvent], domain_id: bytes, *, grants: bool
) -> dict[tuple[str, str], EnrolledKey]:
    """The table after these events; without `grants` only revocations count (they stand in unfinal blocks)."""
    table = dict(keys)
    for event in (entry.event for entry in events):
        match event:
            case ComponentKeyEnrolled() if grants and event.domain_id == domain_id:
                key = EnrolledKey(event.component, event.public_key, event.not_before, event.not_after)
                table[event.component, ed25519_jkt(event.public_key)] = key
            case ComponentKeyRevoked() if event.domain_id == domain_id:
                place = (event.component, ed25519_jkt(event.public_key))
                if place in table:
                    table[place] = replace(table[place], revoked=True)
    return table


def fold_passkeys(given_up: frozenset[Passkey], events: Iterable[ChainEvent], *, grants: bool) -> frozenset[Passkey]:
    """The passkeys that were revoked and, where `grants` count, not bound anew since."""
    found = set(given_up)
    for event in (entry.event for entry in events):
        match event:
            case PasskeyRegistered() if grants:
                found.discard((event.account, event.credential_id_hash))
            case PasskeyRevoked():
                found.add((event.account, event.credential_id_hash))
    return frozenset(found)


class ChainReader:
    """Reads and folds the registry's events; blocking, used by one thread at a time."""

    def __init__(self, contracts: Contracts, domain_id: bytes, domain: str) -> None:
        self._chain = contracts.chain
        self._addresses = {contracts.identity.WORD: contracts.identity.address}
        self._domain_id = domain_id
        self._first_block = contracts.deployment.block_number
        self._empty = EnrolmentView(domain, {})
        self._folded_to = self._first_block - 1
        self._final: dict[tuple[str, str], EnrolledKey] = {}
        self._given_up: frozenset[Passkey] = frozenset()
        self._view = self._empty

    def read(self) -> EnrolmentView:
        """The newest view; LedgerError when the node does not answer."""
        final, latest = self._chain.finalized(), self._chain.latest()
        if final.number < self._folded_to:
            # The chain went back behind what was final: start over.
            self._folded_to, self._final, self._view = self._first_block - 1, {}, self._empty
            self._given_up = frozenset()
        if (final.hash, latest.hash) != (self._view.final_hash, self._view.latest_hash):
            events = self._chain.logs(self._folded_to + 1, latest.number, self._addresses)
            settled = [event for event in events if event.block_number <= final.number]
            unsettled = [event for event in events if event.block_number > final.number]
            self._final = fold(self._final, settled, self._domain_id, grants=True)
            self._given_up = fold_passkeys(self._given_up, settled, grants=True)
            self._folded_to = max(self._folded_to, final.number)
            self._view = replace(
                self._empty,
                keys=fold(self._final, unsettled, self._domain_id, grants=False),
                given_up=fold_passkeys(self._given_up, unsettled, grants=False),
                final_hash=final.hash,
                latest_hash=latest.hash,
            )
        return self._view


class Enrolment:
    """The async face: one instance may serve all gates of a process, on any event loop. Close it at shutdown.

    `domain_id` is `contracts.identity.domain_id_of(owner, domain)`, the owner being the operator's account.
    """

    def __init__(
        self,
        contracts: Contracts,
        domain_id: bytes,
        *,
        domain: str = DEFAULT_DOMAIN,
        refresh_s: float = REFRESH_S,
        tolerate_s: float = TOLERATE_S,
    ) -> None:
        self.domain = domain
        self._reader = ChainReader(contracts, domain_id, domain)
        self._refresh_s = refresh_s
        self._tolerate_s = tolerate_s
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="enrolment")
        self._lock = threading.Lock()
        self._refresh: Future[None] | None = None
        self._view: EnrolmentView | None = None
        self._read_at = self._tried_at = float("-inf")  # monotonic seconds
        self._failure = "it was not asked yet"

    async def current(self) -> EnrolmentView:
        """The view to decide by; EnrolmentUnreachable when the last good one is too old."""
        refresh = self._due()
        if refresh is not None:
            done, _ = await asyncio.wait({asyncio.wrap_future(refresh)}, timeout=self._patience())
            for finished in done:
                finished.result()  # anything but a LedgerError is a defect: let it show
        return self._tolerable()

    def current_blocking(self) -> EnrolmentView:
        """As `current`, for threads that may wait."""
        refresh = self._due()
        if refresh is not None:
            with suppress(TimeoutError):
                refresh.result(self._patience())
        return self._tolerable()

    @property
    def newest(self) -> EnrolmentView | None:
        """What was read last, without asking: for who decides right after a `current`."""
        return self._view

    def _patience(self) -> float | None:
        return None if self._age() > self._tolerate_s else PATIENCE_S

    def _tolerable(self) -> EnrolmentView:
        view = self._view
        if view is None or self._age() > self._tolerate_s:
            raise EnrolmentUnreachable(
                f"The component keys were last read over {self._tolerate_s:g} s ago: {self._failure}"
            )
        return view

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _age(self) -> float:
        return time.monotonic() - self._read_at

    def _due(self) -> Future[None] | None:
        """The refresh to wait for: the running one, a new one, or none while the last try is fresh."""
        with self._lock:
            if self._refresh is not None and not self._refresh.done():
                return self._refresh
            if time.monotonic() - self._tried_at < self._refresh_s:
                return None
            self._refresh = self._pool.submit(self._read)
            return self._refresh

    def _read(self) -> None:
        begun = time.monotonic()  # the age counts from the question, not from the answer
        try:
            self._view = self._reader.read()
            self._read_at = begun
        except LedgerError as error:
            self._failure = str(error)
        finally:
            self._tried_at = time.monotonic()
