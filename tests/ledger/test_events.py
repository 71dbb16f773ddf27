from __future__ import annotations

from dataclasses import fields

import pytest

from ledger import abi, events
from ledger.decoding import RENAMED
from ledger.errors import EventMalformed
from ledger.reverts import snake_case
from ledger.structs import PlanTerms, Share
from ledger.values import Kind, ModelId, Money, PlanId, SkipReason, SubscriptionId, address

SOMEONE = address("0x" + "ab" * 20)
LIBRARY_EVENTS = {"Approval", "ApprovalForAll", "EIP712DomainChanged"}  # tell nothing that our tables need
ON_CHAIN = [
    (word, entry)
    for word, contract in abi.CONTRACTS.items()
    for entry in abi.load(contract).events.values()
    if entry.name not in LIBRARY_EVENTS
]


@pytest.mark.parametrize(("word", "entry"), ON_CHAIN, ids=lambda value: getattr(value, "name", value))
def test_every_event_of_the_contracts_has_its_dataclass(word: str, entry: abi.Entry) -> None:
    name = RENAMED.get((word, entry.name), entry.name)
    ours = [field.name for field in fields(events.EVENTS[name])]
    theirs = [snake_case(param["name"]) for param in entry.inputs]
    if (word, entry.name) not in RENAMED and entry.name != "UpdateUser":
        assert ours == theirs
    assert len(ours) == len(theirs)


def test_no_event_is_made_up() -> None:
    assert set(events.EVENTS) == {RENAMED.get((word, entry.name), entry.name) for word, entry in ON_CHAIN}


@pytest.mark.parametrize(
    "event",
    [
        events.ModelRegistered(ModelId(1), SOMEONE, Kind.COMPOSITE, bytes(32), "s4m:x", 250),
        events.PlanPublished(
            PlanId(2**32 + 1),
            PlanTerms(Money(2), Money(0), 0, 3_600, 60, 800, bytes(32)),
            (Share(ModelId(2), 1_000), Share(ModelId(3), 500)),
        ),
        events.Skipped(SubscriptionId(2**90), SkipReason.OVER_CAP),
        events.DomainCreated(b"\x07" * 32, SOMEONE, "slicing4meta.devnet"),
    ],
    ids=lambda event: type(event).__name__,
)
def test_event_round_trips_through_json(event: events.Event) -> None:
    document = events.to_json(event)
    again = events.from_json(type(event).__name__, document)
    assert again == event
    assert all(isinstance(value, str | dict | list) for value in document.values())


def test_big_ids_are_decimal_strings() -> None:
    assert events.to_json(events.Skipped(SubscriptionId(2**90), SkipReason.STALE)) == {
        "subscription_id": str(2**90),
        "reason": "2",
    }


@pytest.mark.parametrize(("name", "document"), [("Nothing", {}), ("AskSet", {}), ("AskSet", {"model_id": "x"})])
def test_malformed_document_is_refused(name: str, document: dict[str, str]) -> None:
    with pytest.raises(EventMalformed):
        events.from_json(name, document)
