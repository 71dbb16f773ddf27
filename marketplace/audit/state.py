"""The events against the contracts' own state, both at one block: what was left out of the one shows in the other.

Asks the node in few round trips. Finding codes: state_differs, balance_differs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ledger.contracts import Contracts
from ledger.contracts.token import TokenContract
from ledger.errors import NodeError
from ledger.events import AssetTransferred, ChainEvent, CreditTransferred, ModelTransferred
from ledger.structs import Subscription
from ledger.values import ZERO_ADDRESS, Address, BlockStamp
from marketplace.audit.facts import MarketFacts, SubscriptionFacts
from marketplace.audit.report import Finding


def check_state(
    contracts: Contracts, market: MarketFacts, events: Iterable[ChainEvent], block: BlockStamp
) -> Iterator[Finding]:
    """Every subscription, account, plan's till, model and asset."""
    known = list(events)
    yield from _check_owners(contracts.catalog, _owners(known, ModelTransferred, "model_id"), block)
    yield from _check_owners(contracts.assets, _owners(known, AssetTransferred, "asset_id"), block)
    ids = list(market.subscriptions)
    for found, stored in zip(ids, contracts.market.subscriptions(ids, block), strict=True):
        yield from _check_subscription(market.subscriptions[found], stored)
    accounts = [Address(account) for account in market.accounts]
    for account, row in zip(accounts, contracts.market.accounts_of(accounts, block), strict=True):
        if row.balance != market.accounts[account]:
            detail = f"account {account} has {row.balance}, its events make {market.accounts[account]}."
            yield Finding("state_differs", None, detail)
    plans = list(market.plans)
    for plan, till in zip(plans, contracts.market.earnings(plans, block), strict=True):
        if (till.earned, till.paid) != (market.earnings[plan], market.drawn[plan]):
            detail = f"plan {plan} earned {till.earned} and paid {till.paid}, its events make "
            yield Finding("state_differs", None, f"{detail}{market.earnings[plan]} and {market.drawn[plan]}.")


def _check_subscription(one: SubscriptionFacts, stored: Subscription) -> Iterator[Finding]:
    told = {"buyer": one.buyer, "signer": one.signers[-1], "cap": one.cap, "used": one.used, "since": one.since}
    if not one.requested:
        told["paid_through"] = one.paid_through
    for name, value in told.items():
        if getattr(stored, name) != value:
            detail = f"{name} is {getattr(stored, name)}, its events make {value}."
            yield Finding("state_differs", one.subscription_id, detail)


def _owners(events: Iterable[ChainEvent], kind: type, name: str) -> dict[int, Address]:
    """Token → its owner after these transfers; burned ones left out."""
    owners = {
        int(getattr(entry.event, name)): entry.event.owner
        for entry in events
        if isinstance(entry.event, ModelTransferred | AssetTransferred) and isinstance(entry.event, kind)
    }
    return {token: owner for token, owner in owners.items() if owner != ZERO_ADDRESS}


def _check_owners(contract: TokenContract, owners: dict[int, Address], block: BlockStamp) -> Iterator[Finding]:
    try:
        stored = contract.owners_of(list(owners), block)
    except NodeError as error:  # ownerOf reverts for what does not exist
        yield Finding("state_differs", None, f"{contract.WORD}: something is owned that the contract lacks ({error}).")
        return
    for (token, owner), told in zip(owners.items(), stored, strict=True):
        if owner != told:
            yield Finding("state_differs", None, f"{contract.WORD} {token} is {told}'s, its events make it {owner}'s.")


def check_balance(contracts: Contracts, first: int, block: BlockStamp) -> Iterator[Finding]:
    """The token's own transfers to and from the market, from block `first` on, make its balance."""
    market = contracts.deployment.market
    balance = contracts.credit.balance_of(market, block=block)
    into = _moved(contracts, first, block.number, [None, market])
    out = _moved(contracts, first, block.number, [market])
    if into - out != balance:
        yield Finding("balance_differs", None, f"the market holds {balance}, its transfers make {into - out}.")


def _moved(contracts: Contracts, first: int, last: int, parties: Sequence[Address | None]) -> int:
    found = contracts.credit.transfers(first, last, parties)
    return sum(entry.event.amount for entry in found if isinstance(entry.event, CreditTransferred))
