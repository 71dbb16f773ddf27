"""The rules for what a text says beside the service: one case a way of saying it."""

from typing import Any

import pytest

from orchestrator.intent.found import number
from orchestrator.intent.labelled import NONE, labelled
from orchestrator.intent.people import users
from orchestrator.intent.quality import isolation, qualities
from orchestrator.intent.subjects import objects, things
from orchestrator.intent.wishes import wishes
from orchestrator.models.beach.kinds import KINDS
from orchestrator.models.manifests import services


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("12", 12),
        ("1,5", 1.5),
        ("0.5", 0.5),
        ("40,000", 40_000),
        ("twenty-five", 25),
        ("half an", 0.5),
        ("a dozen", 12),
    ],
)
def test_numbers_are_read_as_people_write_them(written: str, value: float) -> None:
    assert number(written) == value


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("a calm beach for six friends", 6),
        ("me and three friends", 4),
        ("trip to mars, me + 2 mates", 3),
        ("explore with three friends", 4),
        ("8 vs 8", 16),
        ("5v5", 10),
        ("2 teams of 4", 8),
        ("2 adults 2 kids", 4),
        ("my wife and I", 2),
        ("hiking with my brother", 2),
        ("the two of us", 2),
        ("single player", 1),
        ("we're 8 in total", 8),
        ("hologram conference with 6 managers", 6),
        ("family of five.", 5),
        ("twenty-five pupils", 25),
        ("6-person team", 6),
        ("about ten minutes", None),
        ("a quiet bay", None),
        ("for two hours", None),
    ],
)
def test_users_are_counted(text: str, count: int | None) -> None:
    found = users(text)
    assert (found.value if found else None) == count


@pytest.mark.parametrize(
    ("text", "degree"),
    [
        ("our own servers only", 2),
        ("nobody else around", 2),
        ("strictly confidential", 2),
        ("within our company is enough", 1),
        ("sharing is ok", 0),
        ("a beach", None),
    ],
)
def test_isolation_is_heard(text: str, degree: int | None) -> None:
    found = isolation(text)
    assert (found.value if found else None) == degree


@pytest.mark.parametrize(
    ("text", "service_type", "asked"),
    [
        ("1 Gbit/s each", "ar_vr", {"rate_mbps": 1000}),
        ("250 Mbps please", "ar_vr", {"rate_mbps": 250}),
        ("under 5 ms", "ar_vr", {"latency_ms": 5}),
        ("no lag!!", "ar_vr", {"latency_ms": 1.5}),
        ("lowest possible delay", "digital_twin", {"latency_ms": 10}),
        ("99.9 % uptime", "ar_vr", {"reliability": 0.999}),
        ("reliability 0.95", "digital_twin", {"reliability": 0.95}),
        ("it must never fail", "digital_twin", {"reliability": 0.999}),
        ("immersion of 0.4", "ar_vr", {"immersion_floor": 0.4}),
        ("as real as it gets", "ar_vr", {"immersion_floor": 0.5}),
        ("crisp picture", "ar_vr", {"immersion_floor": 0.3}),
        ("simple graphics", "ar_vr", {"immersion_floor": 0.1}),
        ("90 % fidelity at 20 Hz", "digital_twin", {"fidelity_floor": 0.9, "update_rate_hz": 20}),
        ("fifty times per second", "digital_twin", {"update_rate_hz": 50}),
        ("every 100 ms", "digital_twin", {"update_rate_hz": 10}),
        ("update every second", "digital_twin", {"update_rate_hz": 1}),
        ("as exact as possible", "digital_twin", {"fidelity_floor": 0.95}),
        ("fully immersive at 20 Hz", "digital_twin", {"update_rate_hz": 20}),
        ("90 % fidelity at 20 Hz", "ar_vr", {}),
    ],
)
def test_quality_is_heard_with_its_unit_and_only_what_the_type_has(
    text: str, service_type: str, asked: dict[str, Any]
) -> None:
    assert {one.field: one.value for one in qualities(text, service_type)} == asked


def test_things_are_named_and_numbered_where_there_are_several() -> None:
    found = things("watch the lathe and two old pumps", "predictive-maintenance")
    assert [one.value for one in found] == ["lathe", "pump-1", "pump-2"]
    assert things("watch the lathe", "beach-game") == []


def test_objects_are_the_beachs_kinds_and_strong_words_raise_attention() -> None:
    found = objects("a coconut palm, and I want to see the lighthouse")
    named = {KINDS[one.value["object"]].name: one.value["attention"] for one in found}
    assert named == {"coconut palm": 4, "red lighthouse": 5}


def test_wishes_that_no_document_holds_are_kept_beside_it() -> None:
    text = "Saturday evening for two hours with our Quest 3, budget 30 credits"
    said = {one.field: one.value for one in wishes(text, "ar_vr")}
    assert said == {"when": "saturday evening", "duration_s": 7200, "device": "headset", "budget": 30}


def test_the_rules_find_nearly_all_that_the_labelled_requests_state_and_little_else() -> None:
    right = missed = invented = 0
    for one in labelled():
        if one.service == NONE:
            continue
        kind = services()[one.service].service_type
        single = [each for each in (users(one.text), isolation(one.text)) if each]
        said = {each.field: each.value for each in (*single, *qualities(one.text, kind), *wishes(one.text, kind))}
        stated = {name: value for name, value in one.slots.items() if name not in ("things", "objects")}
        right += sum(said.get(name) == value for name, value in stated.items())
        missed += sum(said.get(name) != value for name, value in stated.items())
        invented += len(set(said) - set(stated))
    assert right / (right + missed) >= 0.95
    assert invented / right <= 0.05
