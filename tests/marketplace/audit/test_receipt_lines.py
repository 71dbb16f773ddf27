"""A receipt names every movement of a subscription's money: each event with money, on a market that has them all."""

from __future__ import annotations

from dataclasses import fields
from typing import get_type_hints

import pytest
from sqlalchemy import select

from ledger.events import EVENTS, Event
from ledger.values import Money, SubscriptionId
from marketplace.activity import answer
from marketplace.answers import ActivityAnswer
from marketplace.database import activity, open_database
from marketplace.web.receipts import WORDS, Line, lines
from scripts.tamper.suite import Bench

SAID = {
    ("Subscribed", "reserved"): "Bought: reserved for use and time",
    ("CapRaised", "amount"): "Topped up: reserved for more use",
    ("Renewed", "amount"): "Renewed: reserved for more time",
    ("Settled", "amount"): "Use settled and paid to the provider",
    ("TimeCollected", "amount"): "Time paid to the provider",
    ("ReleaseRequested", "time_paid"): "Release asked for: time so far, paid to the provider",
    ("ReleaseRequested", "time_refunded"): "Release asked for: unused time, returned to you",
    ("Released", "refunded"): "Ended: unused units, returned to you",
    ("Refunded", "amount"): "Refunded: returned to you",
}
RESERVED = ("Subscribed", "CapRaised", "Renewed")


@pytest.fixture(scope="module")
def told(ready: Bench) -> list[ActivityAnswer]:
    """All events of the honest market that belong to a subscription, oldest first."""
    engine = open_database(f"sqlite:///{ready.market_db}")
    order = (activity.c.block_number, activity.c.log_index)
    query = select(activity).where(activity.c.subscription_id.is_not(None)).order_by(*order)
    with engine.connect() as connection:
        rows = [answer(row) for row in connection.execute(query).mappings()]
    engine.dispose()
    return rows


def money_fields(event: type[Event]) -> set[str]:
    hints = get_type_hints(event)
    return {field.name for field in fields(event) if hints[field.name] is Money}


def test_every_event_with_a_subscriptions_money_has_its_words() -> None:
    due = {name: money_fields(event) for name, event in EVENTS.items() if "subscription_id" in get_type_hints(event)}
    assert {name: set(said) for name, said in WORDS.items()} == {name: found for name, found in due.items() if found}
    assert get_type_hints(EVENTS["Subscribed"])["subscription_id"] is SubscriptionId


@pytest.mark.parametrize(("name", "field"), SAID, ids=lambda part: part)
def test_event_stands_on_the_receipt_with_its_words_amount_and_transaction(
    told: list[ActivityAnswer], name: str, field: str
) -> None:
    event = next(each for each in told if each["name"] == name and int(each["fields"][field]))
    due = Line(event["at"], name, SAID[name, field], int(event["fields"][field]), event["txHash"])
    assert due in lines([event])


def test_what_was_reserved_was_paid_or_returned_once_a_subscription_has_ended(told: list[ActivityAnswer]) -> None:
    ended = {each["subscriptionId"] for each in told if each["name"] in ("Released", "Refunded")}
    assert len(ended) == 3
    for subscription in ended:
        shown = lines([each for each in told if each["subscriptionId"] == subscription])
        reserved = sum(line.amount for line in shown if line.event in RESERVED)
        assert reserved == sum(line.amount for line in shown if line.event not in RESERVED) > 0


def test_event_that_moves_no_money_is_no_line(told: list[ActivityAnswer]) -> None:
    quiet = [each for each in told if each["name"] in ("Activated", "SignerProposed", "SignerConfirmed", "Skipped")]
    assert {each["name"] for each in quiet} == {"Activated", "SignerProposed", "SignerConfirmed", "Skipped"}
    assert lines(quiet) == []
