"""What the feature folders need, put together once by `app.py`: chain, contracts, tables, relayer, clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from sqlalchemy import Engine

from ledger.chain import Chain
from ledger.contracts import Contracts
from ledger.deployment import Deployment
from ledger.sender import Sender
from marketplace.documents import Documents
from marketplace.projection import Projection
from marketplace.settings import MarketplaceSettings
from marketplace.streams import Readers
from marketplace.webhooks.door import Door
from marketplace.webhooks.secrets import SecretKeeper
from trust.enrolment import Enrolment
from trust.journal import Journal
from trust.keys import ComponentIdentity


@dataclass(frozen=True)
class Parts:
    """Everything of one running marketplace. Handlers that touch it are plain `def`: they run off the event loop."""

    settings: MarketplaceSettings
    chain: Chain
    deployment: Deployment
    contracts: Contracts
    engine: Engine
    projection: Projection
    documents: Documents
    relayer: Sender
    orchestrator: httpx.Client
    gateway: httpx.Client
    msmf: httpx.Client
    clock: Callable[[], float]
    """UTC seconds."""
    identity: ComponentIdentity
    enrolment: Enrolment
    journal: Journal
    door: Door
    secrets: SecretKeeper
    """The way out to webhooks' addresses, and what their messages are signed with."""
    notice_readers: Readers = field(default_factory=lambda: Readers(64))
    progress_readers: Readers = field(default_factory=lambda: Readers(256))
    activity_readers: Readers = field(default_factory=lambda: Readers(256))
    """Of each kind of stream, bounded: every reader looks twice a second."""
    memory: dict[str, Any] = field(default_factory=dict)
    """What features remember between requests; may be lost at any time."""
