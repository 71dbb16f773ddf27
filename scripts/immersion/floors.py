"""How near the sum of immersion above floors is to the best there is: against a proved bound of mixed-integer programs.

An object is kept or not (a binary), a kept one takes x_th to the cap. Its worth w ln(x / x_th) is concave there, so it
lies under its tangents: with these in place of the logarithm every split above the floors is a solution of the program,
and what no solution passes (HiGHS' dual bound) no split passes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.optimize import Bounds, LinearConstraint, milp

from orchestrator.qoe.immersion import CAP_K, THRESHOLD_K, Floats
from scripts.immersion.cases import TOTAL_K, Case

TANGENTS_K = (15.0, 16.5, 18.0, 19.0, 20.0)
"""touch the logarithm here: between two of them a worth is taken for at most 0.13 % of the weight too much"""
CASES = 5
SECONDS = 8.0
"""that a program may take; what is proved then counts"""
MOST = {10: 0.25, 20: 0.25, 50: 0.5}
"""users → the gap that is allowed, in %"""


def gap(
    figure: Callable[..., dict[str, Any]], users: int, cases: Sequence[Case], sums: Floats, load: str
) -> dict[str, Any]:
    """The largest gap of the first cases, in % of the bound; `sums` are the immersion that floors left."""
    gaps = [100 * (1 - float(ours) / bound(case)) for case, ours in zip(cases[:CASES], sums, strict=False)]
    told = f"{load}: largest of {len(gaps)}, {SECONDS:.0f} s a program"
    return figure(f"floors_gap_{users}_users", round(max(0.0, *gaps), 4), "%", told, ("<=", MOST[users]))


def bound(case: Case, seconds: float = SECONDS) -> float:
    """No split of the budget above the case's floors has a higher sum."""
    weights = case.quality[:, None] * case.attention
    user, seen = np.nonzero(weights)
    return _bound(weights[user, seen], user, case.floors(), seconds)


def _bound(weight: Floats, user: Any, floors: Floats, seconds: float) -> float:
    """The variables: which objects are kept, their K, their worths."""
    count = weight.size
    one, none = sp.identity(count), sp.csr_matrix((count, count))
    of_user = sp.csr_matrix((np.ones(count), (user, np.arange(count))), (floors.size, count))
    all_k = sp.csr_matrix(np.concatenate([np.zeros(count), np.ones(count), np.zeros(count)]))
    tangents = [
        sp.hstack([sp.diags(-weight * (np.log(at / THRESHOLD_K) - 1)), sp.diags(-weight / at), one])
        for at in TANGENTS_K
    ]
    within = [sp.hstack([THRESHOLD_K * one, -one, none]), sp.hstack([-CAP_K * one, one, none]), *tangents]
    rows = sp.vstack([*within, all_k, sp.hstack([sp.csr_matrix((floors.size, 2 * count)), -of_user])])
    most = np.concatenate([np.zeros(count * len(within)), [TOTAL_K], -floors])
    answer = milp(
        np.concatenate([np.zeros(2 * count), -np.ones(count)]),
        constraints=LinearConstraint(rows.tocsr(), -np.inf, most),
        integrality=np.concatenate([np.ones(count), np.zeros(2 * count)]),
        bounds=Bounds(0, np.concatenate([np.ones(count), np.full(count, CAP_K), np.full(count, np.inf)])),
        options={"time_limit": seconds, "mip_rel_gap": 1e-5},
    )
    if answer.mip_dual_bound is None:
        raise RuntimeError(f"The program for the bound failed: {answer.message}. Give it more seconds.")
    return -float(answer.mip_dual_bound)
