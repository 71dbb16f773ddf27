"""Who was paid what, pure: every payout recomputed from what the plan had earned by then, to the model's owner then.

Finding codes: payout_differs, payee_differs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ledger import events as chain_events
from ledger.events import ChainEvent
from ledger.structs import Share
from ledger.values import ZERO_ADDRESS, model_of, plan_of
from marketplace.audit.report import Finding

WHOLE_BPS = 10_000


@dataclass
class _Tills:
    """What was earned, drawn and owned so far."""

    shares: dict[int, tuple[Share, ...]] = field(default_factory=dict)
    owners: dict[int, str] = field(default_factory=dict)
    earned: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    drawn: dict[tuple[int, int], int] = field(default_factory=lambda: defaultdict(int))

    def due(self, plan: int, model: int) -> int:
        """What this model may draw of the plan now: its share rounded down; the plan's own model, the rest."""
        shares, earned = self.shares.get(plan, ()), self.earned[plan]
        if model == model_of(plan):
            part = earned - earned * sum(share.bps for share in shares) // WHOLE_BPS
        else:
            part = earned * sum(share.bps for share in shares if share.model_id == model) // WHOLE_BPS
        return part - self.drawn[plan, model]


def check_payouts(events: Iterable[ChainEvent]) -> Iterator[Finding]:
    """Each payout of the whole history."""
    tills = _Tills()
    for entry in events:
        match entry.event:
            case chain_events.PlanPublished(plan_id=plan, shares=shares):
                tills.shares[plan] = shares
            case chain_events.ModelTransferred(owner=owner, model_id=model):
                tills.owners[model] = owner
            case chain_events.Settled(subscription_id=found, amount=amount):
                tills.earned[plan_of(found)] += amount
            case chain_events.TimeCollected(subscription_id=found, amount=amount):
                tills.earned[plan_of(found)] += amount
            case chain_events.ReleaseRequested(subscription_id=found, time_paid=amount):
                tills.earned[plan_of(found)] += amount
            case chain_events.PaidOut(plan_id=plan, to=to, amount=amount):
                yield from _check(tills, plan, model_of(plan), to, amount)
            case chain_events.SharePaidOut(plan_id=plan, model_id=model, to=to, amount=amount):
                yield from _check(tills, plan, model, to, amount)


def _check(tills: _Tills, plan: int, model: int, to: str, amount: int) -> Iterator[Finding]:
    due, owner = tills.due(plan, model), tills.owners.get(model, ZERO_ADDRESS)
    what = f"plan {plan}, model {model}"
    if amount != due:
        yield Finding("payout_differs", None, f"{what}: {amount} was paid out, {due} was due.")
    if to != owner:
        yield Finding("payee_differs", None, f"{what}: {to} was paid, the model's owner was {owner}.")
    tills.drawn[plan, model] += amount
