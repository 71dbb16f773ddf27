"""The gas table: which figure comes from which transaction, its bar, and whom it stands beside.

Called by scripts/bench_gas.py. Everything here follows from the raw receipts alone: `figures(raw)` needs no node. Bars
are those of the contracts' design; a *guard* is the value that was measured when the figure was added, rounded up, so
that a change that makes a call dearer is seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scripts.bench import Figure, figure

Raw = Mapping[str, Any]

SIGNATURE = 3_000  # the ecrecover precompile
READ = 2_100  # a cold slot, EIP-2929
REWRITE = 5_000  # a cold slot from non-zero to non-zero, EIP-2929 and EIP-2200
SKIPPED = 375 + 2 * 375 + 8 * 32  # a log of two topics and one word
SETTLED = 375 + 2 * 375 + 8 * 96  # a log of two topics and three words
TRANSACTION, ZERO, NON_ZERO = 21_000, 4, 16  # intrinsic gas, EIP-2028


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: gas of transaction `of` (the figure's own name, where none is given), divided by `per`.

    `least` is what the protocol alone takes of each item, besides its part of the transaction and of its calldata.
    """

    load: str
    bar: float
    beside: str = ""
    of: str = ""
    per: int = 1
    least: int = 0
    guard: bool = False
    published: str = ""


@dataclass(frozen=True, slots=True)
class Peer:
    """Somebody else's transaction of the same run, divided by `per`; `note` says what the comparison leaves out."""

    label: str
    note: str
    per: int = 1

    @property
    def what(self) -> str:
        return f"{self.label}: {self.note}"


CLAIMS = "all of one recipient, who alone may claim; no proof of usage; one bad claim reverts the whole call"
PEERS: dict[str, Peer] = {
    "singularitynet_claim": Peer(
        "SingularityNET channelClaim, steady", "only the recipient may claim; no proof of usage"
    ),
    "singularitynet_claim_1_in_batch": Peer("SingularityNET multiChannelClaim of 1", CLAIMS),
    "singularitynet_claim_10_in_batch": Peer("SingularityNET multiChannelClaim of 10, a claim", CLAIMS, 10),
    "singularitynet_claim_100_in_batch": Peer("SingularityNET multiChannelClaim of 100, a claim", CLAIMS, 100),
    "singularitynet_claim_500_in_batch": Peer("SingularityNET multiChannelClaim of 500, a claim", CLAIMS, 500),
    "singularitynet_claim_100_first": Peer(
        "SingularityNET multiChannelClaim of 100, first, a claim", "each channel's nonce leaves zero", 100
    ),
    "singularitynet_claim_100_spoilt": Peer(
        "SingularityNET multiChannelClaim of 100, the last claimed before, a claim",
        "the call reverts whole: 99 good claims earn nothing and all the gas is lost",
        100,
    ),
    "singularitynet_open": Peer(
        "SingularityNET openChannel, steady", "from the payer's deposit; no plan, no price, no prepaid time"
    ),
    "singularitynet_open_first": Peer(
        "SingularityNET openChannel, the escrow's first", "the count of channels leaves zero"
    ),
    "singularitynet_deposit_and_open": Peer(
        "SingularityNET depositAndOpenChannel", "pulls the money from the payer, who sends it; approved before"
    ),
    "singularitynet_open_by_third_party": Peer(
        "SingularityNET openChannelByThirdParty, steady",
        "on the payer's signature, but paid from the relayer's deposit: pulls no money, takes no permit",
    ),
    "singularitynet_deposit": Peer("SingularityNET deposit, steady", "another token (AGIX), approved before"),
    "singularitynet_deposit_first": Peer("SingularityNET deposit, the escrow's first", "both balances leave zero"),
    "singularitynet_withdraw_of_deposit": Peer(
        "SingularityNET withdraw, by a payer, of a part", "another token (AGIX)"
    ),
    "singularitynet_withdraw_first": Peer(
        "SingularityNET withdraw, by the recipient, its first", "of a part; to the caller only"
    ),
    "singularitynet_withdraw": Peer("SingularityNET withdraw, by the recipient, of a part", "to the caller only"),
    "singularitynet_withdraw_all": Peer(
        "SingularityNET withdraw, by the recipient, of everything",
        "to the caller only; the emptied row gives gas back here and costs 17,100 more at the next claim",
    ),
    "singularitynet_add_funds": Peer("SingularityNET channelAddFunds", "from the sender's deposit"),
    "singularitynet_extend_and_add_funds": Peer(
        "SingularityNET channelExtendAndAddFunds", "longer and with more money; their time has no price"
    ),
    "singularitynet_claim_timeout": Peer(
        "SingularityNET channelClaimTimeout", "by the payer only, of a channel never claimed"
    ),
    "singularitynet_deploy": Peer("SingularityNET MultiPartyEscrow", "solc 0.6, as published in npm"),
    "record_as_log": Peer(
        "one transaction a record, as a bare log",
        "the 100 bytes of the record, by a contract of 8 bytes that checks nothing: no contract that writes a "
        "record a transaction can be cheaper",
    ),
    "record_as_transfer": Peer("one transaction a record, as an ERC-20 transfer", "MaaSCredit, steady"),
    "record_as_burn": Peer(
        "one transaction a record, as an ERC-1155 burn", "OpenZeppelin's ERC1155PresetMinterPauser 3.4.2, steady"
    ),
}

