"""Which of a model's plans a buyer means: one for each degree of isolation, each at its own price. Pure.

Called by the client and by `s4m catalog` and `s4m buy`. The marketplace's word on degrees is only a proposal: the
client holds the chosen plan's terms against their hash on the chain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from marketplace.errors import ProblemAnswer

_UNKNOWN_MODEL = {
    "code": "unknown_model",
    "title": "No such model",
    "remedy": "List what is for sale (`s4m catalog list`) and take a name from it.",
}
_UNKNOWN_PLAN = {
    "code": "unknown_plan",
    "title": "No such plan",
    "remedy": "Choose one of the degrees that are sold (`s4m catalog show MODEL`).",
}


def degree_plans(model: Mapping[str, Any]) -> dict[int, Mapping[str, Any]]:
    """Degree of isolation → the newest open plan that sells it, of a model as the marketplace lists it.

    A plan whose terms nobody has put counts as degree 0: so did every plan before degrees had prices.
    """
    offers = sorted((plan for plan in model["plans"] if not plan["retired"]), key=lambda plan: int(plan["planId"]))
    newest = {int(plan.get("isolation") or 0): plan for plan in offers}
    return dict(sorted(newest.items()))


def plan_named(models: Sequence[Mapping[str, Any]], name: str, isolation: int) -> int:
    """The plan of the first model of this name, for this degree; raises ProblemAnswer, naming what is sold instead."""
    offers = next((plans for model in models if model["name"] == name and (plans := degree_plans(model))), {})
    if not offers:
        raise ProblemAnswer(404, {**_UNKNOWN_MODEL, "detail": f"nothing called {name!r} is for sale."})
    if isolation not in offers:
        sold = ", ".join(f"degree {degree} (plan {plan['planId']})" for degree, plan in offers.items())
        detail = f"{name!r} is not sold at isolation degree {isolation}; sold are {sold}."
        raise ProblemAnswer(404, {**_UNKNOWN_PLAN, "detail": detail})
    return int(offers[isolation]["planId"])
