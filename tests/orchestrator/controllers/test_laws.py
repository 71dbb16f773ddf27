"""The laws compared with: an even split, and Kubernetes' published algorithm."""

from dataclasses import replace

import numpy as np
from observations import observation

from orchestrator.controllers import HpaLaw, Regrant, Scale, StaticEven
from orchestrator.controllers.laws import HpaState


def test_static_even_everybody_the_same_of_a_fixed_capacity() -> None:
    step = StaticEven(400).step(None, observation(1), 0.0)
    assert step.changes == (Regrant({f"user-{number}": 66 for number in range(6)}),)


def test_hpa_law_use_above_target_scales_by_the_ratio_at_the_next_sync() -> None:
    law, seen = HpaLaw(), replace(observation(1), drawn_k=np.full(6, 60.0), reserved_k=1_000)
    begun = law.step(law.begin(), seen, 0.0)
    assert begun.changes == (Regrant(dict.fromkeys(seen.users, 66)),)
    early = law.step(begun.state, seen, 14.0)
    assert not any(isinstance(one, Scale) for one in early.changes)
    due = law.step(early.state, seen, 15.0)
    assert Scale(515) in due.changes, "400 × (360 / 400) / 0.7, rounded up"


def test_hpa_law_use_within_the_tolerance_keeps_its_capacity() -> None:
    seen = replace(observation(1), drawn_k=np.full(6, 49.0))
    assert not any(isinstance(one, Scale) for one in HpaLaw().step(HpaState(0.0), seen, 15.0).changes)


def test_hpa_law_use_falls_scales_down_only_after_the_stabilisation_window() -> None:
    law, seen = HpaLaw(), replace(observation(1), drawn_k=np.full(6, 47.0))
    state, scaled = HpaState(0.0, ((0.0, 400),)), []
    for sync in range(1, 22):
        step = law.step(state, replace(seen, drawn_k=np.full(6, 10.0)), 15.0 * sync)
        state = step.state
        scaled += [(15 * sync, one.capacity_k) for one in step.changes if isinstance(one, Scale)]
    assert scaled[0] == (300, 100)
