"""Learns the classifier from the labelled requests: `python -m orchestrator.intent.training` writes weights.json.

About ten seconds, the same result each time on the same kind of processor. Temperature and threshold come from folds
by family: from probabilities that were given to families which the judge had not learnt.
"""

import json
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize, minimize_scalar

from orchestrator.intent.classifier import WEIGHTS, Classifier, softmax
from orchestrator.intent.embedding import Vector, embed
from orchestrator.intent.labelled import folds, labelled

PENALTY = 1.0
FOLDS, SEED = 8, 7
TRUSTED = 0.95
"""part of the unasked answers that must be right, on families not learnt"""


def train(meanings: Vector, names: Sequence[str]) -> Classifier:
    """Meanings (requests, 384) and their services → a classifier of temperature 1 that never asks."""
    services = tuple(sorted(set(names)))
    answers = (np.array(names)[:, None] == np.array(services)).astype(np.float64)
    weigh = (len(names) / len(services) / answers.sum(axis=0)) @ answers.T
    shape = (len(services), meanings.shape[1] + 1)
    widened = np.hstack([meanings, np.ones((len(meanings), 1))])

    def loss(flat: Vector) -> tuple[float, Vector]:
        matrix = flat.reshape(shape)
        shares = softmax(widened @ matrix.T)
        free = np.concatenate([matrix[:, :-1], np.zeros((shape[0], 1))], axis=1)
        value = -(weigh * np.log((shares * answers).sum(axis=1))).sum() + 0.5 * PENALTY * (free**2).sum()
        slope = ((shares - answers) * weigh[:, None]).T @ widened + PENALTY * free
        return float(value), slope.ravel()

    found = minimize(loss, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 500})
    matrix = found.x.reshape(shape)
    return Classifier(services, matrix[:, :-1], matrix[:, -1])


def unlearnt(meanings: Vector, names: Sequence[str], parts: Sequence[Sequence[int]]) -> Vector:
    """For each request the probabilities by a classifier that learnt the other parts only, (requests, services)."""
    shares = np.zeros((len(names), len(set(names))))
    for part in parts:
        rest = sorted(set(range(len(names))) - set(part))
        judge = train(meanings[rest], [names[index] for index in rest])
        shares[list(part)] = judge.probabilities(meanings[list(part)])
    return shares


def calibrated(shares: Vector, truth: npt.NDArray[np.int_]) -> tuple[float, float]:
    """Temperature of least log-loss, and the least threshold over which TRUSTED of the answers are right."""
    scores = np.log(shares)

    def loss(temperature: float) -> float:
        return float(-np.log(softmax(scores / temperature)[np.arange(len(truth)), truth]).mean())

    temperature = float(minimize_scalar(loss, bounds=(0.05, 5), method="bounded").x)
    cooled = softmax(scores / temperature)
    sure, right = cooled.max(axis=1), cooled.argmax(axis=1) == truth
    tried = (step / 100 for step in range(100))
    threshold = next(least for least in tried if right[sure >= least].mean() >= TRUSTED)
    return temperature, threshold


def learn() -> Classifier:
    """The classifier of weights.json."""
    requests = labelled()
    meanings = np.array([embed(one.text).whole for one in requests])
    names = [one.service for one in requests]
    whole = train(meanings, names)
    truth = np.array([whole.services.index(name) for name in names])
    temperature, threshold = calibrated(unlearnt(meanings, names, folds(requests, FOLDS, SEED)), truth)
    return Classifier(whole.services, whole.weights, whole.bias, temperature, threshold)


if __name__ == "__main__":
    WEIGHTS.write_text(json.dumps(learn().to_json()).replace("], [", "],\n[") + "\n", "utf-8")