VOUCHER = SIGNATURE + REWRITE + SETTLED
GROUPS: dict[str, dict[str, Row]] = {
    "Settlement": {
        "settle_100_per_voucher": Row(
            "100 vouchers, one plan, steady", 15_000, "singularitynet_claim_100_in_batch", "settle_100", 100,
            VOUCHER + REWRITE // 100,
            published="x402 batch 19,205 to 21,642; The Graph, one RAV 131,278",
        ),
        "settle_100_plans_per_voucher": Row(
            "100 vouchers, 100 plans, steady", 20_000, "singularitynet_claim_100_in_batch", "settle_100_plans", 100,
            VOUCHER + REWRITE,
        ),
        "settle_1": Row(
            "1 voucher, steady", 42_000, "singularitynet_claim", least=VOUCHER + REWRITE,
            published="x402 48,435",
        ),
        "settle_10_per_voucher": Row(
            "10 vouchers, one plan, steady", 17_000, "singularitynet_claim_10_in_batch", "settle_10", 10,
            VOUCHER + REWRITE // 10, guard=True,
        ),
        "settle_500_per_voucher": Row(
            "500 vouchers, one plan, steady", 14_000, "singularitynet_claim_500_in_batch", "settle_500", 500,
            VOUCHER + REWRITE // 500, guard=True,
        ),
        "settle_100_first_per_voucher": Row(
            "100 vouchers, one plan, the first of each subscription", 14_000, "singularitynet_claim_100_first",
            "settle_100_first", 100, VOUCHER + REWRITE // 100, guard=True,
        ),
        "stale_in_batch": Row(
            "100 stale vouchers", 6_500, "singularitynet_claim_100_spoilt", "stale_100", 100, READ + SKIPPED,
        ),
        "record_at_10000": Row(
            "10,000 records in each of 100 vouchers", 1.5, "record_as_log", "settle_100", 1_000_000,
            published="one transaction a record 29,757; ERC-1155 burn 30,603",
        ),
        "prove_record_2_20": Row("log of 2^20 records; the view, sent as a transaction", 85_000),
        "collect_100_per_item": Row(
            "time of 100 subscriptions of one plan, steady", 12_000, of="collect_100", per=100, guard=True
        ),
    },
    "Buying": {
        "buy_funded": Row(
            "account funded, steady", 95_000, "singularitynet_open",
            published="Filecoin Pay createRail 246,341",
        ),
        "buy_funded_first": Row(
            "account funded, first of its plan", 115_000, "singularitynet_open_first", published="Sablier 127,027"
        ),
        "buy_relayed_permit": Row("order and permit, steady", 140_000, "singularitynet_open_by_third_party"),
        "buy_relayed_permit_first": Row(
            "order and permit, first of its buyer", 175_000, "singularitynet_open_by_third_party"
        ),
    },
    "Money": {
        "payout": Row(
            "one plan, everything earned, by its owner, steady", 52_000, "singularitynet_withdraw_all",
            published="Sablier withdraw 45,945",
        ),
        "payout_first": Row(
            "one plan, the owner's first money", 73_000, "singularitynet_withdraw_first", guard=True
        ),
        "payout_by_another": Row("the same for an owner without code, by anyone", 56_000, guard=True),
        "payout_of_composite": Row("the composite's own part, steady", 66_000, guard=True),
        "payout_share": Row("one component of a composite, steady", 66_000, guard=True),
        "deposit": Row("approved before, steady", 53_000, "singularitynet_deposit", guard=True),
        "deposit_first": Row("approved before, the market's first", 87_000, "singularitynet_deposit_first", guard=True),
        "withdraw": Row("a part of the account", 46_000, "singularitynet_withdraw_of_deposit", guard=True),
    },
    "A subscription's life": {
        "activate": Row("by a relayer, not the plan's first", 46_000, guard=True),
        "raise_cap": Row("from a funded account", 39_000, "singularitynet_add_funds", guard=True),
        "renew": Row("one period, from a funded account", 41_000, "singularitynet_extend_and_add_funds", guard=True),
        "propose_signer": Row("by the buyer", 62_000, guard=True),
        "confirm_signer": Row("after the window", 30_000, guard=True),
        "request_release": Row("settles the time, starts the window", 57_000, guard=True),
        "release": Row("after the window, by anyone", 40_000, guard=True),
        "refund": Row("never activated, by anyone", 40_000, "singularitynet_claim_timeout", guard=True),
    },
    "Catalogue": {
        "register_model": Row("not composite; the catalogue's first", 188_000, guard=True),
        "publish_plan": Row("second version", 106_000, guard=True),
        "publish_plan_of_composite": Row("one component", 156_000, guard=True),
    },
    "Assets": {
        "mint_asset": Row("by a relayer, the creator's second", 256_000, guard=True),
        "mint_asset_first": Row("by a relayer, the creator's first", 273_000, guard=True),
        "list_asset": Row("by its owner", 51_000, guard=True),
        "sell_asset": Row("the creator sells, the buyer's first", 68_000, guard=True),
    },
    "Identity": {
        "register_passkey": Row("P-256 by the chain's precompile (osaka)", 89_000, guard=True),
        "register_passkey_solidity": Row("P-256 in Solidity, without the precompile (prague)", 330_000, guard=True),
        "create_domain": Row("an operator's trust domain", 48_000, guard=True),
        "enrol_key": Row("a component's second key", 102_000, guard=True),
        "enrol_key_first": Row("a component's first key", 119_000, guard=True),
        "attest": Row("an issuer's first about an account", 71_000, guard=True),
    },
    "Deployment": {
        "deploy_market": Row("MaaSMarket", 4_700_000, "singularitynet_deploy", guard=True),
        "deploy_catalog": Row("ModelCatalog", 2_730_000, guard=True),
        "deploy_assets": Row("DigitalAssets", 2_300_000, guard=True),
        "deploy_identity": Row("IdentityRegistry", 1_910_000, guard=True),
        "deploy_credit": Row("MaaSCredit, on devnets only", 950_000, guard=True),
    },
}  # fmt: skip
ROWS: dict[str, Row] = {name: row for group in GROUPS.values() for name, row in group.items()}


