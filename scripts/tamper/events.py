"""Events falsified by a lying node: amounts, roots, parties changed, events hidden or told twice, answers invented.

Each function gets the ground and gives the lie that the node tells (`liar.py`).
"""

from __future__ import annotations

from typing import Any

from eth_utils.crypto import keccak

from ledger.evidence import block_hash, receipts_root
from scripts.tamper.case import Cases, Ground
from scripts.tamper.liar import Lie
from scripts.tamper.raw import field_set, in_logs, twice, without

EVENTS = Cases("events")
NODE = Cases("node")
MARKET, CATALOG, ASSETS, IDENTITY = "MaaSMarket", "ModelCatalog", "DigitalAssets", "IdentityRegistry"
STRANGER = "0x" + "77" * 20


def _market(event: str, field: str, value: Any, pick: int = -1) -> Lie:
    return in_logs(MARKET, event, field_set(MARKET, event, field, value), pick)


@EVENTS.case("amount_differs")
def settled_amount_raised(_: Ground) -> Lie:
    """A settlement is said to have moved more money than its units cost."""
    return _market("Settled", "amount", lambda before: before + 1)


@EVENTS.case("settlement_differs")
def settled_units_raised(_: Ground) -> Lie:
    """A settlement is said to be over more units than the voucher."""
    return _market("Settled", "units", lambda before: before + 1)


@EVENTS.case("settlement_differs")
def settled_root_replaced(_: Ground) -> Lie:
    """A settlement is said to stand on another log's root."""
    return _market("Settled", "usageRoot", "0x" + "99" * 32)


@EVENTS.case("state_differs")
def settlement_hidden(_: Ground) -> Lie:
    """The last settlement is not told."""
    return without(MARKET, "Settled")


@EVENTS.case("events_disordered")
def settlement_told_twice(_: Ground) -> Lie:
    """A settlement is told twice."""
    return twice(MARKET, "Settled")


@EVENTS.case("reserved_differs")
def reserved_lowered(_: Ground) -> Lie:
    """A purchase is said to have reserved less than cap and periods cost."""
    return _market("Subscribed", "reserved", lambda before: before - 1)


@EVENTS.case("order_differs", second=False)
def buyer_replaced(_: Ground) -> Lie:
    """A purchase is said to be somebody else's."""
    return _market("Subscribed", "buyer", STRANGER)


@EVENTS.case("order_differs", second=False)
def request_of_purchase_replaced(_: Ground) -> Lie:
    """A purchase is said to be for another request document than the buyer signed."""
    return _market("Subscribed", "requirementsHash", "0x" + "12" * 32)


@EVENTS.case("event_orphaned")
def purchase_hidden(_: Ground) -> Lie:
    """A purchase is not told, what was settled for it is."""
    return without(MARKET, "Subscribed", 0)


@EVENTS.case("order_signature_wrong", second=False)
def order_forged(_: Ground) -> Lie:
    """The signature in the transaction behind a purchase is another's."""
    return _in_transactions("buyFor", lambda data: _without_signature(data))


@EVENTS.case("activation_differs", second=False)
def endpoint_replaced(_: Ground) -> Lie:
    """A handover is said to be of another endpoint than the session key signed for."""
    return _market("Activated", "endpointHash", "0x" + "34" * 32)


@EVENTS.case("time_differs")
def paid_time_lengthened(_: Ground) -> Lie:
    """A subscription is said to be paid for longer than its periods."""
    return _market("Activated", "paidThrough", lambda before: before + 3_600)


@EVENTS.case("state_differs")
def deposit_inflated(_: Ground) -> Lie:
    """A deposit is said to be higher than what came in."""
    return _market("Deposited", "amount", lambda before: before + 1_000)


@EVENTS.case("state_differs")
def withdrawal_hidden(_: Ground) -> Lie:
    """A withdrawal is not told: the account would still have the money."""
    return without(MARKET, "Withdrawn")


