"""Where gas is measured: a node, the contracts on it, keys that the seed makes, and what was measured so far.

Called by the scenarios beside it. Keys, ids, roots and amounts follow from the seed and signatures from RFC 6979, so
two runs use the same gas to the unit. It counts nothing that did not do what it was sent for.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from hashlib import sha256
from typing import Any, TypeVar

from ledger import abi
from ledger.chain import Chain
from ledger.contracts import Contracts
from ledger.deployment import deploy
from ledger.devnet import HARDFORK, Devnet
from ledger.events import Event, PlanPublished, Settled, Skipped, Subscribed
from ledger.keys import WalletKey
from ledger.sender import Receipt, Sender
from ledger.structs import PlanTerms, Share, SignedVoucher
from ledger.typed_data import Activation, Voucher, sign
from ledger.values import Address, Call, Kind, ModelId, Money, PlanId, SubscriptionId, Units, address, compact, from_hex
from scripts.gas.load import Load

DIGEST = sha256(b"bench").digest()
FAR = 1 << 40  # a deadline that never comes, and the same in each run
WINDOW = 3600  # between a request and its release, or a proposal and its confirmation
ACTIVATION = 86_400
E = TypeVar("E", bound=Event)


class NotMeasured(Exception):
    """A transaction did not do what its figure is about."""


class Yard:
    """One provider, one buyer, one relayer, a session key and a meter key, with the contracts deployed by `open`."""

    def __init__(self, devnet: Devnet, chain: Chain, seed: int, load: Load, hardfork: str) -> None:
        self.devnet, self.chain, self.seed, self.load, self.hardfork = devnet, chain, seed, load, hardfork
        self.transactions: list[dict[str, Any]] = []
        self.blocks: dict[int, dict[str, Any]] = {}
        self.provider, self.buyer, self.relayer, self.session, self.meter = map(
            self.key, ("provider", "buyer", "relayer", "session", "meter")
        )
        self._rounds: dict[SubscriptionId, int] = {}
        self._senders: dict[Address, Sender] = {}
        deployer = self.key("deployer")
        devnet.fund(deployer.address)
        self.contracts = Contracts(chain, deploy(chain, deployer))

    @classmethod
    @contextmanager
    def open(cls, seed: int, load: Load, hardfork: str = HARDFORK) -> Iterator[Yard]:
        """A yard on a node of its own, which ends with it."""
        with Devnet.start(block_time=1, hardfork=hardfork) as devnet, closing(Chain.connect(devnet.rpc_url)) as chain:
            yard = cls(devnet, chain, seed, load, hardfork)
            try:
                yield yard
            finally:
                for sender in yard._senders.values():
                    sender.close()

    def key(self, word: str) -> WalletKey:
        """The seed's key of that word: for a bench's node only, worth nothing elsewhere."""
        return WalletKey(sha256(f"slicing4meta bench {self.seed} {word}".encode()).digest())

    # sending and keeping

    def send(self, key: WalletKey, call: Call, name: str = "") -> Receipt:
        """Sends; where it has a name, the receipt is kept under it."""
        if key.address not in self._senders:
            self.devnet.fund(key.address)
            self._senders[key.address] = Sender(self.chain, key)
        receipt = self._senders[key.address].send(call)
        if name:
            self.keep(name, receipt)
        return receipt

    def create(self, key: WalletKey, code: bytes, name: str = "") -> Address:
        """Sends a contract's creation bytecode; where the contract is."""
        receipt = self.send(key, Call(None, code, 0, "a peer's contract"), name)
        if receipt.created is None:
            raise NotMeasured(f"{receipt.tx_hash} made no contract")
        return address(receipt.created)

    def send_doomed(self, key: WalletKey, call: Call, gas: int, name: str) -> Receipt:
        """Sends without trying first, and keeps the receipt of the failure: what a sender loses to it."""
        fees, nonce = self.chain.fees(), self.chain.transaction_count(key.address)
        raw, tx_hash = key.sign_transaction({
            "type": 2, "chainId": self.chain.chain_id, "nonce": nonce, "gas": gas, "maxFeePerGas": fees.max_fee,
            "maxPriorityFeePerGas": fees.tip, "value": 0, "data": call.data, "to": call.to,
        })  # fmt: skip
        self.chain.broadcast(raw)
        deadline = time.monotonic() + 30
        while (receipt := self.chain.receipt(tx_hash)) is None:
            if time.monotonic() > deadline:
                raise NotMeasured(f"{name} was not mined within 30 s")
            time.sleep(0.01)
        if receipt.succeeded:
            raise NotMeasured(f"{name} was to fail and did not")
        self.keep(name, receipt)
        return receipt

    def keep(self, name: str, receipt: Receipt) -> None:
        """Writes the transaction and its block down for whoever recomputes the figures."""
        if any(known["name"] == name for known in self.transactions):
            raise NotMeasured(f"{name} would be measured twice")
        sent = self.chain.request("eth_getTransactionByHash", [receipt.tx_hash])
        data = from_hex(sent["input"])
        self.transactions.append({
            "name": name, "hardfork": self.hardfork, "tx": receipt.tx_hash, "block": receipt.block_number,
            "from": sent["from"], "to": sent["to"], "succeeded": receipt.succeeded, "gasUsed": receipt.gas_used,
            "calldataBytes": len(data), "calldataZeros": data.count(0),
        })  # fmt: skip
        block = self.chain.request("eth_getBlockByNumber", [hex(receipt.block_number), False])
        self.blocks[receipt.block_number] = {
            "hardfork": self.hardfork, "number": receipt.block_number, "hash": block["hash"],
            "parentHash": block["parentHash"], "timestamp": int(block["timestamp"], 16),
            "baseFeePerGas": int(block["baseFeePerGas"], 16), "gasUsed": int(block["gasUsed"], 16),
            "transactions": len(block["transactions"]),
        }  # fmt: skip

    def keep_deployments(self) -> None:
        """The receipts of the set's own deployment, as deploy_<word>."""
        words = {place: word for word, place in self.contracts.deployment.addresses.items()}
        for number in range(self.contracts.deployment.block_number, self.chain.latest().number + 1):
            for tx_hash in self.chain.request("eth_getBlockByNumber", [hex(number), False])["transactions"]:
                receipt = self.chain.receipt(tx_hash)
                if receipt and receipt.created and (word := words.pop(address(receipt.created), "")):
                    self.keep(f"deploy_{word}", receipt)
        if words:
            raise NotMeasured(f"no deployment of {', '.join(words.values())} was found")

    def node(self) -> dict[str, str]:
        """What ran, by its own word: the client and the rules of its chain."""
        rules = self.chain.request("anvil_nodeInfo")["hardFork"]
        return {"client": self.chain.request("web3_clientVersion"), "hardfork": str(rules).lower()}

    # things that several scenarios do

    def register(self, kind: Kind, name: str = "") -> ModelId:
        """A model of the provider."""
        catalog = self.contracts.catalog
        self.send(self.provider, catalog.register(kind, DIGEST, "s4m:documents/bench", self.meter.address, 500), name)
        return ModelId(catalog.model_count())

    def publish(self, model: ModelId, count: int = 1, shares: Sequence[Share] = (), name: str = "") -> list[PlanId]:
        """So many plans of the model, all alike; `name` is of the last."""
        price, period_price = Money(self.load.unit_price), Money(self.load.period_price)
        terms = PlanTerms(price, period_price, self.load.period, WINDOW, ACTIVATION, 500, DIGEST)
        call = self.contracts.catalog.publish_plan(model, terms, shares)
        names = [""] * (count - 1) + [name]
        return [self.event(self.send(self.provider, call, each), PlanPublished).plan_id for each in names]

    def buy(self, plan: PlanId, name: str = "") -> SubscriptionId:
        """Bought from the buyer's account, with one period."""
        call = self.contracts.market.buy(plan, self.session.address, self.load.cap, 1, DIGEST)
        return self.event(self.send(self.buyer, call, name), Subscribed).subscription_id

    def activate(self, subscription: SubscriptionId, name: str = "") -> SubscriptionId:
        """Activated with the session key's word, by the relayer."""
        word = compact(sign(self.session, self.contracts.market_domain, Activation(subscription, DIGEST)))
        self.send(self.relayer, self.contracts.market.activate(subscription, DIGEST, *word), name)
        return subscription

    def voucher(self, subscription: SubscriptionId, root: bytes | None = None) -> SignedVoucher:
        """The subscription's next voucher, signed by the session key; a root of its own unless one is given."""
        self._rounds[subscription] = number = self._rounds.get(subscription, 0) + 1
        units = Units(number * self.load.units)
        known = root or sha256(f"{subscription}:{units}".encode()).digest()
        r, vs = compact(sign(self.session, self.contracts.market_domain, Voucher(subscription, units, known)))
        return SignedVoucher(subscription, units, known, r, vs)

    def settle(self, vouchers: Sequence[SignedVoucher], name: str = "", *, stale: bool = False) -> None:
        """One batch, each item of which must be applied (or, where stale, skipped): a skipped voucher costs less."""
        receipt = self.send(self.relayer, self.contracts.market.settle(vouchers), name)
        wanted: type[Event] = Skipped if stale else Settled
        found = sum(isinstance(each.event, wanted) for each in self.contracts.events_in(receipt))
        if found != len(vouchers):
            raise NotMeasured(f"{found} of {len(vouchers)} vouchers were {wanted.__name__} in {name or 'a batch'}")

    def event(self, receipt: Receipt, kind: type[E]) -> E:
        """The first event of this kind in the receipt."""
        return self.contracts.event_in(receipt, kind)


class Foreign:
    """Somebody else's contract: its published ABI and creation bytecode, then, once deployed, its address."""

    def __init__(self, entries: Sequence[dict[str, Any]], bytecode: str) -> None:
        self.address: Address | None = None
        self._code = from_hex(bytecode)
        self._functions = {
            entry["name"]: abi.Entry(entry["name"], tuple(entry["inputs"]), tuple(entry["outputs"]))
            for entry in entries
            if entry["type"] == "function"
        }
        made = [entry["inputs"] for entry in entries if entry["type"] == "constructor"]
        self._constructor = abi.Entry("constructor", tuple(made[0]) if made else ())

    def deploy(self, yard: Yard, key: WalletKey, *arguments: object, name: str = "") -> None:
        """Deploys with the constructor's arguments."""
        self.address = yard.create(key, self._code + self._constructor.encode_call(*arguments)[4:], name)

    def call(self, function: str, *arguments: object) -> Call:
        """The call that changes state."""
        return Call(self.address, self._functions[function].encode_call(*arguments), 0, function)

    def read(self, yard: Yard, function: str, *arguments: object) -> Any:
        """The first output of a view."""
        return self._functions[function].decode_output(yard.chain.call(self.call(function, *arguments)))[0]
