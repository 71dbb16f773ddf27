"""What a measure says against sharing an MSI or a model instance, and which of several is the quickest. Pure.

Used by VMOF's choice and monitor and by MMF's view of what runs. Who was not called lately is idle: nothing is said
against it, and it counts as quick as the quickest.
"""

from collections.abc import Mapping
from typing import Final

from orchestrator.models.turns import PLACES
from orchestrator.requirements import Lack, Performance

LEAST_CALLS: Final = 20
"""Of fewer within a minute a part that failed says nothing: one would be a tenth of ten."""
MOST_QUEUE: Final = 2.0 * PLACES
"""An instance works at so many calls side by side (`models.turns`); where as many wait, a newcomer's calls would take
twice as long as the work in them."""
MOST_ERRORS: Final = 0.1
NOTICEABLE: Final = 1.2
"""Times to an answer that differ by a fifth or less count as the same: so much they vary from minute to minute."""


def strains(one: Performance) -> tuple[Lack, ...]:
    """Why nobody else should share it as it is."""
    lacks: list[Lack] = []
    if one.queue > MOST_QUEUE:
        lacks.append(Lack(kind="performance", name="queue", needed=MOST_QUEUE, available=one.queue, unit="calls"))
    if one.error_rate > MOST_ERRORS and one.calls >= LEAST_CALLS:
        lacks.append(Lack(kind="performance", name="error_rate", needed=MOST_ERRORS, available=one.error_rate))
    return tuple(lacks)


def slowness(performance: Mapping[str, Performance]) -> dict[str, float]:
    """Of each, milliseconds to an answer, failed calls made good by another; 0 for those as quick as the quickest."""
    took = {
        name: one.latency_ms / max(1.0 - one.error_rate, 0.01)
        for name, one in performance.items()
        if one.latency_ms is not None
    }
    quickest = min(took.values(), default=0.0)
    return {name: took[name] if took.get(name, 0.0) > NOTICEABLE * quickest else 0.0 for name in performance}
