"""What the live run's figure concludes from its frames; the run itself is `make figures`."""

import math

import pytest

from scripts.figures.disturbance import GAP_S, RATE_MBPS, Frame, as_delivered, judged, phases, plotted
from scripts.figures.style import use_style

PLAN = phases(10.0)
DONE = {"halved": 10.0, "whole_again": 20.0, "killed": 30.0}


def frames(halved: float = 0.5, back: float = 31.5) -> list[Frame]:
    """Four a second; R falls to `halved` of itself, and none comes from the kill until `back`."""
    made = []
    for n in range(160):
        t = n / 4
        part = halved if 10 <= t < 20 else 1.0
        if not 30 < t < back:
            made.append(Frame(0, t, 0.858 * part, RATE_MBPS * 1e6 * part, 0.0, 40 if part == 1 else 32, 40))
    return made


def test_link_halved_and_renderer_back_holds() -> None:
    told = judged(frames(), PLAN, DONE)
    assert told["holds"] is True
    assert told["rate_halved_over_whole"] == pytest.approx(0.5)
    assert told["first_frame_after_kill_s"] == 1.5
    assert [mean["units_per_k"] for mean in told["means"]] == [1.0, 0.8, 1.0, 1.0]


@pytest.mark.parametrize(("halved", "back"), [(0.8, 31.5), (0.5, 60.0)])
def test_rate_not_halved_or_renderer_gone_does_not_hold(halved: float, back: float) -> None:
    assert judged(frames(halved, back), PLAN, DONE)["holds"] is False


def test_line_falls_to_nothing_where_no_frame_came() -> None:
    times, values = as_delivered([0.0, 0.5, 0.5 + 2 * GAP_S], [3.0, 4.0, 5.0], 0.0)
    assert list(zip(times, values, strict=True)) == [
        (0.0, 3.0), (0.5, 4.0), (0.5, 0.0), (0.5 + 2 * GAP_S, 0.0), (0.5 + 2 * GAP_S, 5.0),
    ]  # fmt: skip
    assert math.isnan(as_delivered([0.0, 5.0], [1.0, 1.0], math.nan)[1][1])


def test_figure_has_three_panels_with_both_disturbances_hatched() -> None:
    use_style()
    data = {
        "phases": [vars(phase) for phase in PLAN],
        "floor": 0.5,
        "done_s": DONE,
        **judged(frames(), PLAN, DONE),
        "frames": [vars(frame) for frame in frames()],
    }
    panels = plotted(data).axes
    assert len(panels) == 3
    assert all(len([patch for patch in panel.patches if patch.get_hatch()]) == 2 for panel in panels)
