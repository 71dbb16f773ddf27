"""Proportional fairness against scipy's SLSQP where the problem is convex, and what fairness must mean."""

import numpy as np
import pytest
from scipy.optimize import minimize

from orchestrator.qoe import allocate_proportionally, allocate_users, rendering_experience
from orchestrator.qoe.immersion import Floats


def solved(attention: Floats, budget: float, cap: float, fair: bool) -> float:
    """Σ ln MI (or Σ MI) by SLSQP with every object kept: the convex case."""
    users, objects = attention.shape

    def worth(x: Floats) -> Floats:
        return np.asarray((attention * np.log(x.reshape(users, objects) / 15.0)).sum(axis=1))

    def objective(x: Floats) -> float:
        return -float(np.log(worth(x)).sum() if fair else worth(x).sum())

    def gradient(x: Floats) -> Floats:
        scale = 1 / worth(x) if fair else np.ones(users)
        return -(scale[:, None] * attention / x.reshape(users, objects)).ravel()

    within = {"type": "ineq", "fun": lambda x: budget - x.sum(), "jac": lambda x: -np.ones(x.size)}
    answer = minimize(
        objective, np.full(attention.size, 15.0 + 0.5 * (min(cap, budget / attention.size) - 15.0)), jac=gradient,
        bounds=[(15.0 + 1e-9, cap)] * attention.size, constraints=[within], method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )  # fmt: skip
    return -float(answer.fun)


@pytest.mark.parametrize("fair", [False, True])
def test_convex_cases_agree_with_slsqp(fair: bool) -> None:
    """Ample budgets (e x_th and more for each object): keeping every object is best, so the problem is convex."""
    rng = np.random.default_rng(8)
    for _ in range(20):
        users, objects = rng.integers(2, 6, 2)
        attention, cap = rng.uniform(3.5, 5, (users, objects)), float(rng.choice([60.0, 90.0, 150.0]))
        budget = float(attention.size * rng.uniform(max(0.75 * cap, 58.0), cap))
        allocate = allocate_proportionally if fair else allocate_users
        shares = allocate(np.ones(users), attention, budget, cap_k=cap)
        assert shares.all()
        worth = rendering_experience(attention, shares)
        value = float(np.log(worth).sum() if fair else worth.sum())
        assert value == pytest.approx(solved(attention, budget, cap, fair), abs=1e-6)


def test_slow_user_gets_the_picture_of_a_fast_one() -> None:
    attention = np.full((2, 4), 3.0)
    shares = allocate_proportionally([1.0, 0.1], attention, 80.0)
    assert shares[0] == pytest.approx(shares[1])
    assert shares.sum() == pytest.approx(80.0)
    assert allocate_users([1.0, 0.1], attention, 80.0)[1].sum() == 0


def test_no_transfer_helps_by_a_larger_share_than_it_costs() -> None:
    rng = np.random.default_rng(9)
    attention, quality = rng.integers(1, 6, (6, 8)).astype(float), rng.uniform(0.1, 1, 6)
    fair = rendering_experience(attention, allocate_proportionally(quality, attention, 2000.0, cap_k=100.0))
    assert np.all(fair > 0)
    for _ in range(200):
        other = rendering_experience(attention, allocate_users(rng.uniform(0, 1, 6), attention, 2000.0, cap_k=100.0))
        assert np.sum((other - fair) / fair) <= 1e-9


def test_users_whom_the_budget_does_not_carry_are_left_out_least_worth_first() -> None:
    shares = allocate_proportionally([1.0, 0.1, 0.0, 0.5], [[3.0], [3.0], [5.0], [3.0]], 44.0)
    assert shares.ravel().tolist() == [20.0, 0.0, 0.0, 20.0]
    assert not allocate_proportionally([1.0], [[3.0]], 10.0).any()
    assert allocate_proportionally([], np.zeros((0, 4)), 10.0).size == 0


def test_scarce_budget_is_spent_and_serves_everybody() -> None:
    rng = np.random.default_rng(10)
    attention = rng.integers(1, 6, (50, 56)).astype(float)
    for budget in (1000.0, 2600.0, 4000.0):
        shares = allocate_proportionally(np.full(50, 0.5), attention, budget)
        assert budget - 15 <= shares.sum() <= budget + 1e-6
        assert np.all(rendering_experience(attention, shares) > 0)


def test_bad_input_refused() -> None:
    with pytest.raises(ValueError, match=r"0\.\.1"):
        allocate_proportionally([2.0], [[1.0]], 10.0)
