"""MaaSMarket: accounts, subscriptions, vouchers, settlement, payout.

Called by buyers, the marketplace's relayer, the orchestrator's settlement, and the audit. Money is in the token's
smallest unit, times are UTC seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from ledger.contracts.base import BoundContract
from ledger.structs import (
    NO_PERMIT,
    Account,
    Earnings,
    InclusionProof,
    Permit,
    SignedVoucher,
    Subscription,
)
from ledger.typed_data import Order
from ledger.usage_log import UsageRecord
from ledger.values import Address, BlockStamp, Call, Money, Status


class MarketContract(BoundContract):
    WORD: ClassVar[str] = "market"

    # money in and out of accounts

    def deposit(self, account: Address, amount: int) -> Call:
        """Moves money of the sender (approved before) into an account."""
        return self.build("deposit", account, amount)

    def deposit_with_permit(self, account: Address, amount: int, permit: Permit) -> Call:
        return self.build("depositWithPermit", account, amount, permit)

    def withdraw(self, amount: int) -> Call:
        return self.build("withdraw", amount)

    # buying

    def buy(self, plan_id: int, signer: Address, cap: int, periods: int, requirements_hash: bytes) -> Call:
        """Buys for the sender; pulls the shortfall of its account from it (approved before)."""
        return self.build("buy", plan_id, signer, cap, periods, requirements_hash)

    def buy_for(self, order: Order, signature: bytes, permit: Permit = NO_PERMIT) -> Call:
        """Buys for the buyer who signed the order; anyone may send it."""
        return self.build("buyFor", order, signature, permit)

    def cancel_orders(self, nonce: int) -> Call:
        """Invalidates the sender's orders below `nonce`."""
        return self.build("cancelOrders", nonce)

    # a subscription's life

    def activate(self, subscription_id: int, endpoint_hash: bytes, r: bytes, vs: bytes) -> Call:
        """Hands the service over; (r, vs) is the session key's compact signature over the Activation."""
        return self.build("activate", subscription_id, endpoint_hash, r, vs)

    def refund(self, subscription_id: int) -> Call:
        return self.build("refund", subscription_id)

    def raise_cap(self, subscription_id: int, added_units: int) -> Call:
        return self.build("raiseCap", subscription_id, added_units)

    def renew(self, subscription_id: int, periods: int) -> Call:
        return self.build("renew", subscription_id, periods)

    def propose_signer(self, subscription_id: int, signer: Address) -> Call:
        return self.build("proposeSigner", subscription_id, signer)

    def confirm_signer(self, subscription_id: int) -> Call:
        return self.build("confirmSigner", subscription_id)

    def request_release(self, subscription_id: int) -> Call:
        return self.build("requestRelease", subscription_id)

    def release(self, subscription_id: int) -> Call:
        return self.build("release", subscription_id)

    # settlement

    def settle(self, vouchers: Sequence[SignedVoucher]) -> Call:
        """Settles each voucher or skips it with a reason (event Skipped); never fails as a batch."""
        return self.build("settle", list(vouchers))

    def collect_time(self, subscription_ids: Sequence[int]) -> Call:
        return self.build("collectTime", list(subscription_ids))

    def payout(self, plan_id: int) -> Call:
        return self.build("payout", plan_id)

    def payout_share(self, plan_id: int, model_id: int) -> Call:
        return self.build("payoutShare", plan_id, model_id)

    # views

    def account_of(self, account: Address, block: BlockStamp | None = None) -> Account:
        return Account(*self.read_all("accountOf", account, block=block))

    def accounts_of(self, accounts: Sequence[Address], block: BlockStamp) -> list[Account]:
        """As `account_of`, of many at one block."""
        return [Account(*row) for row in self.read_many("accountOf", [(one,) for one in accounts], block)]

    def quote(self, plan_id: int, cap: int, periods: int, block: BlockStamp | None = None) -> Money:
        """cap × unitPrice + periods × periodPrice of a plan that can be bought."""
        total: Money = self.read("quote", plan_id, cap, periods, block=block)
        return total

    def subscription(self, subscription_id: int, block: BlockStamp | None = None) -> Subscription:
        """The stored facts and the status at the block; status NONE where there is no such subscription."""
        return _subscription(self.read("subscription", subscription_id, block=block))

    def subscriptions(self, ids: Sequence[int], block: BlockStamp) -> list[Subscription]:
        """As `subscription`, of many at one block."""
        rows = self.read_many("subscription", [(one,) for one in ids], block)
        return [_subscription(facts) for (facts,) in rows]

    def status_of(self, subscription_id: int, block: BlockStamp | None = None) -> Status:
        return Status(self.read("statusOf", subscription_id, block=block))

    def is_entitled(self, subscription_id: int, block: BlockStamp | None = None) -> bool:
        """True while the subscription may use its service."""
        entitled: bool = self.read("isEntitled", subscription_id, block=block)
        return entitled

    def earnings_of(self, plan_id: int, block: BlockStamp | None = None) -> Earnings:
        return Earnings(*self.read_all("earningsOf", plan_id, block=block))

    def payout_due(self, plan_id: int, owner: Address, block: BlockStamp | None = None) -> Money:
        """What a payout would give the owner of the plan's model: of a composite, what its components leave."""
        answer = self.chain.call(self.payout(plan_id), block, owner)
        amount: Money = self._entry("payout").decode_output(answer)[0]
        return amount

    def earnings(self, plan_ids: Sequence[int], block: BlockStamp) -> list[Earnings]:
        """As `earnings_of`, of many at one block."""
        return [Earnings(*row) for row in self.read_many("earningsOf", [(one,) for one in plan_ids], block)]

    def share_pending(self, plan_id: int, model_id: int, block: BlockStamp | None = None) -> Money:
        pending: Money = self.read("sharePending", plan_id, model_id, block=block)
        return pending

    def activation_deadline_of(self, subscription_id: int, block: BlockStamp | None = None) -> int:
        deadline: int = self.read("activationDeadlineOf", subscription_id, block=block)
        return deadline

    def releasable_at(self, subscription_id: int, block: BlockStamp | None = None) -> int:
        second: int = self.read("releasableAt", subscription_id, block=block)
        return second

    def catalog(self, block: BlockStamp | None = None) -> Address:
        place: Address = self.read("catalog", block=block)
        return place

    def token(self, block: BlockStamp | None = None) -> Address:
        place: Address = self.read("token", block=block)
        return place

    def prove_usage(
        self,
        record: UsageRecord,
        proof: InclusionProof,
        voucher: SignedVoucher,
        meter_signature: bytes,
        block: BlockStamp | None = None,
    ) -> bool:
        """True when both keys signed this voucher, the record is in its log, and total ≤ units ≤ used."""
        proven: bool = self.read("proveUsage", record, proof, voucher, meter_signature, block=block)
        return proven

    def hash_order(self, order: Order, block: BlockStamp | None = None) -> bytes:
        digest: bytes = self.read("hashOrder", order, block=block)
        return digest

    def hash_voucher(
        self, subscription_id: int, units: int, usage_root: bytes, block: BlockStamp | None = None
    ) -> bytes:
        digest: bytes = self.read("hashVoucher", subscription_id, units, usage_root, block=block)
        return digest

    def hash_activation(self, subscription_id: int, endpoint_hash: bytes, block: BlockStamp | None = None) -> bytes:
        digest: bytes = self.read("hashActivation", subscription_id, endpoint_hash, block=block)
        return digest


def _subscription(facts: tuple[Any, ...]) -> Subscription:
    return replace(Subscription(*facts), status=Status(facts[7]))
