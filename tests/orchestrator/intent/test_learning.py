"""The labelled set, its honest split, and that the committed weights are what is learnt from it."""

from collections import Counter

import numpy as np

from orchestrator.intent.classifier import classifier
from orchestrator.intent.embedding import embed
from orchestrator.intent.labelled import HELD_OUT, NONE, folds, labelled, read
from orchestrator.intent.training import learn, unlearnt
from orchestrator.models.manifests import services
from orchestrator.models.table1 import scenarios
from scripts.immersion.intent import macro_f1


def test_the_set_has_requests_for_every_service_and_scenario_and_no_text_twice() -> None:
    every = [*labelled(), *read(HELD_OUT)]
    in_scope = [one for one in labelled() if one.service != NONE]
    assert len(in_scope) >= 400
    assert min(Counter(one.service for one in in_scope).values()) >= 40
    assert {one.service for one in in_scope} == set(services())
    assert {one.scenario for one in in_scope} == set(scenarios())
    assert len({one.text.lower() for one in every}) == len(every)


def test_no_family_stands_in_two_folds_nor_in_both_learnt_and_held_out() -> None:
    requests = labelled()
    parts = folds(requests, 8, 7)
    assert sorted(index for part in parts for index in part) == list(range(len(requests)))
    families = [{requests[index].family for index in part} for part in parts]
    assert sum(map(len, families)) == len(set.union(*families))
    assert not {one.family for one in requests} & {one.family for one in read(HELD_OUT)}


def test_the_committed_weights_are_learnt_anew_from_the_set() -> None:
    # int8 sums differ a little between kinds of processors, so the numbers are compared by what they answer
    kept, learnt = classifier(), learn()
    assert learnt.services == kept.services
    meanings = np.array([embed(one.text).whole for one in read(HELD_OUT)])
    before, after = kept.probabilities(meanings), learnt.probabilities(meanings)
    assert float(np.abs(before - after).max()) < 0.05
    assert float((before.argmax(axis=1) == after.argmax(axis=1)).mean()) >= 0.98


def test_held_out_families_are_understood_by_macro_f1_of_nine_tenths() -> None:
    from orchestrator.intent.understanding import understand

    truth = [(one.scenario, understand(one.text).scenario or NONE) for one in read(HELD_OUT)]
    assert macro_f1(truth) >= 0.9


def test_macro_f1_is_the_mean_of_the_classes() -> None:
    assert macro_f1([("a", "a"), ("a", "b"), ("b", "b")]) == (2 / 3 + 2 / 3) / 2
    assert macro_f1([("a", "none"), ("b", "b")]) == 0.5


def test_confidence_is_honest_on_families_not_learnt() -> None:
    requests = labelled()
    meanings = np.array([embed(one.text).whole for one in requests])
    names = [one.service for one in requests]
    shares = unlearnt(meanings, names, folds(requests, 8, 11))
    truth = np.array([sorted(set(names)).index(name) for name in names])
    kept = classifier()
    cooled = shares ** (1 / kept.temperature)
    cooled /= cooled.sum(axis=1, keepdims=True)
    sure, right = cooled.max(axis=1), cooled.argmax(axis=1) == truth
    assert abs(float(sure.mean() - right.mean())) < 0.05
    assert float(right[sure >= kept.threshold].mean()) >= 0.92
