"""A provider and a buyer on a real chain, for the orchestrator's tests: publish, buy, activate, release."""

from dataclasses import dataclass, field

from ledger.chain import Chain
from ledger.contracts import Contracts
from ledger.deployment import Deployment, deploy
from ledger.devnet import Devnet
from ledger.events import ModelRegistered, PlanPublished, Subscribed
from ledger.keys import WalletKey
from ledger.sender import Sender
from ledger.structs import PlanTerms, Share
from ledger.typed_data import Activation, Voucher, sign
from ledger.values import CREDIT, Address, Kind, ModelId, Money, PlanId, SubscriptionId, Units, compact, to_hex

HOUR = 3_600
GAS = 400_000
"""more than a purchase takes"""


@dataclass
class Market:
    """Everything on one devnet; one key is provider and buyer, each subscription has a session key of its own."""

    devnet: Devnet
    chain: Chain
    contracts: Contracts
    sender: Sender
    sender_key: WalletKey
    meter: WalletKey = field(default_factory=WalletKey.create)
    sessions: dict[int, WalletKey] = field(default_factory=dict)

    @classmethod
    def on(cls, devnet: Devnet, deployment: Deployment | None = None) -> "Market":
        """Deploy (or take) the contracts; fund the one account with gas and credits."""
        chain = Chain.connect(devnet.rpc_url)
        key = WalletKey.create()
        devnet.fund(key.address)
        contracts = Contracts(chain, deployment or deploy(chain, key))
        market = cls(devnet, chain, contracts, Sender(chain, key), key)
        market.sender.send(contracts.credit.faucet(key.address, 1_000_000 * CREDIT))
        market.sender.send(contracts.credit.approve(contracts.deployment.market, 1_000_000 * CREDIT))
        return market

    def close(self) -> None:
        self.sender.close()
        self.chain.close()

    def register(
        self,
        spec_hash: bytes = bytes(32),
        terms_hash: bytes = bytes(32),
        kind: Kind = Kind.TAAS,
        *,
        period: int = 0,
        activation_window: int = HOUR,
        shares: tuple[Share, ...] = (),
    ) -> PlanId:
        """A model of the provider with one plan."""
        catalog = self.contracts.catalog
        receipt = self.sender.send(catalog.register(kind, spec_hash, "s4m:documents/x", self.meter.address, 0))
        model = ModelId(self.contracts.event_in(receipt, ModelRegistered).model_id)
        terms = PlanTerms(Money(10), Money(1_000 if period else 0), period, HOUR, activation_window, 0, terms_hash)
        receipt = self.sender.send(catalog.publish_plan(model, terms, shares))
        return PlanId(self.contracts.event_in(receipt, PlanPublished).plan_id)

    def buy(
        self, plan: PlanId, requirements_hash: bytes = bytes(32), *, cap: int = 1_000, periods: int = 0
    ) -> SubscriptionId:
        """A purchase by the one account; answers once it is mined (not final)."""
        session = WalletKey.create()
        receipt = self.sender.send(self.contracts.market.buy(plan, session.address, cap, periods, requirements_hash))
        subscription = SubscriptionId(self.contracts.event_in(receipt, Subscribed).subscription_id)
        self.sessions[subscription] = session
        return subscription

    def buy_once(self, plan: PlanId, requirements_hash: bytes) -> tuple[Address, str]:
        """A purchase that is sent once and never again: what a reorganisation takes away of it stays away. Answers the
        session key's address and the transaction's hash. On a market whose sender has nothing under way."""
        session, fees, account = WalletKey.create(), self.chain.fees(), self.sender_key
        call = self.contracts.market.buy(plan, session.address, 1_000, 0, requirements_hash)
        nonce = self.chain.transaction_count(account.address, pending=True)
        transaction = {
            "type": 2, "chainId": self.chain.chain_id, "nonce": nonce, "gas": GAS, "to": call.to, "value": 0,
            "maxFeePerGas": fees.max_fee, "maxPriorityFeePerGas": fees.tip, "data": call.data,
        }  # fmt: skip
        return session.address, self.chain.broadcast(account.sign_transaction(transaction)[0])

    def activation(self, subscription: SubscriptionId, endpoint_hash: bytes) -> bytes:
        """The session key's 65-byte signature."""
        message = Activation(subscription, endpoint_hash)
        return sign(self.sessions[subscription], self.contracts.market_domain, message)

    def activate(self, subscription: SubscriptionId, endpoint_hash: bytes = bytes(32)) -> None:
        r, vs = compact(self.activation(subscription, endpoint_hash))
        self.sender.send(self.contracts.market.activate(subscription, endpoint_hash, r, vs))

    def voucher(
        self, subscription: SubscriptionId, units: int, rowid: int = 1, usage_root: bytes = b"\7" * 32
    ) -> dict[str, object]:
        """A voucher signed by the session key, as the gateway hands it to settlement."""
        message = Voucher(subscription, Units(units), usage_root)
        r, vs = compact(sign(self.sessions[subscription], self.contracts.market_domain, message))
        return {
            "subscriptionId": str(subscription),
            "units": str(units),
            "usageRoot": to_hex(usage_root),
            "r": to_hex(r),
            "vs": to_hex(vs),
            "rowid": rowid,
        }
