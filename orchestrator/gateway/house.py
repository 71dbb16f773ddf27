"""The gateway's parts, put together once: chain, store, books, gate. `app.py` serves them, `__main__` opens them.

Opening blocks (it asks the node, reads usage.db and rebuilds every log); closing gives everything back.
"""

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self
from uuid import uuid4

from ledger.chain import Chain
from ledger.contracts import Contracts
from ledger.deployment import Deployment
from ledger.keys import WalletKey, keystore_address
from orchestrator.gateway.books import Books
from orchestrator.gateway.claims import ClaimDesk
from orchestrator.gateway.errors import LogBroken, ModelUnavailable
from orchestrator.gateway.link import Links
from orchestrator.gateway.measures import MeasureBoard
from orchestrator.gateway.models import ModelClients
from orchestrator.gateway.passes import PassDesk
from orchestrator.gateway.retention import Retention
from orchestrator.gateway.sealing import behaviour_key
from orchestrator.gateway.sessions import Sessions
from orchestrator.gateway.settings import GatewaySettings
from orchestrator.gateway.shapes import Route
from orchestrator.gateway.store import UsageStore
from orchestrator.gateway.use import UseDesk
from orchestrator.gateway.vouchers import VoucherDesk
from orchestrator.gateway.watch import Watch
from orchestrator.gateway.work import Workshop
from trust.enrolment import Enrolment
from trust.gate import Gate
from trust.journal import Journal
from trust.keys import ComponentIdentity
from trust.policy import Policy
from trust.replay import SeenProofs
from trust.revocations import Revocations
from trust.sessions import SessionIssuer
from trust.stores import open_replay, open_revocations


@dataclass(frozen=True)
class House:
    """Everything that the app's routes use."""

    chain: Chain
    contracts: Contracts
    store: UsageStore
    books: Books
    watch: Watch
    models: ModelClients
    links: Links
    measures: MeasureBoard
    vouchers: VoucherDesk
    sessions: Sessions
    passes: PassDesk
    claims: ClaimDesk
    uses: UseDesk
    retention: Retention
    drain_limit_s: float
    enrolment: Enrolment
    replay: SeenProofs
    revocations: Revocations
    journal: Journal
    gate: Gate
    boot: str = field(default_factory=lambda: uuid4().hex)
    """Another at each start, so that whoever pushes routes sees a restart."""

    @classmethod
    def open(cls, settings: GatewaySettings) -> Self:
        """Open all parts; `LedgerError` without a node or deployment, `LogBroken` where usage.db does not fit."""
        chain = Chain.connect(settings.rpc_url)
        contracts = Contracts(chain, Deployment.load(settings.home_dir, chain.chain_id))
        contracts.deployment.check(chain)
        store = _store(settings, chain)
        books = Books(store)
        books.load()
        watch = Watch(
            chain, contracts, store, poll_interval_s=settings.poll_interval_s, blind_limit_s=settings.blind_limit_s
        )
        models = ModelClients(settings.model_timeout_s)
        links, measures = Links(models, settings.pilot_interval_s), MeasureBoard()
        meter_key = WalletKey.load_or_create(settings.meter_key_file)
        vouchers = VoucherDesk(meter_key, contracts.market_domain, store)
        identity = ComponentIdentity.load_or_create(settings.identity_file, "gateway", settings.domain)
        issuer = SessionIssuer(identity)
        claims = ClaimDesk(contracts.identity)
        passes = PassDesk(store, watch, issuer, contracts.market_domain)
        uses = UseDesk(
            store,
            books,
            watch,
            Workshop(models, links, measures),
            vouchers,
            passes,
            claims,
            contracts.assets_domain,
            row_bytes=settings.answer_row_bytes,
            memory_bytes=settings.answer_memory_bytes,
        )
        enrolment = _enrolment(settings, contracts)
        replay = open_replay(settings.shared_database, settings.home_dir / "db" / "replay.db")
        revocations = open_revocations(settings.shared_database, settings.home_dir)
        journal = Journal(settings.home_dir / "journal" / "gateway.jsonl")
        gate = Gate(
            "gateway",
            Policy.load(),
            enrolment,
            replay,
            journal,
            identity=identity,
            still_entitled=watch.may_sign,
            still_standing=passes.stands,
            prefixes=("/gateway",),
            revocations=revocations,
        )
        house = cls(
            chain=chain,
            contracts=contracts,
            store=store,
            books=books,
            watch=watch,
            models=models,
            links=links,
            measures=measures,
            vouchers=vouchers,
            sessions=Sessions(issuer, watch, contracts.market_domain, settings.session_limit_s),
            passes=passes,
            claims=claims,
            uses=uses,
            retention=Retention(store, settings.retention_days),
            drain_limit_s=settings.drain_limit_s,
            enrolment=enrolment,
            replay=replay,
            revocations=revocations,
            journal=journal,
            gate=gate,
        )
        for document in store.routes():
            house.put_route(Route.model_validate_json(document))
        return house

    def put_route(self, route: Route) -> None:
        """Serve this route, and follow its subscription on the chain."""
        self.uses.put_route(route)
        self.watch.watch(route.subscription)

    async def drop_route(self, subscription: int) -> int:
        """Take no new calls of it; once none is under way, or they had their time, serve it no longer and let its
        models drop what they keep of it. How many calls keep it: ask again."""
        under_way, waited_s = self.uses.drain_route(subscription)
        if under_way and waited_s < self.drain_limit_s:
            return under_way
        await self._end_route(subscription)
        return 0

    async def _end_route(self, subscription: int) -> None:
        route = self.uses.route(subscription)
        self.uses.drop_route(subscription)
        self.claims.forget(subscription)
        self.links.forget(str(subscription))
        self.measures.forget(str(subscription))
        self.models.performance.services.forget(str(subscription))
        for socket in sorted(set(route.sockets.values())) if route else ():
            with suppress(ModelUnavailable):  # a model that is gone keeps nothing
                await self.models.configure(socket, {"forget": str(subscription)})
            if not self.uses.serves_by(socket):  # the last route over it: its model is stopped, its name not used again
                await self.models.hang_up(socket)

    async def close(self) -> None:
        """Give everything back."""
        await self.models.close()
        self.enrolment.close()
        self.journal.close()
        self.replay.close()
        self.revocations.close()
        self.store.close()
        self.chain.close()


def _store(settings: GatewaySettings, chain: Chain) -> UsageStore:
    store = UsageStore(settings.database, behaviour_key(settings.behaviour_key_file))
    owner = store.bound_to(chain.genesis_hash)
    if owner != chain.genesis_hash:
        store.close()
        raise LogBroken(
            f"{settings.database} belongs to the chain with genesis {owner}, the node has {chain.genesis_hash}. "
            "Nothing was touched: use another home, or the node of that chain."
        )
    return store


def _enrolment(settings: GatewaySettings, contracts: Contracts) -> Enrolment:
    """The operator's trust domain; its owner is the operator's account, whose address stands beside its key."""
    operator = keystore_address(settings.home_dir / "keys" / "accounts" / "operator.json")
    domain_id = contracts.identity.domain_id_of(operator, settings.domain)
    return Enrolment(contracts, domain_id, domain=settings.domain)