@EVENTS.case("time_differs")
def time_overcharged(_: Ground) -> Lie:
    """More is said to have been taken for time than has passed."""
    return _market("TimeCollected", "amount", lambda before: before + 5)


@EVENTS.case("refund_differs")
def refund_lowered(_: Ground) -> Lie:
    """A released buyer is said to have got less back than was left."""
    return _market("Released", "refunded", lambda before: before - 10)


@EVENTS.case("time_differs")
def unused_time_kept(_: Ground) -> Lie:
    """Less unused time is said to have been given back on a release."""
    return _market("ReleaseRequested", "timeRefunded", lambda before: max(0, before - 10), 0)


@EVENTS.case("payout_differs")
def payout_raised(_: Ground) -> Lie:
    """An owner is said to have drawn more than the rest of what was earned."""
    return _market("PaidOut", "amount", lambda before: before + 1)


@EVENTS.case("payee_differs", second=False)
def payout_redirected(_: Ground) -> Lie:
    """A payout is said to have gone to somebody who does not own the model."""
    return _market("PaidOut", "to", STRANGER)


@EVENTS.case("payout_differs")
def share_lowered(_: Ground) -> Lie:
    """A component's owner is said to have got less than its share."""
    return _market("SharePaidOut", "amount", lambda before: before - 1)


@EVENTS.case("reserved_differs")
def price_lowered(_: Ground) -> Lie:
    """A plan is said to have a lower price than was charged."""
    return in_logs(CATALOG, "PlanPublished", field_set(CATALOG, "PlanPublished", "unitPrice", lambda b: b - 1))


@EVENTS.case("terms_missing", second=False)
def terms_replaced(_: Ground) -> Lie:
    """A plan is said to be by other terms: nobody has a document of that hash."""
    return in_logs(CATALOG, "PlanPublished", field_set(CATALOG, "PlanPublished", "termsHash", "0x" + "56" * 32))


@EVENTS.case("provenance_wrong", second=False)
def creator_replaced(_: Ground) -> Lie:
    """An asset is said to have been made by somebody else."""
    return in_logs(ASSETS, "AssetMinted", field_set(ASSETS, "AssetMinted", "creator", STRANGER))


@EVENTS.case("provenance_wrong", second=False)
def content_replaced(_: Ground) -> Lie:
    """An asset is said to have another content than the gateway vouched for."""
    return in_logs(ASSETS, "AssetMinted", field_set(ASSETS, "AssetMinted", "contentHash", "0x" + "78" * 32))


@EVENTS.case("asset_origin_wrong", second=False)
def origin_replaced(ground: Ground) -> Lie:
    """An asset is said to come from a subscription that was not active."""
    never = int(ground.mark.subscription_id) + 40
    return in_logs(ASSETS, "AssetMinted", field_set(ASSETS, "AssetMinted", "subscriptionId", never))


@EVENTS.case("asset_sale_differs", second=False)
def sale_price_lowered(_: Ground) -> Lie:
    """An asset is said to have been sold for less than it was offered at."""
    return in_logs(ASSETS, "AssetSold", field_set(ASSETS, "AssetSold", "price", lambda before: before - 1))


@EVENTS.case("asset_owner_differs", second=False)
def asset_sale_hidden(ground: Ground) -> Lie:
    """The transfer behind a sale is not told."""
    return without(ASSETS, "Transfer", 3, ground.market.deployment.assets)


@EVENTS.case("state_differs", second=False)
def asset_gift_hidden(ground: Ground) -> Lie:
    """That an asset was given away is not told."""
    return without(ASSETS, "Transfer", -2, ground.market.deployment.assets)


@EVENTS.case("state_differs", second=False)
def model_sale_hidden(ground: Ground) -> Lie:
    """That a model has a new owner is not told."""
    return without(CATALOG, "Transfer", -1, ground.market.deployment.catalog)


