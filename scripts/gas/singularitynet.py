"""SingularityNET's MultiPartyEscrow, as its npm package publishes it, under the same load on the same node.

Called by scripts/bench_gas.py. A channel is what a subscription is here; a claim is what a voucher is. Claims are
signed as MultiPartyEscrow.sol demands: an EIP-191 message over the packed contract, channel, nonce and amount, of which
the nonce grows with each claim. By the channel's signer, as ours by the session key; the payer's slot is then not read,
so one payer stands for many at the same gas.
"""

from __future__ import annotations

import json
from hashlib import sha256

from eth_utils.crypto import keccak

from ledger.keys import WalletKey
from ledger.values import Call, from_hex
from scripts.gas.market import BATCH, LARGEST
from scripts.gas.records import MODULES
from scripts.gas.yard import FAR, Foreign, NotMeasured, Yard

SINGLE = 0  # the channel of the single claims
Signature = tuple[int, bytes, bytes]  # v, r, s


class Escrow:
    """The token and the escrow on the yard's node, a payer with a deposit, a recipient, channels between them."""

    def __init__(self, yard: Yard) -> None:
        self.yard = yard
        self.owner, self.payer, self.recipient = map(yard.key, ("agix", "payer", "recipient"))
        self.token = _published("singularitynet-token-contracts", "SingularityNetToken")
        self.token.deploy(yard, self.owner, "SingularityNET Token", "AGIX")
        self.contract = _published("singularitynet-platform-contracts", "MultiPartyEscrow")
        self.contract.deploy(yard, self.owner, self.token.address, name="singularitynet_deploy")
        self.amount = yard.load.units * yard.load.unit_price  # what each voucher earns over there
        self._nonces: dict[int, int] = {}

    def stock(self, key: WalletKey, amount: int) -> None:
        """Tokens in the wallet, and the escrow allowed to pull them."""
        self.yard.send(self.owner, self.token.call("mint", key.address, amount))
        self.yard.send(key, self.token.call("approve", self.contract.address, 2**255))

    def open(self, name: str = "", *, function: str = "openChannel", expiration: int = FAR) -> int:
        """A channel over what a subscription reserves; its id."""
        yard, channel = self.yard, self.contract.read(self.yard, "nextChannelId")
        group = sha256(f"group {channel}".encode()).digest()
        terms = (yard.session.address, self.recipient.address, group, yard.load.reserved, expiration)
        yard.send(self.payer, self.contract.call(function, *terms), name)
        return int(channel)

    def claims(self, channels: list[int]) -> Call:
        """The next claim of each channel in one call."""
        signed = [self._claim(channel) for channel in channels]
        amounts, stay = [self.amount] * len(channels), [False] * len(channels)
        words = ([each[place] for each in signed] for place in range(3))
        return self.contract.call("multiChannelClaim", channels, amounts, amounts, stay, *words)

    def claim(self, channel: int) -> Call:
        """The next claim of one channel by itself."""
        return self.contract.call("channelClaim", channel, self.amount, self.amount, *self._claim(channel), False)

    def forget(self, channel: int) -> None:
        """The channel's next claim will be its last one again."""
        self._nonces[channel] -= 1

    def _claim(self, channel: int) -> Signature:
        nonce = self._nonces.get(channel, 0)
        self._nonces[channel] = nonce + 1
        words = b"".join(number.to_bytes(32) for number in (channel, nonce, self.amount))
        return self.sign(self.yard.session, b"__MPE_claim_message" + self._place + words)

    @property
    def _place(self) -> bytes:
        return from_hex(self.contract.address or "")

    def sign(self, key: WalletKey, packed: bytes) -> Signature:
        """EIP-191 over the keccak of a packed message."""
        word = key.sign_digest(keccak(b"\x19Ethereum Signed Message:\n32" + keccak(packed)))
        return word[64], word[:32], word[32:64]

    def third_party(self, group: str) -> Call:
        """A channel that the relayer opens, and pays, on the payer's word."""
        yard = self.yard
        label, number = sha256(group.encode()).digest(), len(group)
        addresses = (self._place, *(from_hex(key.address) for key in (yard.relayer, yard.session, self.recipient)))
        numbers = b"".join(each.to_bytes(32) for each in (yard.load.reserved, FAR, number))
        packed = b"__openChannelByThirdParty" + b"".join(addresses) + label + numbers
        terms = (self.payer.address, yard.session.address, self.recipient.address, label, yard.load.reserved, FAR)
        return self.contract.call("openChannelByThirdParty", *terms, number, *self.sign(self.payer, packed))

    def balance(self, key: WalletKey) -> int:
        """What the account holds in the escrow, outside channels."""
        return int(self.contract.read(self.yard, "balances", key.address))


