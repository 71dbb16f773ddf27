"""AI classifier: learns classes from examples and tells them apart; what it learnt of a tenant stays the tenant's.

train    {"name", "samples": [[numbers], …], "labels": [strings], "seed"}   answers its accuracy on a fifth held back
classify {"name", "samples": [[numbers], …]}                                 label and probability of each sample
Ridge regression on random Fourier features (Rahimi, Recht 2007): samples are standardised, a Gaussian kernel of the
median distance is approximated by as many features as the granted computing carries (4 a millicore, 16 to 1024): more
computing, finer borders. A learnt classifier takes storage (`storage_mib`). Quantity: hundred samples.
"""

import math
import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.models.errors import BadCall, NotThere, OverGrant
from orchestrator.models.serving import Answer, Program, Request, json_answer, run

DEFAULT_MCORES, DEFAULT_STORAGE_MIB = 60, 8
FEATURES_PER_MCORE = 4
LEAST_FEATURES, MOST_FEATURES = 16, 1024
MOST_SAMPLES, MOST_INPUTS, MOST_CLASSES = 5000, 64, 32
HELD_BACK = 5
RIDGE = 1e-2
MOST_PAIRS = 500
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Classifier:
    """Standardisation, random directions and phases, and a weight of each feature for each class."""

    labels: tuple[str, ...]
    middle: Array
    scale: Array
    directions: Array
    phases: Array
    weights: Array

    @property
    def held_bytes(self) -> int:
        return sum(part.nbytes for part in (self.middle, self.scale, self.directions, self.phases, self.weights))

    def probabilities(self, samples: Array) -> Array:
        """Of each sample and class, shape (samples, classes)."""
        scores = self.features(samples) @ self.weights
        powers = np.exp(4 * (scores - scores.max(axis=1, keepdims=True)))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))

    def features(self, samples: Array) -> Array:
        turned = np.cos((samples - self.middle) / self.scale @ self.directions + self.phases)
        return np.column_stack((np.ones(len(samples)), math.sqrt(2 / self.phases.size) * turned))


class Classifiers:
    def __init__(self) -> None:
        self._learnt: dict[str, dict[str, Classifier]] = {}
        self._lock = threading.Lock()

    def train(self, request: Request) -> Answer:
        name, samples = request.text("name"), _samples(request)
        given = request.listed("labels", len(samples), len(samples))
        labels = [Request({"labels": label}).text("labels") for label in given]
        if not 2 <= len(set(labels)) <= MOST_CLASSES:
            raise BadCall(f"labels has {len(set(labels))} classes; give 2 to {MOST_CLASSES}")
        features = features_for(request.granted("computing_mcores", DEFAULT_MCORES))
        seed = request.integer("seed", 0, 0, 2**53)
        held = np.random.default_rng(seed).permutation(len(samples)) % HELD_BACK == 0
        kept = [label for label, back in zip(labels, held, strict=True) if not back]
        trial = learn(samples[~held], kept, features, seed)
        told = [trial.labels[best] for best in trial.probabilities(samples[held]).argmax(axis=1)]
        right = [label == answer for label, answer in zip(np.asarray(labels)[held], told, strict=True)]
        whole = learn(samples, labels, features, seed)
        self._keep(request, name, whole)
        value = {"classes": whole.labels, "held_back": len(right), "accuracy": round(sum(right) / len(right), 4)}
        return json_answer(value, math.ceil(len(samples) / 100), {"features": features, "bytes": whole.held_bytes})

    def classify(self, request: Request) -> Answer:
        name, samples = request.text("name"), _samples(request, least=1)
        with self._lock:
            known = self._learnt.get(request.tenant, {}).get(name)
        if known is None:
            raise NotThere(f"nothing was learnt under {name!r} yet; train it first")
        if samples.shape[1] != known.middle.size:
            raise BadCall(f"samples have {samples.shape[1]} numbers each, {name!r} was trained on {known.middle.size}")
        chances = known.probabilities(samples)
        found = [
            {"label": known.labels[best], "probability": round(float(row[best]), 4)}
            for row, best in zip(chances, chances.argmax(axis=1), strict=True)
        ]
        return json_answer({"classes": found}, math.ceil(len(found) / 100), {"features": known.phases.size})

    def forget(self, tenant: str) -> None:
        with self._lock:
            self._learnt.pop(tenant, None)

    def _keep(self, request: Request, name: str, whole: Classifier) -> None:
        limit = request.granted("storage_mib", DEFAULT_STORAGE_MIB) << 20
        with self._lock:
            held = self._learnt.setdefault(request.tenant, {})
            others = sum(each.held_bytes for other, each in held.items() if other != name)
            if others + whole.held_bytes > limit:
                raise OverGrant(
                    f"{whole.held_bytes} bytes do not fit beside {others} into the granted {limit}; grant storage_mib"
                )
            held[name] = whole


def features_for(mcores: int) -> int:
    return min(max(mcores * FEATURES_PER_MCORE, LEAST_FEATURES), MOST_FEATURES)


def learn(samples: Array, labels: list[str], features: int, seed: int) -> Classifier:
    """Least squares onto one column a class, in the smaller of sample and feature space."""
    middle, scale = samples.mean(axis=0), samples.std(axis=0)
    scale[scale == 0] = 1.0
    source = np.random.default_rng(seed)
    flat = (samples - middle) / scale
    directions = source.normal(0, 1, (flat.shape[1], features)) / _width(flat, source)
    names = tuple(sorted(set(labels)))
    targets = (np.asarray(labels)[:, None] == np.asarray(names)[None]).astype(np.float64)
    blank = np.zeros((features + 1, len(names)))
    raw = Classifier(names, middle, scale, directions, source.uniform(0, math.tau, features), blank)
    table = raw.features(samples)
    if len(table) > features:
        weights = np.linalg.solve(table.T @ table + RIDGE * np.eye(features + 1), table.T @ targets)
    else:
        weights = table.T @ np.linalg.solve(table @ table.T + RIDGE * np.eye(len(table)), targets)
    return Classifier(names, middle, scale, directions, raw.phases, weights)


def _width(flat: Array, source: np.random.Generator) -> float:
    """The kernel's width: a quarter of the median distance of some pairs, so that borders may bend."""
    pairs = source.integers(0, len(flat), (MOST_PAIRS, 2))
    apart = np.linalg.norm(flat[pairs[:, 0]] - flat[pairs[:, 1]], axis=1)
    return max(float(np.median(apart)) / 4, 1e-6)


def _samples(request: Request, least: int = 10) -> Array:
    rows = request.listed("samples", least, MOST_SAMPLES)
    inputs = len(rows[0]) if isinstance(rows[0], list) else 0
    if not 1 <= inputs <= MOST_INPUTS:
        raise BadCall(f"samples must be lists of 1 to {MOST_INPUTS} numbers")
    return np.asarray([Request({"samples": row}).numbers("samples", inputs, inputs) for row in rows])


def build() -> Program:
    learnt = Classifiers()
    calls = {"train": learnt.train, "classify": learnt.classify}
    return Program("ai-classifier", calls, forget=learnt.forget)


if __name__ == "__main__":
    run(build())
