"""Slopes against finite differences, and which purchase raises a user's immersion most for its price."""

import numpy as np
import pytest

from orchestrator.qoe import allocate_attention, meta_immersion
from orchestrator.qoe.sensitivity import Dimension, Offer, Working, cheapest_raise, compare, sensitivity

CAP = 60.0


def working(users: int = 8, seed: int = 4) -> Working:
    """Users in the midst of everything: each budget split over its objects as the gateway does."""
    rng = np.random.default_rng(seed)
    attention = rng.uniform(1, 5, (users, 6))
    shares = np.array(
        [
            allocate_attention(row, budget, CAP)
            for row, budget in zip(attention, rng.uniform(100, 300, users), strict=True)
        ]
    )
    return Working.of(rng.uniform(1e8, 9e8, users), rng.uniform(0.05, 0.4, users), attention, shares)


def test_slopes_equal_finite_differences() -> None:
    now, step = working(), 1e-4
    slopes, before = sensitivity(now, CAP), now.immersion()
    faster = meta_immersion(now.rate_bps + step * 1e6, now.bit_error, now.attention, now.resolution_k)
    cleaner = meta_immersion(now.rate_bps, now.bit_error - step * 0.01, now.attention, now.resolution_k)
    resplit = [
        allocate_attention(row, float(shares.sum()) + step, CAP)
        for row, shares in zip(now.attention, now.resolution_k, strict=True)
    ]
    sharper = meta_immersion(now.rate_bps, now.bit_error, now.attention, np.array(resplit))
    assert slopes[Dimension.RATE] == pytest.approx((faster - before) / step, rel=1e-6)
    assert slopes[Dimension.ERROR] == pytest.approx((cleaner - before) / step, rel=1e-6)
    assert slopes[Dimension.RENDERING] == pytest.approx((sharper - before) / step, rel=1e-4)
    assert np.all(slopes[Dimension.RENDERING] > 0)


def test_slopes_at_the_ends_of_each_scale_are_zero() -> None:
    now = Working.of([1e9, 0.0], [0.0, 0.5], [[3.0], [3.0]], [[20.0], [20.0]])
    slopes = sensitivity(now)
    assert slopes[Dimension.RENDERING].tolist() == [0.0, 0.0]
    assert slopes[Dimension.RATE][0] == slopes[Dimension.ERROR][0] == 0
    assert slopes[Dimension.RATE][1] > 0


def test_purchases_ranked_by_gain_for_the_money() -> None:
    """A slow link wins by rate, a user whose third object does not fit by rendering, a noisy uplink by its error."""
    now = Working.of(
        [50e6, 1e9, 1e9], [0.0, 0.0, 0.4], [[5.0, 0.0, 0.0], [5.0, 5.0, 5.0], [5.0, 0.0, 0.0]],
        [[20.0, 0.0, 0.0], [20.0, 20.0, 0.0], [20.0, 0.0, 0.0]],
    )  # fmt: skip
    offers = {
        Dimension.RENDERING: Offer(20, 5.0), Dimension.RATE: Offer(50, 2.0), Dimension.ERROR: Offer(10, 10.0),
    }  # fmt: skip
    purchases = compare(now, offers)
    assert cheapest_raise(purchases) == [Dimension.RATE, Dimension.RENDERING, Dimension.ERROR]
    whole = 5.0 * np.log(20 / 15)
    assert purchases[Dimension.RATE].gain == pytest.approx([0.05 * whole, 0, 0])
    assert purchases[Dimension.RENDERING].gain == pytest.approx([0, whole, 0])
    assert purchases[Dimension.ERROR].gain == pytest.approx([0, 0, 0.1 * whole])
    assert purchases[Dimension.RATE].price == 100.0


def test_dearer_rate_loses_to_rendering_and_nothing_to_gain_is_none() -> None:
    now = Working.of([500e6, 1e9], [0.0, 0.0], [[5.0, 5.0], [5.0, 0.0]], [[20.0, 0.0], [20.0, 0.0]])
    cheap = {Dimension.RENDERING: Offer(20, 1.0), Dimension.RATE: Offer(500, 0.001)}
    dear = {Dimension.RENDERING: Offer(20, 1.0), Dimension.RATE: Offer(500, 1.0)}
    assert cheapest_raise(compare(now, cheap)) == [Dimension.RATE, None]
    assert cheapest_raise(compare(now, dear)) == [Dimension.RENDERING, None]


def test_bad_input_refused_with_its_cause() -> None:
    with pytest.raises(ValueError, match=r"users, objects"):
        Working.of([1e9], [0.0], [1.0], [20.0])
    with pytest.raises(ValueError, match="one a user"):
        Working.of([1e9, 1e9], [0.0], [[1.0]], [[20.0]])
    with pytest.raises(ValueError, match=r"0\.\.1"):
        Working.of([1e9], [2.0], [[1.0]], [[20.0]])
    with pytest.raises(ValueError, match="rate_mbps must have units"):
        compare(working(), {Dimension.RATE: Offer(0, 1.0)})
