"""How well requests in words are understood: `intent_macro_f1`, on requests of families that were not learnt.

Tests on orchestrator/intent/held_out.jsonl, else on the files of `--input`/intent (*.jsonl: service, template, text,
slots). Beside it the whole labelled set judged in folds by family. Writes intent-predictions.jsonl (each request with
its label and what was answered), intent-confusion.txt, .png and .svg.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.intent.embedding import embed
from orchestrator.intent.labelled import HELD_OUT, NONE, Labelled, folds, labelled, read
from orchestrator.intent.training import FOLDS, unlearnt
from orchestrator.intent.understanding import Understanding, understand
from orchestrator.models.manifests import services
from orchestrator.models.table1 import scenarios
from scripts.figures.confusion import draw, table

BAR = 0.9
Truth = Sequence[tuple[str, str]]
"""(what was meant, what was answered) of each request"""


def measure(figure: Callable[..., dict[str, Any]], out: Path, seed: int, data: Path | None) -> list[dict[str, Any]]:
    """F1 over the scenarios, held out and cross-validated; over service types; and what is said without asking."""
    given = sorted((data / "intent").glob("*.jsonl")) if data is not None else []
    tested = [one for path in given or [HELD_OUT] for one in read(path)]
    answers = [understand(one.text) for one in tested]
    _keep(out / "intent-predictions.jsonl", tested, answers)
    by_scenario = [(one.scenario, answer.scenario or NONE) for one, answer in zip(tested, answers, strict=True)]
    names = [*sorted(scenarios()), NONE]
    (out / "intent-confusion.txt").write_text(table(by_scenario, names) + "\n", "utf-8")
    draw(by_scenario, names, out, "intent-confusion")
    load = f"{len(tested)} requests of families not learnt"
    types = [(_type(one.scenario), _type(answer.scenario or NONE)) for one, answer in zip(tested, answers, strict=True)]
    unasked = [
        one.service == (answer.service or NONE)
        for one, answer in zip(tested, answers, strict=True)
        if not _asks(answer)
    ]
    crossed = cross_validated(seed)
    in_folds = f"{len(crossed)} requests, {FOLDS} folds by family"
    return [
        figure("intent_macro_f1", round(macro_f1(by_scenario), 4), "", load, (">=", BAR)),
        figure("intent_type_macro_f1", round(macro_f1(types), 4), "", load, (">=", BAR)),
        figure("intent_cross_validated_macro_f1", round(macro_f1(crossed), 4), "", in_folds, (">=", BAR)),
        figure("intent_right_without_asking", round(float(np.mean(unasked)), 4), "", load, (">=", BAR)),
        figure("intent_answered_without_asking", round(len(unasked) / len(tested), 4), "", load, (">=", 0.5)),
    ]


def cross_validated(seed: int) -> list[tuple[str, str]]:
    """Every learnt request with the scenario that a classifier gives it which has not learnt its family."""
    requests = labelled()
    meanings = np.array([embed(one.text).whole for one in requests])
    names = [one.service for one in requests]
    shares = unlearnt(meanings, names, folds(requests, FOLDS, seed))
    catalogue = sorted(set(names))
    answered = [catalogue[int(best)] for best in shares.argmax(axis=1)]
    return [(one.scenario, _scenario(name)) for one, name in zip(requests, answered, strict=True)]


def macro_f1(truth: Truth) -> float:
    """Mean over the classes that are meant, "none" among them, of 2·right ÷ (meant + answered)."""
    classes = {meant for meant, _ in truth}
    return float(np.mean([_f1(truth, name) for name in sorted(classes)]))


def _f1(truth: Truth, name: str) -> float:
    right = sum(meant == answered == name for meant, answered in truth)
    return 2 * right / sum((meant == name) + (answered == name) for meant, answered in truth)


def _scenario(service: str) -> str:
    return NONE if service == NONE else services()[service].scenario


def _type(scenario: str) -> str:
    return scenarios().get(scenario, NONE)


def _asks(answer: Understanding) -> bool:
    """Refusing what no service answers is an answer, too: a question of one that is in doubt is not."""
    return answer.question is not None and answer.service is not None


def _keep(path: Path, tested: Sequence[Labelled], answers: Sequence[Understanding]) -> None:
    lines = (
        json.dumps({"meant": one.service, "scenario_meant": one.scenario, **answer.to_json()}, ensure_ascii=False)
        for one, answer in zip(tested, answers, strict=True)
    )
    path.write_text("\n".join(lines) + "\n", "utf-8")
