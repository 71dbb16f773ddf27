"""The closed loop on modelled links: floors kept better than by the laws, at no more capacity, the same every time."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from orchestrator.controllers import HpaLaw, LocalController, Observation, Regrant, StaticEven, Step
from orchestrator.qoe import meta_immersion
from orchestrator.simulation.crowd import Crowd, draw_crowd
from orchestrator.simulation.errors import AboveCapacity, TraceMalformed
from orchestrator.simulation.loop import Played, Split, Supply, attainable, delivered, play
from orchestrator.simulation.traces import LinkTrace, Traces, modelled_traces, read_traces

SUPPLY = Supply(2_400, 2_400)
TRACES = modelled_traces(5, 400)


def crowd(seed: int, seconds: int = 120) -> Crowd:
    return draw_crowd(TRACES, 30, seconds, seed)


def missing(played: Played) -> float:
    return float(played.shortfall().sum())


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_loop_local_controller_halves_what_an_even_split_misses_at_no_more_capacity(seed: int) -> None:
    people = crowd(seed)
    local = play(people, LocalController(), SUPPLY)
    static = play(people, StaticEven(2_400), SUPPLY, Split.EVEN)
    hpa = play(people, HpaLaw(), SUPPLY, Split.EVEN)
    assert missing(local) <= 0.5 * missing(static)
    assert missing(local) <= 0.75 * missing(hpa)
    assert local.capacity_k.mean() <= min(static.capacity_k.mean(), hpa.capacity_k.mean())


def test_loop_same_seed_same_run() -> None:
    first, second = (play(crowd(4), LocalController(), SUPPLY) for _ in range(2))
    assert np.array_equal(first.immersion, second.immersion)
    assert np.array_equal(first.capacity_k, second.capacity_k)


def test_loop_any_second_grants_within_capacity_and_nobody_above_what_his_link_carries() -> None:
    played = play(crowd(6), LocalController(), SUPPLY)
    assert np.all(played.granted_k.sum(axis=1) <= played.capacity_k)
    assert np.all(played.immersion <= attainable(played.crowd) + 1e-9)
    assert np.all(played.immersion[~played.crowd.present] == 0)


def test_loop_controller_grants_more_than_there_is_refused() -> None:
    class Spendthrift:
        def begin(self) -> None:
            return None

        def step(self, _state: None, seen: Observation, _now_s: float) -> Step[None]:
            return Step(None, (Regrant(dict.fromkeys(seen.users, 1_000)),))

    with pytest.raises(AboveCapacity, match="Second 1"):
        play(crowd(1), Spendthrift(), SUPPLY)


def test_loop_links_halve_acted_on_in_the_next_second_and_floors_kept_again_once_capacity_came() -> None:
    people = draw_crowd(TRACES, 6, 100, 3, present=True)
    steady = replace(
        people, rate_bps=np.full((100, 6), 8e8), bit_error=np.zeros((100, 6)), bits_per_k=np.full((100, 6), 1e4),
        floor=0.3 * people.attention.sum(axis=1) * np.log(20 / 15),
    )  # fmt: skip
    steady.rate_bps[50:] = 4e8
    played = play(steady, LocalController(), Supply(4_000, 4_000, starting_s=1))
    missed = played.shortfall().sum(axis=1)
    assert missed[49] == pytest.approx(0.0, abs=1e-9)
    assert missed[50] > 0
    assert np.any(played.granted_k[51] != played.granted_k[50])
    assert np.all(missed[54:] == pytest.approx(0.0, abs=1e-9))


def test_delivered_frame_larger_than_the_link_every_object_loses_alike() -> None:
    reached = delivered(np.array([[20.0, 20.0], [20.0, 0.0]]), np.array([1e6, 1e6]), np.array([30e6, 30e6]))
    assert reached.tolist() == [[15.0, 15.0], [20.0, 0.0]]


def test_played_immersion_recomputed_by_the_formula() -> None:
    played = play(draw_crowd(TRACES, 5, 20, 2, present=True), StaticEven(500), Supply(500, 500), Split.EVEN)
    people = played.crowd
    counts = np.count_nonzero(people.attention, axis=1)
    drawn = np.where(people.attention > 0, np.minimum(20.0, 100.0 / counts)[:, None], 0.0)
    carried = delivered(drawn, people.bits_per_k[7], people.rate_bps[7])
    expected = meta_immersion(people.rate_bps[7], people.bit_error[7], people.attention, carried)
    assert played.immersion[7] == pytest.approx(expected)


def test_crowd_links_shorter_than_the_run_go_round() -> None:
    short = Traces((LinkTrace("short", np.array([1e6, 2e6, 3e6]), np.zeros(3)),), TRACES.streams)
    rates = draw_crowd(short, 1, 9, 1).rate_bps[:, 0]
    assert rates.tolist() == [*rates[:3]] * 3
    assert sorted(rates[:3]) == [1e6, 2e6, 3e6]


def test_traces_recordings_second_by_second(tmp_path: Path) -> None:
    (tmp_path / "radio").mkdir()
    (tmp_path / "vr").mkdir()
    rows = ["2020.01.01_00.00.00,5,1000,D", "2020.01.01_00.00.01,5,7,I", "2020.01.01_00.00.03,-,3000,D"]
    (tmp_path / "radio/one.csv").write_text("\n".join(["Timestamp,SNR,DL_bitrate,State", *rows]) + "\n")
    (tmp_path / "vr/one.csv").write_text("# x\n" + "1000,0.5\n" * 6)
    traces = read_traces(tmp_path)
    assert traces.links[0].rate_bps.tolist() == [1e6, 1e6, 1e6, 3e6], "idle rows measure no link"
    assert traces.streams[0].bits.tolist() == [16_000.0] * 3


@pytest.mark.parametrize("text", ["", "Timestamp,SNR\n1,2\n", "Timestamp,SNR,DL_bitrate,State\nyesterday,1,1,D\n"])
def test_traces_file_of_another_form_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "radio").mkdir()
    (tmp_path / "radio/bad.csv").write_text(text)
    with pytest.raises(TraceMalformed):
        read_traces(tmp_path)


@pytest.mark.skipif("S4M_DATA" not in os.environ, reason="S4M_DATA names no folder of recordings")
def test_loop_recorded_links_the_bars_hold() -> None:
    people = draw_crowd(read_traces(Path(os.environ["S4M_DATA"])), 50, 300, 11)
    supply = Supply(4_000, 4_000)
    local, static = play(people, LocalController(), supply), play(people, StaticEven(4_000), supply, Split.EVEN)
    assert missing(local) <= 0.5 * missing(static)
    assert local.capacity_k.mean() <= 4_000