@EVENTS.case("domain_differs", second=False)
def domain_taken_over(_: Ground) -> Lie:
    """A trust domain is said to be another's."""
    return in_logs(IDENTITY, "DomainCreated", field_set(IDENTITY, "DomainCreated", "owner", STRANGER))


@EVENTS.case("key_differs", second=False)
def other_key_revoked(_: Ground) -> Lie:
    """Another component key is said to have been revoked: the revoked one would still be good."""
    change = field_set(IDENTITY, "ComponentKeyRevoked", "publicKey", "0x" + "9a" * 32)
    return in_logs(IDENTITY, "ComponentKeyRevoked", change)


@EVENTS.case("balance_differs")
def balance_overstated(ground: Ground) -> Lie:
    """The market is said to hold more of the token than came in."""
    asked = "0x70a08231" + ground.market.deployment.market[2:].lower().rjust(64, "0")

    def lie(method: str, params: list[Any], result: Any) -> Any:
        return f"0x{int(result, 16) + 1_000:064x}" if method == "eth_call" and params[0]["data"] == asked else result

    return lie


@NODE.case("logs_differ", second=False)
def log_altered(_: Ground) -> Lie:
    """A log is altered that no sum depends on (an attestation's commitment); its receipt is not."""
    return in_logs(IDENTITY, "Attested", field_set(IDENTITY, "Attested", "commitment", 5))


@NODE.case("logs_differ", second=False)
def log_left_out(_: Ground) -> Lie:
    """A log is left out that no sum depends on."""
    return without(IDENTITY, "Attested")


@NODE.case("receipts_differ", second=False)
def receipt_altered(_: Ground) -> Lie:
    """A log and its receipt are altered alike; the header's receipts root is not."""
    return in_logs(IDENTITY, "Attested", field_set(IDENTITY, "Attested", "commitment", 5), everywhere=True)


@NODE.case("block_hash_wrong", second=False)
def header_altered(ground: Ground) -> Lie:
    """Log, receipt and the header's receipts root are altered alike; the block's hash is not."""
    return _with_header(ground, rehash=False)


@NODE.case("chain_broken", second=False)
def block_replaced(ground: Ground) -> Lie:
    """Log, receipt, header and the block's hash are altered alike; the next block names the true one."""
    return _with_header(ground, rehash=True)


def _with_header(ground: Ground, *, rehash: bool) -> Lie:
    lie = in_logs(IDENTITY, "Attested", field_set(IDENTITY, "Attested", "commitment", 5), everywhere=True)
    topic = "0x" + keccak(b"Attested(address,address,bytes32,bytes32,uint64)").hex()
    (log,) = ground.market.chain.request("eth_getLogs", [{"fromBlock": "0x0", "topics": [topic]}])[-1:]
    receipts = ground.market.chain.request("eth_getBlockReceipts", [log["blockNumber"]])
    root = "0x" + receipts_root(lie("eth_getBlockReceipts", [], receipts)).hex()

    def with_header(method: str, params: list[Any], result: Any) -> Any:
        result = lie(method, params, result)
        if method == "eth_getBlockByNumber" and result and result["number"] == log["blockNumber"]:
            result = {**result, "receiptsRoot": root}
            return {**result, "hash": "0x" + block_hash(result).hex()} if rehash else result
        return result

    return with_header


def _in_transactions(function: str, change: Any) -> Lie:
    """Changes the call data of every transaction that calls this function of the market."""
    from ledger import abi

    selector = "0x" + abi.load(MARKET).functions[function].hash[:4].hex()

    def lie(method: str, _params: list[Any], result: Any) -> Any:
        if method != "eth_getTransactionByHash" or not result or not result["input"].startswith(selector):
            return result
        return {**result, "input": change(result["input"])}

    return lie


def _without_signature(data: str) -> str:
    """The call data of buyFor with one digit of the signature changed: it lies right behind its length, 65."""
    at = data.index(f"{65:064x}") + 64 + 20
    return data[:at] + ("0" if data[at] != "0" else "1") + data[at + 1 :]
