"""Floods: refused cheaply, without harm to who has proven itself, and with bounded memory and journal."""

from collections.abc import Callable

import httpx
import pytest
from trust_apps import mmf_app
from trust_yard import Yard, code

from trust.errors import TooManyRequests
from trust.journal import rows
from trust.limits import MOST_BUCKETS, Buckets, Limiter, Limits, place_of

TIGHT = Limits(address_rate=1.0, address_burst=5.0, refusal_cost=2.0)


class Tick:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_bucket_gives_what_it_holds_and_fills_again() -> None:
    tick = Tick()
    buckets = Buckets(rate=2.0, burst=3.0, tick=tick)
    for _ in range(3):
        assert buckets.wait_s("a") == 0
        buckets.charge("a", 1)
    assert buckets.wait_s("a") == pytest.approx(0.5)
    assert buckets.wait_s("b") == 0
    tick.now += 0.5
    assert buckets.wait_s("a") == 0
    tick.now += 1_000
    for _ in range(3):
        buckets.charge("a", 1)
    assert buckets.wait_s("a") > 0


def test_debt_is_bounded_and_so_are_the_buckets() -> None:
    buckets = Buckets(rate=1.0, burst=10.0, tick=Tick())
    for number in range(MOST_BUCKETS + 50):
        buckets.charge(str(number), 1_000_000)
    assert len(buckets._levels) == MOST_BUCKETS
    assert buckets.wait_s(str(MOST_BUCKETS)) == pytest.approx(11.0)


def test_proven_caller_is_not_held_to_its_addresss_limit() -> None:
    limiter = Limiter(TIGHT, Tick())
    for _ in range(50):
        limiter.knock("10.0.0.1")
        limiter.require_room("vmof", session=False)
        limiter.proven("10.0.0.1", "vmof", session=False)
    for _ in range(5):
        limiter.knock("10.0.0.1")
    with pytest.raises(TooManyRequests, match="this address"):
        limiter.knock("10.0.0.1")


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("not:an:address", "not:an:address"),
        ("", ""),
    ],
)
def test_a_host_is_one_place(address: str, place: str) -> None:
    assert place_of(address) == place


async def test_flood_of_refusals_is_turned_away_before_anything_is_checked(
    yard: Yard, client_of: Callable[..., httpx.AsyncClient]
) -> None:
    app = mmf_app(yard.gate("mmf", limits=TIGHT))
    async with client_of(app) as stranger:
        answers = [await stranger.get("/pool", headers={"Authorization": "DPoP x"}) for _ in range(40)]
    codes = [code(answer) for answer in answers]
    assert codes[0] == "token_invalid"
    assert codes[-1] == "too_many_requests"
    assert answers[-1].status_code == 429
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 11
    elsewhere = httpx.ASGITransport(app=app, client=("10.9.9.9", 1))
    async with httpx.AsyncClient(transport=elsewhere, base_url="http://app") as other:
        assert (await other.get("/health")).status_code == 200
    yard.journals["mmf"].close()
    found = list(rows(yard.home / "mmf.jsonl"))
    assert len(found) < 10  # two rows for all the 429s: the first, and how many followed
    assert sum(row.get("count", 1) for row in found if row["code"] == "too_many_requests") >= 35
