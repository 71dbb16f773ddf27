"""A contract's refusal in words: every custom error of every ABI, with what it means and what to do.

Called by chain and sender. `SENTENCES` holds one (sentence, remedy) for each error; `{name}` takes the error's values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from ledger import abi
from ledger.errors import NodeError, Reverted
from ledger.values import Status, from_hex, to_hex

_REASON = bytes.fromhex("08c379a0")  # Error(string)
_PANIC = bytes.fromhex("4e487b71")  # Panic(uint256)
_PANICS = {0x01: "a failed assertion", 0x11: "an overflow", 0x12: "a division by zero", 0x32: "an index out of range"}

_OWN = "Use the account that owns it."
_DEPLOYMENT = "Check that the deployment file belongs to this chain."
_TOKEN = "Check the credit's balance and allowance of the paying account."  # noqa: S105
_CLOCK = "Check the machine's clock, then sign afresh."

SENTENCES: dict[str, tuple[str, str]] = {
    # ModelCatalog
    "UnknownModel": ("No model has the id {modelId}.", "List the catalogue (`s4m catalog`) and take an id from it."),
    "UnknownPlan": ("No plan has the id {planId}.", "List the catalogue (`s4m catalog`) and take a plan from it."),
    "NotModelOwner": ("Model {modelId} belongs to {owner}, not to {caller}.", _OWN),
    "OutOfBounds": ("{field} is out of bounds: the limit is {limit}, given was {given}.", "Stay within the limit."),
    "PeriodWithoutPrice": (
        "The plan has a period of {period} s and a period price of {periodPrice}: both or neither must be zero.",
        "Give both, or neither.",
    ),
    "FloorWithoutUnitPrice": (
        "The plan promises a QoE floor of {qoeFloor} but has no unit price to discount.",
        "Set a unit price or drop the floor.",
    ),
    "SharesOnlyForComposites": ("Model {modelId} is no composite and cannot share earnings.", "Drop the shares."),
    "ComponentIsComposite": ("Component {modelId} is itself a composite.", "Name its components instead."),
    "ComponentRepeated": ("Component {modelId} is named twice.", "Name each component once."),
    "BelowAsk": (
        "Model {modelId} asks for {ask} basis points, {given} are offered.",
        "Offer at least what its owner asks.",
    ),
    "AlreadyRetired": ("Plan {planId} is already retired.", "Nothing needs doing."),
    "NeverAvailable": ("The owner of model {modelId} lets no composite use it.", "Choose another component."),
    # MaaSMarket
    "InsufficientBalance": (
        "The account lacks money: {needed} needed, {available} available.",
        "Deposit the difference or buy less.",
    ),
    "PlanIsRetired": ("Plan {planId} is closed to new buyers.", "Choose a newer plan of the model."),
    "ZeroSigner": ("The session signer is the zero address.", "Give the session key's address."),
    "SignerHasCode": ("The session signer {signer} is a contract.", "Use a plain key as session key."),
    "NothingBought": ("The order buys neither units nor periods.", "Set a cap, periods or both."),
    "WrongTotal": ("The order's total must be {expected}, not {given}.", "Ask for a fresh quote and sign that."),
    "WrongNonce": ("The order's nonce must be {expected}, not {given}.", "Ask for a fresh quote and sign that."),
    "OrderExpired": (
        "The order was good until {deadline}, now it is {nowAt} (UTC seconds).",
        "Ask for a fresh quote and sign that.",
    ),
    "BadSignature": ("The signature is not {expected}'s over exactly these values.", "Sign them with that key."),
    "NotBuyer": ("Only the buyer {expected} may do this, not {caller}.", "Use the buyer's wallet."),
    "WrongStatus": (
        "The subscription is {actual}, it must be {expected}.",
        "Look at it (`s4m subscriptions`) and choose what fits its state.",
    ),
    "TooEarly": ("This opens at {opensAt}, now it is {nowAt} (UTC seconds).", "Wait until then."),
    "TooLate": ("This closed at {closedAt}, now it is {nowAt} (UTC seconds).", "It cannot be done any more."),
    "Lapsed": ("The prepaid time ended at {paidThrough} (UTC seconds).", "Buy a new subscription."),
    "NoPeriods": ("Plan {planId} has no prepaid periods.", "Raise the cap instead."),
    "NothingProposed": ("No new signer is proposed for subscription {subscriptionId}.", "Propose one first."),
    "NotEntitledToShare": ("Model {modelId} has no share in plan {planId}.", "Draw from a plan that names it."),
    "NotPayee": (
        "The pay of {payee}, a contract, was asked for by {caller}.",
        "A contract draws its own pay: call payout from it.",
    ),
    "TokenMisbehaved": ("The token moved {received} where {expected} was due.", "Use a plain ERC-20 as money."),
    "Overflow": ("A value does not fit its field: {field}.", "Use a smaller value."),
    # DigitalAssets
    "ContentExists": ("This content already exists as asset {originalAssetId}.", "Refer to that asset; make no copy."),
    "SubscriptionNotActive": ("Subscription {subscriptionId} is not active.", "Mint while its service runs."),
    "BadProvenance": (
        "The provenance is not signed by the meter key {expectedMeterKey}.",
        "Fetch it from the gateway.",
    ),
    "NotAssetOwner": ("Asset {assetId} belongs to {owner}, not to {caller}.", _OWN),
    "NotListed": ("Asset {assetId} is not for sale.", "Ask its owner to list it."),
    "PriceChanged": ("The price is {actual}, not {expected}.", "Look at the new price and decide again."),
    "RentedUntil": ("Asset {assetId} is rented out until {expires} (UTC seconds).", "Wait until then."),
    "IsListed": ("Asset {assetId} is listed for sale.", "Unlist it first."),
    "ZeroPrice": ("The price is zero.", "Give a price above zero."),
    # IdentityRegistry
    "DomainExists": ("The trust domain {domainId} exists already.", "Use it, or another name."),
    "NotDomainOwner": ("The trust domain {domainId} belongs to {owner}, not to {caller}.", _OWN),
    "BadValidity": ("The validity {notBefore} to {notAfter} is empty or past.", "Give a later end."),
    "KeyExists": ("The key {publicKey} is enrolled already.", "Nothing needs doing."),
    "KeyUnknown": ("The key {publicKey} is not enrolled.", "Enrol it first."),
    "KeyAlreadyRevoked": ("The key {publicKey} is revoked already.", "Nothing needs doing."),
    "BadAssertion": ("The passkey's assertion does not prove this account and key.", "Repeat the registration."),
    "UnknownAttestation": ("There is no such attestation.", "Check issuer, account and claim type."),
    # MaaSCredit and the library's own
    "FaucetLimit": ("The faucet gives at most {limit} a call, {asked} were asked for.", "Ask several times."),
    "ERC20InsufficientBalance": ("{sender} has {balance} of the token, {needed} are needed.", _TOKEN),
    "ERC20InsufficientAllowance": ("{spender} may draw {allowance}, {needed} are needed.", "Approve or permit more."),
    "ERC20InvalidApprover": ("{approver} cannot approve.", _TOKEN),
    "ERC20InvalidReceiver": ("{receiver} cannot receive the token.", "Give another receiver."),
    "ERC20InvalidSender": ("{sender} cannot send the token.", _TOKEN),
    "ERC20InvalidSpender": ("{spender} cannot be a spender.", "Give another spender."),
    "ERC2612ExpiredSignature": ("The permit was good until {deadline} (UTC seconds).", _CLOCK),
    "ERC2612InvalidSigner": ("The permit is signed by {signer}, not by its owner {owner}.", "Sign it as its owner."),
    "InvalidAccountNonce": ("The permit's nonce of {account} must be {currentNonce}.", "Sign a fresh permit."),
    "ERC721IncorrectOwner": ("Token {tokenId} belongs to {owner}, not to {sender}.", _OWN),
    "ERC721InsufficientApproval": ("{operator} may not move token {tokenId}.", "Ask its owner to approve that."),
    "ERC721InvalidApprover": ("{approver} cannot approve this token.", _OWN),
    "ERC721InvalidOperator": ("{operator} cannot be an operator.", "Give another operator."),
    "ERC721InvalidOwner": ("{owner} cannot own tokens.", "Give another owner."),
    "ERC721InvalidReceiver": ("{receiver} cannot receive this token.", "Give another receiver."),
    "ERC721InvalidSender": ("{sender} cannot send this token.", _OWN),
    "ERC721NonexistentToken": ("There is no token {tokenId}.", "Check its id."),
    "ERC2981InvalidDefaultRoyalty": ("The royalty {numerator}/{denominator} is above one.", "Give less."),
    "ERC2981InvalidDefaultRoyaltyReceiver": ("{receiver} cannot receive royalties.", "Give another receiver."),
    "ERC2981InvalidTokenRoyalty": ("The royalty {numerator}/{denominator} is above one.", "Give less."),
    "ERC2981InvalidTokenRoyaltyReceiver": ("{receiver} cannot receive royalties.", "Give another receiver."),
    "SafeERC20FailedOperation": ("The token {token} refused to move money.", _TOKEN),
    "ReentrancyGuardReentrantCall": ("The token called back into the market.", "Use a plain ERC-20 as money."),
    "ECDSAInvalidSignature": ("The signature is not one.", "Sign again."),
    "ECDSAInvalidSignatureLength": ("The signature has {length} bytes.", "Pass all 65 bytes (r, s, v)."),
    "ECDSAInvalidSignatureS": ("The signature is malleable (high s).", "Sign with a current library."),
    "InvalidShortString": ("A stored name is broken.", _DEPLOYMENT),
    "StringTooLong": ("The text is too long: {str}.", "Use a shorter one."),
}


def reverted(error: NodeError) -> Reverted | None:
    """The contract's refusal in a node's error; None where the error is the node's own."""
    if error.data.startswith("0x") and len(error.data) > 2:
        return decode_revert(from_hex(error.data))
    if error.number == 3 or "revert" in error.reason.lower():
        return decode_revert(b"")
    return None


