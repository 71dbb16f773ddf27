"""Meaning → a probability for each service of the catalogue, and for none of them.

Multinomial logistic regression with an L2 penalty on the weights, services weighed alike however many requests each
has, and one temperature (Guo et al. 2017, "On calibration of modern neural networks") that makes probabilities
honest on families not learnt. The learnt numbers are in weights.json; `training` writes them.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from orchestrator.intent.embedding import Embedded, Vector

WEIGHTS = Path(__file__).with_name("weights.json")


@dataclass(frozen=True)
class Classifier:
    """`weights` (services, 384), `bias` (services,); `threshold`: below this probability the buyer is asked."""

    services: tuple[str, ...]
    weights: Vector
    bias: Vector
    temperature: float = 1.0
    threshold: float = 0.0

    def probabilities(self, meanings: Vector) -> Vector:
        """(…, 384) → (…, services), summing to 1."""
        return softmax((meanings @ self.weights.T + self.bias) / self.temperature)

    def span(self, embedded: Embedded, chosen: int, other: int) -> tuple[int, int]:
        """The stretch of at most three words that speaks most for `chosen` against `other`, as a place in the text.

        The score is a sum over the pieces, so each piece's part of the difference is exact.
        """
        speaks = embedded.parts @ (self.weights[chosen] - self.weights[other])
        for_words: dict[tuple[int, int], float] = {}
        for piece, part in zip(embedded.pieces[1:-1], speaks[1:-1], strict=True):
            place = (piece.start, piece.end)
            for_words[place] = for_words.get(place, 0.0) + float(part)
        words = list(for_words)
        stretches = [words[at : at + length] for length in (1, 2, 3) for at in range(len(words) - length + 1)]
        best = max(stretches, key=lambda stretch: sum(for_words[word] for word in stretch))
        return best[0][0], best[-1][1]

    def to_json(self) -> dict[str, Any]:
        return {
            "services": list(self.services),
            "temperature": round(self.temperature, 4),
            "threshold": round(self.threshold, 4),
            "bias": [round(float(value), 5) for value in self.bias],
            "weights": [[round(float(value), 4) for value in row] for row in self.weights],
        }


@cache
def classifier() -> Classifier:
    """The one that was learnt from all labelled requests."""
    kept = json.loads(WEIGHTS.read_text("utf-8"))
    return Classifier(
        services=tuple(kept["services"]),
        weights=np.array(kept["weights"]),
        bias=np.array(kept["bias"]),
        temperature=kept["temperature"],
        threshold=kept["threshold"],
    )


def softmax(scores: Vector) -> Vector:
    """Over the last axis."""
    raised = np.exp(scores - scores.max(axis=-1, keepdims=True))
    shares: npt.NDArray[np.float64] = raised / raised.sum(axis=-1, keepdims=True)
    return shares