def measure_singularitynet(yard: Yard) -> None:
    """All of the escrow's receipts, each named singularitynet_…"""
    escrow = Escrow(yard)
    _fund(escrow)
    channels = _opening(escrow)
    _claiming(escrow, channels)
    _spoilt_batch(escrow, channels)
    _life(escrow)
    _withdrawing(escrow)


def _fund(escrow: Escrow) -> None:
    yard, reserved = escrow.yard, escrow.yard.load.reserved
    needed = (LARGEST + 2 * BATCH) * reserved
    escrow.stock(escrow.payer, 2 * needed)
    escrow.stock(yard.relayer, 4 * reserved)
    for name, amount in (("deposit_first", needed), ("deposit", reserved)):
        yard.send(escrow.payer, escrow.contract.call("deposit", amount), f"singularitynet_{name}")
    yard.send(escrow.payer, escrow.contract.call("withdraw", reserved), "singularitynet_withdraw_of_deposit")
    yard.send(yard.relayer, escrow.contract.call("deposit", 3 * reserved))


def _opening(escrow: Escrow) -> list[int]:
    yard = escrow.yard
    channels = [escrow.open(name) for name in ("singularitynet_open_first", "", "singularitynet_open")]
    channels += [escrow.open() for _ in range(LARGEST + 1 - len(channels))]
    escrow.open("singularitynet_deposit_and_open", function="depositAndOpenChannel")
    for group, name in (("one", ""), ("other", "singularitynet_open_by_third_party")):
        yard.send(yard.relayer, escrow.third_party(group), name)
    return channels


def _claiming(escrow: Escrow, channels: list[int]) -> None:
    """The single channel twice, then batches over all the others as our market's: first, steady, and the curve."""
    yard, (single, *others) = escrow.yard, channels
    yard.send(escrow.recipient, escrow.claim(single))
    yard.send(escrow.recipient, escrow.claim(single), "singularitynet_claim")
    for start in range(0, LARGEST, BATCH):
        batch = others[start : start + BATCH]
        yard.send(escrow.recipient, escrow.claims(batch), "" if start else "singularitynet_claim_100_first")
    counts = (1, 10, BATCH, LARGEST)
    for count in counts:
        yard.send(escrow.recipient, escrow.claims(others[:count]), f"singularitynet_claim_{count}_in_batch")
    if escrow.balance(escrow.recipient) != (2 + LARGEST + sum(counts)) * escrow.amount:
        raise NotMeasured("the claims did not earn what they say")


def _spoilt_batch(escrow: Escrow, channels: list[int]) -> None:
    """A hundred claims, the last of them claimed before: the call fails, and with it all that were good."""
    yard, batch = escrow.yard, channels[1 : BATCH + 1]
    escrow.forget(batch[-1])
    before = escrow.balance(escrow.recipient)
    yard.send_doomed(escrow.recipient, escrow.claims(batch), 10_000_000, "singularitynet_claim_100_spoilt")
    if escrow.balance(escrow.recipient) != before:
        raise NotMeasured("a failed batch earned something")


def _life(escrow: Escrow) -> None:
    """Top-up, prolongation, and the payer's way out of a channel that nobody claimed."""
    yard, contract, reserved = escrow.yard, escrow.contract, escrow.yard.load.reserved
    channel = escrow.open(expiration=1)
    yard.send(escrow.payer, contract.call("channelAddFunds", channel, reserved), "singularitynet_add_funds")
    yard.send(escrow.payer, contract.call("channelClaimTimeout", channel), "singularitynet_claim_timeout")
    kept = escrow.open(expiration=FAR)
    longer = contract.call("channelExtendAndAddFunds", kept, FAR + 1, reserved)
    yard.send(escrow.payer, longer, "singularitynet_extend_and_add_funds")


def _withdrawing(escrow: Escrow) -> None:
    """The recipient takes a part, a second part, all: the last leaves an empty row, for which the chain gives back."""
    yard, part = escrow.yard, escrow.amount
    for name, amount in (
        ("singularitynet_withdraw_first", part),
        ("singularitynet_withdraw", part),
        ("singularitynet_withdraw_all", 0),
    ):
        wanted = amount or escrow.balance(escrow.recipient)
        yard.send(escrow.recipient, escrow.contract.call("withdraw", wanted), name)
    if escrow.balance(escrow.recipient):
        raise NotMeasured("the escrow kept something")


def _published(package: str, name: str) -> Foreign:
    entries, code = (
        json.loads((MODULES / package / part / f"{name}.json").read_text()) for part in ("abi", "bytecode")
    )
    return Foreign(entries, code)
