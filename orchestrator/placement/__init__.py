"""Choose models and resources: for one share in well under a millisecond, or for a whole batch in the background.

One share (MMF, inside its transaction): `decide`, `greedy` with a proof of how good it is, over `Candidates`. A batch
(plain dataclasses, for whoever plans ahead or measures): `admit_batch`, `solve_exactly`, `search`, or `place_batch`,
which picks among them; `orchestrator.placement.check` recomputes any answer. Both read no rows and start nothing. The
names that need scipy are imported on first use, so that nobody waits for it who places one share.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from orchestrator.placement.candidates import Candidates, LinkRoom, ModelOption, NodeRoom, RunningInstance
from orchestrator.placement.exact import conceivable, decide
from orchestrator.placement.fair import fair_shares, with_spare
from orchestrator.placement.greedy import greedy
from orchestrator.placement.problem import Model, Problem, Request, Role, Site, Solution, load_problem, load_solution

if TYPE_CHECKING:
    from orchestrator.placement.admission import admit_batch
    from orchestrator.placement.background import place_batch, search, solve_exactly

__all__ = [
    "Candidates",
    "LinkRoom",
    "Model",
    "ModelOption",
    "NodeRoom",
    "Problem",
    "Request",
    "Role",
    "RunningInstance",
    "Site",
    "Solution",
    "admit_batch",
    "conceivable",
    "decide",
    "fair_shares",
    "greedy",
    "load_problem",
    "load_solution",
    "place_batch",
    "search",
    "solve_exactly",
    "with_spare",
]

_ON_FIRST_USE = {
    "admit_batch": "orchestrator.placement.admission",
    "place_batch": "orchestrator.placement.background",
    "search": "orchestrator.placement.background",
    "solve_exactly": "orchestrator.placement.background",
}


def __getattr__(name: str) -> Any:
    """The batch's names, when they are first asked for."""
    if name not in _ON_FIRST_USE:
        raise AttributeError(name)
    return getattr(import_module(_ON_FIRST_USE[name]), name)
