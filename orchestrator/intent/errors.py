"""Errors of understanding.

OrchestratorError
├── TextTooLong     more signs than a request in words may have
└── ModelUnusable   the sentence model's weights are not the right ones
"""

from orchestrator.errors import OrchestratorError


class TextTooLong(OrchestratorError):
    """A request in words is longer than is read."""

    code = "text_too_long"
    status = 422
    title = "The text is too long"


class ModelUnusable(OrchestratorError):
    """The sentence model's weights are missing or others than were learnt with."""

    code = "intent_model_unusable"
    status = 500
    title = "The sentence model cannot be used"
