"""How running models and services answered lately: the answer's shape of the gateway's `GET /performance`.

Written by `orchestrator.gateway.performance`, read by VMOF's monitor.
"""

from pydantic import Field

from orchestrator.requirements import Shape


class Answered(Shape):
    """Calls that ended within the window."""

    calls: int = Field(ge=0)
    failed: int = Field(ge=0)
    """of these, how many got no answer; what a model refused it did answer"""
    busy_s: float = Field(ge=0)
    """all their durations together, seconds"""


class Answers(Shape):
    """GET /performance of the gateway; who was not called lately is not in it."""

    window_s: float = Field(gt=0)
    models: dict[str, Answered]
    """socket → calls of the model that answers there; what links carry is left out: the user's radio sets its pace"""
    services: dict[str, Answered]
    """subscription → its uses"""
