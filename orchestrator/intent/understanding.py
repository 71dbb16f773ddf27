"""A request in words → what was understood: service, request document, confidence, reasons, perhaps a question.

Pure but for the sentence model's weights. Where no service fits, or the language is another, there is a question and
no document; where two services are close, there is the document of the likelier and a question that names both.
"""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from orchestrator.intent.classifier import classifier
from orchestrator.intent.embedding import embed
from orchestrator.intent.errors import TextTooLong
from orchestrator.intent.found import Found
from orchestrator.intent.labelled import NONE
from orchestrator.intent.people import users
from orchestrator.intent.quality import can_be_held, isolation, qualities
from orchestrator.intent.subjects import objects, things
from orchestrator.intent.wishes import wishes
from orchestrator.models.manifests import ServiceSpec, services

LONGEST = 2000


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


FOREIGN = _words(
    "une le la les des pour avec et dans je nous vous est un der die das und für mit ich wir ein eine ist nicht auf zu "
    "el los las para con y en una por que il gli di per che sono e o um uma com não het een voor met en van ik "
    "wij niet och att jag vi ett på är ve bir için w na z do jest się"
)
ENGLISH = _words(
    "the a an and or of to in on at for with from is are was be i we you my our me us it its this that not no "
    "can could would like want need please how what which where when who do"
)
"""little words, by which a language is known"""


@dataclass(frozen=True)
class Understanding:
    """`document` is an s4m/request/2; `confidence` the probability of `service`; `candidates` the likeliest three."""

    text: str
    service_type: str | None
    scenario: str | None
    service: str | None
    confidence: float
    question: str | None
    document: dict[str, Any] | None
    wishes: dict[str, Any]
    candidates: dict[str, float]
    why: tuple[dict[str, Any], ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "text": self.text,
            "service_type": self.service_type,
            "scenario": self.scenario,
            "service": self.service,
            "confidence": self.confidence,
            "question": self.question,
            "document": self.document,
            "wishes": self.wishes,
            "candidates": self.candidates,
            "why": list(self.why),
        }


def understand(text: str) -> Understanding:
    """Raises TextTooLong, ModelUnusable."""
    if len(text) > LONGEST:
        raise TextTooLong(f"The text has {len(text)} signs; say it in at most {LONGEST}.")
    if not re.search(r"[^\W\d_]{2}", text):
        return _unanswered(text, "What would you like to do, and for how many people?", {})
    if _is_foreign(text):
        return _unanswered(text, "I read English only: could you say it in English?", {})
    return _classified(text)


def _classified(text: str) -> Understanding:
    judge, embedded = classifier(), embed(text)
    shares = judge.probabilities(embedded.whole)
    best, second, third = (int(index) for index in np.argsort(-shares)[:3])
    candidates = {judge.services[index]: round(float(shares[index]), 4) for index in (best, second, third)}
    if judge.services[best] == NONE:
        return _unanswered(text, _question_of_none(judge.services[second]), candidates)
    service, confidence = services()[judge.services[best]], float(shares[best])
    start, end = judge.span(embedded, best, second)
    of_it = Found("service", service.name, start, end, f"service: rather than {judge.services[second]}")
    question = None if confidence >= judge.threshold else _question(service.name, judge.services[second])
    return _documented(text, service, round(confidence, 4), question, candidates, of_it)


def _documented(
    text: str, service: ServiceSpec, confidence: float, question: str | None, candidates: dict[str, float], of_it: Found
) -> Understanding:
    stated = [*filter(None, (users(text), isolation(text))), *qualities(text, service.service_type)]
    single = [one for one in stated if one.field in ("users", "isolation") and can_be_held(one)]
    qoe = [one for one in stated if one.field not in ("users", "isolation") and can_be_held(one)]
    beyond = next((one for one in stated if not can_be_held(one)), None)
    if question is None and beyond is not None:
        question = f"{beyond.field} cannot be {beyond.value}: what shall it be?"
    subjects = objects(text) if service.service_type == "ar_vr" else things(text, service.name)
    beside = wishes(text, service.service_type)
    return Understanding(
        text=text,
        service_type=service.service_type,
        scenario=service.scenario,
        service=service.name,
        confidence=confidence,
        question=question,
        document=_document(service, single, qoe, subjects),
        wishes={one.field: one.value for one in beside},
        candidates=candidates,
        why=tuple(one.why(text) for one in (of_it, *single, *qoe, *subjects, *beside)),
    )


def _document(service: ServiceSpec, single: list[Found], qoe: list[Found], subjects: list[Found]) -> dict[str, Any]:
    """Only what the text says; MSMF's translation knows the defaults."""
    document: dict[str, Any] = {"schema": "s4m/request/2", "service": service.name, "scenario": service.scenario}
    document.update({one.field: one.value for one in single})
    if qoe:
        document["qoe"] = {one.field: one.value for one in qoe}
    for one in subjects:
        document.setdefault(one.field, []).append(one.value)
    return document


def _unanswered(text: str, question: str, candidates: dict[str, float]) -> Understanding:
    confidence = candidates.get(NONE, 1.0)
    return Understanding(text, None, None, None, confidence, question, None, {}, candidates, ())


def _question(one: str, other: str) -> str:
    if other == NONE:
        return f"Do you want this: {services()[one].title}?"
    return f"Is this for {services()[one].title}, or for {services()[other].title}?"


def _question_of_none(nearest: str) -> str:
    title = services()[nearest].title
    return f"No service here answers that. What would you like to do? The nearest is: {title}."


def _is_foreign(text: str) -> bool:
    """More little words of other languages than of English, or mostly letters of another script."""
    letters = [sign for sign in text if sign.isalpha()]
    if sum(ord(sign) > 0x24F for sign in letters) > len(letters) / 3:
        return True
    words = re.findall(r"[^\W\d_]+", text.lower())
    english = sum(word in ENGLISH for word in words)
    return sum(word in FOREIGN - ENGLISH for word in words) > max(1, english)