def decode_revert(data: bytes) -> Reverted:
    """The named error in what a reverting call returned."""
    selector, body = data[:4], data[4:]
    try:
        if selector == _REASON:
            return _of_reason(str(decode(["string"], body)[0]))
        if selector == _PANIC:
            return _of_panic(int(decode(["uint256"], body)[0]))
        entry = _errors().get(selector)
        if entry is not None:
            return _of_entry(entry, entry.decode_input(body))
    except DecodingError:
        pass  # falls through to the unknown: these bytes only look like a known error
    return _unknown(data)


@cache
def _errors() -> dict[bytes, abi.Entry]:
    """Selector → error of all contracts."""
    found: dict[bytes, abi.Entry] = {}
    for contract in abi.CONTRACTS.values():
        found.update(abi.load(contract).errors)
    return found


def _of_entry(entry: abi.Entry, values: tuple[Any, ...]) -> Reverted:
    names = [param["name"] for param in entry.inputs]
    arguments = {name: _shown(entry.name, value) for name, value in zip(names, values, strict=True)}
    sentence, remedy = SENTENCES.get(entry.name, (f"The contract refused: {entry.name}.", "See the contract's docs."))
    return Reverted(entry.name, arguments, sentence.format_map(_Named(arguments)), remedy, snake_case(entry.name))


