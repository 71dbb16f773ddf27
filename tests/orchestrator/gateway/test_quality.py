"""What a plan's users got, counted over the records of its subscriptions and no others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.usage_log import UsageRecord
from ledger.values import SubscriptionId, Units
from orchestrator.gateway.store import Kept, Quality, UsageStore

BORDER = 2_328_306_436
"""The plan whose ids begin with 19 digits and end with 20: 10^19 lies among them."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[UsageStore]:
    opened = UsageStore(tmp_path / "usage.db", bytes(32))
    yield opened
    opened.close()


def use(store: UsageStore, subscription: int, immersions: list[int]) -> None:
    for seq, immersion in enumerate(immersions):
        record = UsageRecord(
            SubscriptionId(subscription), seq, 0, 1, Units(1), Units(seq + 1), seq, seq, immersion, bytes([seq]) * 32
        )
        store.add(Kept(record, 1, {}, f"use-{seq}", "", "", None))


def test_a_plans_records_are_counted_and_its_neighbours_are_not(store: UsageStore) -> None:
    use(store, 7 << 32 | 1, [0, 300, 500])
    use(store, 7 << 32 | 2**32 - 1, [800])
    use(store, 8 << 32 | 1, [1])
    use(store, 6 << 32 | 2**32 - 1, [1])
    assert store.quality(7, 500) == Quality(records=4, measured=3, under=1, total=1_600)
    assert store.quality(9, 500) == Quality(0, 0, 0, 0)


def test_ids_that_grow_a_digit_within_the_plan_are_all_counted(store: UsageStore) -> None:
    first, last = BORDER << 32, (BORDER + 1 << 32) - 1
    assert (len(str(first)), len(str(last))) == (19, 20)
    for subscription in (first, 10**19 - 1, 10**19, last):
        use(store, subscription, [100])
    use(store, first - 1, [100])
    use(store, last + 1, [100])
    assert store.quality(BORDER, 200) == Quality(records=4, measured=4, under=4, total=400)
