"""The terahertz link and the edge cache: what is granted and configured is what a tenant gets, and only that tenant."""

import math
import random

import pytest

from orchestrator.models.edge_cache import Cache
from orchestrator.models.errors import BadCall, NotThere, OverGrant
from orchestrator.models.serving import Answer, Request
from orchestrator.models.terahertz_link import (
    LINK_SCALE,
    Granted,
    Link,
    Radio,
    bit_error_probability,
    flip_bits,
    spectral_efficiency,
    transmission_seconds,
)


class Wrist:
    """A clock that only sleeping moves: real time is the one thing replaced here."""

    def __init__(self) -> None:
        self.now = 1000.0

    def read(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def link() -> tuple[Link, Wrist]:
    wrist = Wrist()
    return Link(wrist.read, wrist.sleep), wrist


def seconds_of(answer: Answer) -> float:
    return float(answer.headers["S4M-Link-Seconds"])


@pytest.mark.parametrize("mbps", [100, 250, 500, 1000])
def test_downlink_takes_the_time_of_the_granted_rate_and_keeps_the_bytes(mbps: int) -> None:
    radio, wrist = link()
    body = bytes(range(256)) * 400
    answer = radio.downlink(Request(grant={"bandwidth_mbps": mbps}, tenant="1", body=body))
    assert answer.body == body
    assert seconds_of(answer) == pytest.approx(len(body) * 8 * LINK_SCALE / (mbps * 1e6))
    assert wrist.now == pytest.approx(1000 + seconds_of(answer))
    assert answer.quantity == 100


def test_configured_rate_binds_below_the_grant_and_the_grant_below_the_rate() -> None:
    radio, _ = link()
    radio.configure({"tenant": "1", "rate_mbps": 100})
    request = Request(grant={"bandwidth_mbps": 250}, tenant="1", body=bytes(1000))
    assert radio.downlink(request).info["rate_mbps"] == 100
    radio.configure({"tenant": "1", "rate_mbps": 900})
    assert radio.downlink(request).info["rate_mbps"] == 250


@pytest.mark.parametrize(("mhz", "snr_db", "mbps"), [(10, 30, 99.67), (100, 0, 100), (100, 30, 250), (100, -60, 1)])
def test_the_granted_spectrum_carries_what_shannon_says(mhz: int, snr_db: float, mbps: float) -> None:
    radio, _ = link()
    radio.configure({"tenant": "1", "snr_db": snr_db})
    grant = {"bandwidth_mbps": 250, "spectrum_mhz": mhz}
    answer = radio.downlink(Request(grant=grant, tenant="1", body=bytes(1000)))
    assert seconds_of(answer) == pytest.approx(8000 * LINK_SCALE / (mbps * 1e6), rel=1e-3)
    assert spectral_efficiency(snr_db) == pytest.approx(math.log2(1 + 10 ** (snr_db / 10)))


def test_trace_steps_second_by_second_and_repeats() -> None:
    radio = Radio(trace=((100.0, 10.0), (1000.0, 20.0)), since=5.0)
    whole_second = int(1e8 / 8 / LINK_SCALE)
    assert transmission_seconds(whole_second, radio, Granted(1000), 5.0) == pytest.approx(1.0)
    assert transmission_seconds(2 * whole_second, radio, Granted(1000), 5.0) == pytest.approx(1.1)
    assert radio.at(2.5) == (100.0, 10.0)


def test_trace_ends_for_every_start_although_floats_round() -> None:
    radio = Radio(trace=((3.0, 1.0), (7.0, 1.0), (0.0, 1.0)), since=0.1)
    source = random.Random(1)
    for _ in range(200):
        assert transmission_seconds(5000, radio, Granted(1000), 0.1 + source.random() * 1e6) > 0


def test_a_tenants_transfers_queue_and_anothers_do_not_wait() -> None:
    radio, wrist = link()
    frozen = Link(lambda: 1000.0, lambda _: None)
    body = bytes(10_000)
    first, second = (frozen.downlink(Request(tenant="1", body=body)) for _ in range(2))
    assert seconds_of(first) == seconds_of(second)
    waits: list[float] = []
    queueing = Link(lambda: 1000.0, waits.append)
    for tenant in ("1", "1", "2"):
        queueing.downlink(Request(tenant=tenant, body=body))
    assert waits == pytest.approx([seconds_of(first), 2 * seconds_of(first), seconds_of(first)])
    assert radio is not queueing
    assert wrist.now == 1000.0


def test_bit_error_probability_is_bpsk_over_rayleigh() -> None:
    assert bit_error_probability(0) == pytest.approx(0.1464466, rel=1e-6)
    assert bit_error_probability(10) == pytest.approx(0.0232687, rel=1e-4)
    assert bit_error_probability(30) == pytest.approx(2.498e-4, rel=1e-2)


def test_uplink_flips_bits_at_the_probability_and_says_how_many() -> None:
    radio, _ = link()
    radio.configure({"tenant": "1", "snr_db": 10})
    body = bytes(200_000)
    answer = radio.uplink(Request(tenant="1", body=body))
    flipped = sum(byte.bit_count() for byte in answer.body)
    assert flipped == int(answer.headers["S4M-Flipped-Bits"])
    assert flipped / (8 * len(body)) == pytest.approx(bit_error_probability(10), rel=0.05)
    assert answer.info["bep"] == pytest.approx(bit_error_probability(10))


def test_flips_repeat_with_the_seed_and_follow_the_snr() -> None:
    def flips(snr_db: float) -> list[bytes]:
        radio, _ = link()
        radio.configure({"tenant": "1", "snr_db": snr_db, "seed": 5})
        return [radio.uplink(Request(tenant="1", body=bytes(4096))).body for _ in range(2)]

    assert flips(10) == flips(10)
    assert flips(10)[0] != flips(10)[1]
    assert sum(b.bit_count() for b in flips(0)[0]) > 5 * sum(b.bit_count() for b in flips(20)[0])


def test_no_errors_without_probability() -> None:
    assert flip_bits(b"abc", 0.0, random.Random(1)) == (b"abc", 0)


def test_link_that_would_be_busy_for_a_minute_refuses() -> None:
    radio, wrist = link()
    radio.configure({"tenant": "1", "rate_mbps": 1})
    with pytest.raises(OverGrant, match="bandwidth_mbps"):
        radio.downlink(Request(tenant="1", body=bytes(200_000)))
    assert wrist.now == 1000.0


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"tenant": 1},
        {"tenant": "1", "trace": "x"},
        {"tenant": "1", "snr_db": "loud"},
        {"tenant": "1", "trace": [[1]]},
    ],
)
def test_bad_radio_settings_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(BadCall):
        link()[0].configure(fields)


