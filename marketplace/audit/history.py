"""The history itself, pure: are the events in order, each once, none about what was never made, no number left out?

Finding codes: events_disordered, event_orphaned, numbering_gap.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from ledger import events as chain_events
from ledger.events import ChainEvent
from ledger.values import model_of, plan_of, sequence_of, version_of
from marketplace.audit.facts import MarketFacts
from marketplace.audit.report import Finding


def check_history(events: Sequence[ChainEvent], market: MarketFacts) -> Iterator[Finding]:
    """What the contracts number without gaps must be here without gaps."""
    yield from _check_order(events)
    for entry in market.orphans:
        found = getattr(entry.event, "subscription_id", None)
        detail = f"{entry.name} in transaction {entry.tx_hash} is about something that no event before it made."
        yield Finding("event_orphaned", found, detail)
    for what, numbers in _numbers(events).items():
        missing = sorted(set(range(1, max(numbers) + 1)) - set(numbers))
        if missing:
            yield Finding("numbering_gap", None, f"{what}: number {missing[0]} was never made, {max(numbers)} was.")


def _check_order(events: Sequence[ChainEvent]) -> Iterator[Finding]:
    for one, following in pairwise(events):
        if (one.block_number, one.log_index) >= (following.block_number, following.log_index):
            where = f"block {following.block_number}, log {following.log_index}"
            yield Finding("events_disordered", None, f"{following.name} ({where}) does not come after {one.name}.")


def _numbers(events: Sequence[ChainEvent]) -> dict[str, list[int]]:
    """What is numbered from 1 on → the numbers that were given."""
    numbers: dict[str, list[int]] = defaultdict(list)
    for entry in events:
        match entry.event:
            case chain_events.ModelRegistered(model_id=model):
                numbers["models"].append(model)
            case chain_events.PlanPublished(plan_id=plan):
                numbers[f"plans of model {model_of(plan)}"].append(version_of(plan))
            case chain_events.Subscribed(subscription_id=found):
                numbers[f"subscriptions of plan {plan_of(found)}"].append(sequence_of(found))
            case chain_events.AssetMinted(asset_id=asset):
                numbers["assets"].append(asset)
    return numbers
