"""To which scale reported needs bring a server: up at once, held at less only where a whole epoch needed less."""

import pytest

from orchestrator.controllers.growth import Need, Server, scales


def server(scale: int = 1, least: int = 1) -> Server:
    return Server("one", "rendering-server", "ar_vr", scale, least, 4_000 * scale)


@pytest.mark.parametrize(
    ("there", "need", "wanted"),
    [
        (server(), Need(3_600, 3_600), {}),
        (server(), Need(4_480, 4_480), {"one": 2}),
        (server(2, 2), Need(4_480, 4_480), {}),
        (server(2, 2), Need(1_000, 4_480), {}),
        (server(2, 2), Need(1_000, 1_000), {"one": 1}),
        (server(2, 1), Need(1_000, 1_000), {}),
        (server(2, 2), Need(0, 0), {"one": 1}),
    ],
    ids=[
        "within it, with headroom", "more than it has", "has it", "needed it in this epoch", "needs it no more",
        "larger for its shares, as placement made it", "needs nothing",
    ],
)  # fmt: skip
def test_scales_reported_need_is_followed(there: Server, need: Need, wanted: dict[str, int]) -> None:
    assert scales([there], {"one": need}) == wanted


def test_scales_server_of_which_nothing_was_reported_stays() -> None:
    assert scales([server(2, 2)], {}) == {}


def test_need_heard_keeps_the_most_until_the_design() -> None:
    need = Need(100, 100).heard(900).heard(300)
    assert (need.newest_k, need.most_k, need.designed()) == (300, 900, Need(300, 300))