def put(cache: Cache, key: str, body: bytes, tenant: str = "1", storage_mib: int = 1) -> Answer:
    return cache.put(Request({"key": key, "content_type": "image/jpeg"}, {"storage_mib": storage_mib}, tenant, body))


def get(cache: Cache, key: str, tenant: str = "1") -> Answer:
    return cache.get(Request({"key": key}, tenant=tenant))


def test_cache_answers_what_was_put_and_misses_the_rest() -> None:
    cache = Cache()
    put(cache, "a", b"palm")
    assert get(cache, "a").body == b"palm"
    assert get(cache, "a").content_type == "image/jpeg"
    with pytest.raises(NotThere):
        get(cache, "b")


def test_cache_keeps_tenants_apart() -> None:
    cache = Cache()
    put(cache, "a", b"mine", tenant="1")
    with pytest.raises(NotThere):
        get(cache, "a", tenant="2")


def test_least_recently_used_leaves_first_and_the_grant_decides_when() -> None:
    cache, third = Cache(), bytes(350_000)
    for key in "abc":
        put(cache, key, third)
        if key == "b":
            get(cache, "a")
    assert get(cache, "a").body == third
    with pytest.raises(NotThere):
        get(cache, "b")
    roomy = Cache()
    for key in "abc":
        put(roomy, key, third, storage_mib=2)
    assert all(get(roomy, key).body == third for key in "abc")


def test_body_beyond_the_grant_is_refused_and_nothing_leaves() -> None:
    cache = Cache()
    put(cache, "a", b"small")
    with pytest.raises(OverGrant):
        put(cache, "big", bytes(2 << 20))
    assert get(cache, "a").body == b"small"


def test_content_type_cannot_carry_a_header() -> None:
    with pytest.raises(BadCall):
        Cache().put(Request({"key": "a", "content_type": "text/plain\r\nSet-Cookie: x"}, body=b"x"))
