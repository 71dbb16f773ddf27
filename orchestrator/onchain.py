"""The orchestrator's few reads and writes of the contracts, as the rooms want them; the ledger does the rest.

Made by `app` with the operator's sender; used in the steps of pipeline and settlement, from worker threads. All reads
of one decision are pinned to one block. A node that does not answer becomes `PeerUnavailable`: try later.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from ledger.chain import Chain
from ledger.contracts import Contracts
from ledger.errors import BlockGone, NodeDown, NodeError, Reverted, SignatureMalformed, TransactionPending
from ledger.events import CreditTransferred, Settled, Skipped
from ledger.sender import Sender
from ledger.structs import SignedVoucher as LedgerVoucher
from ledger.supply import supply_domain
from ledger.typed_data import Activation, Domain, RequestUpdate, recover
from ledger.values import PlanId, Status, SubscriptionId, Units, compact, from_hex, model_of
from orchestrator.documents import PlanFacts
from orchestrator.errors import ActivationRefused, BadActivation, PeerUnavailable
from orchestrator.settlement import BatchResult, SignedVoucher
from orchestrator.supplying import ModelFacts
from orchestrator.update_rows import BadUpdate

SEND_TIMEOUT_S = 30.0
SETTLEABLE = frozenset({Status.ACTIVE, Status.RELEASING})


@contextmanager
def passing_node_faults() -> Iterator[None]:
    """What a node may recover from is tried later."""
    try:
        yield
    except (NodeDown, NodeError, BlockGone, TransactionPending) as cause:
        raise PeerUnavailable(str(cause), peer="chain", peer_code=cause.code) from cause


class OnChain:
    """The catalogue and the market, through one chain connection and the operator's key."""

    def __init__(self, chain: Chain, contracts: Contracts, domain: Domain, sender: Sender) -> None:
        self._chain = chain
        self._contracts = contracts
        self._domain = domain
        self._sender = sender

    def plan_facts(self, plan_id: int) -> PlanFacts:
        """What a plan stands on, at the newest final block."""
        with passing_node_faults():
            block = self._chain.finalized()
            plan = self._contracts.catalog.plan(PlanId(plan_id), block=block)
            model = self._contracts.catalog.model(model_of(plan_id), block=block)
        return PlanFacts(model.spec_hash.hex(), plan.terms.terms_hash.hex(), plan.terms.period)

    @property
    def supply_domain(self) -> Domain:
        """What providers sign their supply offers for: this chain and its catalogue."""
        deployment = self._contracts.deployment
        return supply_domain(deployment.chain_id, deployment.catalog)

    def model_facts(self, model_id: int) -> ModelFacts | None:
        """Owner and spec of a model at the newest final block; None where it has no such model."""
        with passing_node_faults():
            block = self._chain.finalized()
            if not 0 < model_id <= self._contracts.catalog.model_count(block=block):
                return None
            owner = self._contracts.catalog.owner_of(model_id, block=block)
            return ModelFacts(owner, self._contracts.catalog.model(model_id, block=block).spec_hash)

    def paid_in(self, tx_hash: str) -> Mapping[str, int]:
        """Payee → what a final transaction moved to it in the market's token; empty where it is not (yet) final."""
        with passing_node_faults():
            final, receipt = self._chain.finalized(), self._chain.receipt(tx_hash)
            if receipt is None or not receipt.succeeded or receipt.block_number > final.number:
                return {}
        moved: dict[str, int] = {}
        for found in self._contracts.events_in(receipt):
            if isinstance(found.event, CreditTransferred):
                moved[found.event.payee] = moved.get(found.event.payee, 0) + int(found.event.amount)
        return moved

    def signer_of(self, subscription_id: str, endpoint_hash: str, signature: str) -> str:
        """Who signed this activation."""
        activation = Activation(SubscriptionId(int(subscription_id)), from_hex(endpoint_hash))
        try:
            return recover(self._domain, activation, from_hex(signature))
        except SignatureMalformed as cause:
            raise BadActivation(str(cause)) from cause

    def updater_of(
        self, subscription_id: str, requirements_hash: str, revision: int, deadline: int, signature: str
    ) -> str:
        """Who signed this update of a request."""
        subscription, digest = SubscriptionId(int(subscription_id)), from_hex(requirements_hash)
        try:
            return recover(self._domain, RequestUpdate(subscription, digest, revision, deadline), from_hex(signature))
        except SignatureMalformed as cause:
            raise BadUpdate(str(cause)) from cause

    def submit_activation(self, subscription_id: str, endpoint_hash: str, signature: str) -> str:
        """The activation's transaction, sent once for each signature; its hash."""
        r, vs = compact(from_hex(signature))
        subscription = SubscriptionId(int(subscription_id))
        call = self._contracts.market.activate(subscription, from_hex(endpoint_hash), r, vs)
        try:
            with passing_node_faults():
                key = f"activate:{subscription_id}:{endpoint_hash}:{r.hex()}"
                return self._sender.send(call, key=key, timeout_s=SEND_TIMEOUT_S).tx_hash
        except Reverted as cause:
            raise ActivationRefused(f"The market refused the activation: {cause}", chain_code=cause.code) from cause

    def used(self, subscription_ids: Sequence[int], *, final: bool = False) -> Mapping[int, int]:
        """Settled units of every subscription that can still be settled, at the newest (or newest final) block."""
        with passing_node_faults():
            block = self._chain.finalized() if final else self._chain.latest()
            found = {}
            for subscription_id in subscription_ids:
                state = self._contracts.market.subscription(SubscriptionId(subscription_id), block=block)
                if state.status in SETTLEABLE:
                    found[subscription_id] = int(state.used)
        return found

    def settle(self, vouchers: Sequence[SignedVoucher], key: str) -> BatchResult:
        """Send one batch; what became of each voucher stands in the receipt's events."""
        call = self._contracts.market.settle([_ledger_voucher(voucher) for voucher in vouchers])
        with passing_node_faults():
            receipt = self._sender.send(call, key=key, timeout_s=SEND_TIMEOUT_S)
        events = [found.event for found in self._contracts.events_in(receipt)]
        settled = {str(event.subscription_id): str(event.units) for event in events if isinstance(event, Settled)}
        skipped = {str(e.subscription_id): e.reason.name.lower() for e in events if isinstance(e, Skipped)}
        return BatchResult(settled, skipped, receipt.tx_hash, receipt.gas_used)


def _ledger_voucher(voucher: SignedVoucher) -> LedgerVoucher:
    return LedgerVoucher(
        SubscriptionId(int(voucher.subscription_id)),
        Units(int(voucher.units)),
        from_hex(voucher.usage_root),
        from_hex(voucher.r),
        from_hex(voucher.vs),
    )