class _Named(dict[str, object]):
    """Values for a sentence; a name that the ABI lacks shows as a question mark."""

    def __init__(self, values: Mapping[str, object]) -> None:
        super().__init__(values)

    def __missing__(self, key: str) -> object:
        return "?"


def _shown(error: str, value: Any) -> object:
    if error == "WrongStatus":
        return Status(value).name.lower()
    if isinstance(value, bytes):
        text = value.rstrip(b"\x00")
        return text.decode() if text and text.isascii() and text.decode().isprintable() else to_hex(value)
    return value


def _of_reason(reason: str) -> Reverted:
    message = f"The contract refused: {reason}."
    return Reverted("Error", {"reason": reason}, message, "Correct what the reason names.", "reverted")


def _of_panic(number: int) -> Reverted:
    what = _PANICS.get(number, f"panic {number:#x}")
    return Reverted("Panic", {"code": number}, f"The contract hit {what}.", "Report this with its inputs.", "panic")


def _unknown(data: bytes) -> Reverted:
    shown = to_hex(data) if data else "nothing"
    message = f"The call was refused without a reason that is known here (it returned {shown})."
    return Reverted("Unknown", {"data": to_hex(data)}, message, _DEPLOYMENT, "reverted")


def snake_case(name: str) -> str:
    """WrongTotal → wrong_total; ERC20InvalidSender → erc20_invalid_sender."""
    spaced = re.sub(r"([A-Z]+)([A-Z][a-z])|([a-z0-9])([A-Z])", r"\1\3_\2\4", name)
    return spaced.lower()