def figures(raw: Raw) -> list[Figure]:
    """All figures, from the receipts alone."""
    return [_figure(raw, name, row) for name, row in ROWS.items()]


def recipes() -> dict[str, dict[str, Any]]:
    """How each figure is computed: gasUsed of a transaction, divided. It goes with the raw receipts."""
    return {
        name: {
            "gasUsedOf": row.of or name,
            "dividedBy": row.per,
            "against": {"gasUsedOf": row.beside, "dividedBy": PEERS[row.beside].per} if row.beside else None,
        }
        for name, row in ROWS.items()
    }


def gas_of(raw: Raw, transaction: str, per: int = 1) -> float:
    """Gas of a transaction by its name, divided; whole where it is whole, else to the thousandth."""
    (found,) = (each for each in raw["transactions"] if each["name"] == transaction)
    used: int = found["gasUsed"]
    return used // per if used % per == 0 else round(used / per, 3)


def protocol_alone(raw: Raw, name: str) -> float | None:
    """The least that each item could take on this protocol: transaction, calldata, signature, one slot, one log."""
    row = ROWS[name]
    if not row.least:
        return None
    (found,) = (each for each in raw["transactions"] if each["name"] == (row.of or name))
    size, zeros = int(found["calldataBytes"]), int(found["calldataZeros"])
    return round((TRANSACTION + ZERO * zeros + NON_ZERO * (size - zeros)) / row.per + row.least, 3)


def _figure(raw: Raw, name: str, row: Row) -> Figure:
    against = None
    if row.beside:
        peer = PEERS[row.beside]
        against = (peer.what, gas_of(raw, row.beside, peer.per))
    value = gas_of(raw, row.of or name, row.per)
    return figure(name, value, "gas", row.load, ("<=", row.bar), against)
