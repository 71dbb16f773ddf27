"""Broker, network slice, time and frequency division: what was granted is what flows, and to whom it belongs."""

from typing import Any

import pytest
from model_calls import ask, cpu_seconds, value

from orchestrator.models.communication_protocol import QUEUE, Brokers, matches
from orchestrator.models.errors import BadCall, NotThere, OverGrant
from orchestrator.models.network_slice import BUCKET_BYTES, LINK_SCALE, MAX_SECONDS, Pipe, Slice
from orchestrator.models.network_slice import schedule as flows_of
from orchestrator.models.serving import Answer, Request
from orchestrator.models.time_frequency_division import schedule as divide


class Desk:
    """One tenant's calls to a broker."""

    def __init__(self, brokers: Brokers, tenant: str = "1", sessions: int = 4) -> None:
        self._calls, self._tenant, self._sessions = brokers.calls(), tenant, sessions

    def __call__(self, call: str, **params: Any) -> Any:
        return value(self.answer(call, **params))

    def answer(self, call: str, **params: Any) -> Answer:
        return ask(self._calls[call], params, self._tenant, protocol_stack_sessions=self._sessions)

    def got(self, client: str) -> list[str]:
        return [message["payload"] for message in self("receive", client=client, most=100)["messages"]]


@pytest.fixture
def desk() -> Desk:
    made = Desk(Brokers())
    for client in ("pump", "office"):
        made("connect", client=client)
    return made


@pytest.mark.parametrize(
    ("filter_", "topic", "fits"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/b/c", False),
        ("a/+/c", "a/b/c", True),
        ("a/+", "a/b/c", False),
        ("a/#", "a/b/c", True),
        ("a/#", "a", True),
        ("#", "a/b", True),
        ("+", "a/b", False),
        ("a/b/+", "a/b", False),
    ],
)
def test_filters_match_as_mqtt_says(filter_: str, topic: str, fits: bool) -> None:
    assert matches(filter_, topic) is fits


def test_messages_reach_those_who_asked_for_their_topic(desk: Desk) -> None:
    desk("subscribe", client="office", filter="hall/+/celsius")
    assert desk("publish", topic="hall/pump/celsius", payload="71")["delivered"] == 1
    assert desk("publish", topic="hall/pump/rpm", payload="900")["delivered"] == 0
    assert desk.got("office") == ["71"]
    assert desk.got("office") == []
    assert desk.got("pump") == []


def test_quality_one_comes_again_until_it_is_acknowledged(desk: Desk) -> None:
    desk("subscribe", client="office", filter="#", qos=1)
    desk("publish", topic="a", payload="1", qos=1)
    desk("publish", topic="a", payload="0", qos=0)
    first = desk("receive", client="office")["messages"]
    assert [message["payload"] for message in first] == ["1", "0"]
    again = desk("receive", client="office")["messages"]
    assert [(message["payload"], message["again"]) for message in again] == [("1", True)]
    assert desk("acknowledge", client="office", ids=[first[0]["id"]])["acknowledged"] == 1
    assert desk.got("office") == []


def test_quality_two_takes_a_repeated_publication_once(desk: Desk) -> None:
    desk("subscribe", client="office", filter="#", qos=2)
    assert not desk("publish", topic="a", payload="x", qos=2, id="p-1")["repeated"]
    assert desk("publish", topic="a", payload="x", qos=2, id="p-1") == {"delivered": 1, "repeated": True}
    assert desk.got("office") == ["x"]


def test_a_late_subscriber_gets_what_was_retained(desk: Desk) -> None:
    desk("publish", topic="state", payload="on", retain=True)
    assert desk("subscribe", client="office", filter="state")["retained"] == 1
    assert desk.got("office") == ["on"]
    desk("publish", topic="state", payload="", retain=True)
    desk("connect", client="late")
    assert desk("subscribe", client="late", filter="#")["retained"] == 0


def test_sessions_are_as_many_as_were_granted_and_survive_a_reconnect(desk: Desk) -> None:
    for client in ("a", "b"):
        desk("connect", client=client)
    with pytest.raises(OverGrant, match="protocol_stack_sessions"):
        desk("connect", client="c")
    desk("subscribe", client="a", filter="#")
    desk("publish", topic="x", payload="kept")
    assert desk("connect", client="a") == {"client": "a", "present": True, "waiting": 1}
    assert desk("connect", client="a", clean=True)["waiting"] == 0
    assert desk("disconnect", client="b")["known"]
    desk("connect", client="c")


def test_a_full_queue_drops_quality_zero_and_refuses_the_rest(desk: Desk) -> None:
    desk("subscribe", client="office", filter="#", qos=1)
    desk("publish", topic="a", payload="light", qos=0)
    for number in range(QUEUE - 1):
        desk("publish", topic="a", payload=str(number), qos=1)
    assert desk("publish", topic="a", payload="more", qos=1)["delivered"] == 1
    with pytest.raises(OverGrant, match="queues"):
        desk("publish", topic="a", payload="too much", qos=1)
    assert desk("publish", topic="a", payload="light", qos=0)["delivered"] == 0
    first = desk("receive", client="office", most=1)
    assert first["messages"][0]["payload"] == "0"
    assert first["dropped"] == 2


def test_quantity_is_the_messages_that_a_publication_became(desk: Desk) -> None:
    for client in ("pump", "office"):
        desk("subscribe", client=client, filter="#")
    assert desk.answer("publish", topic="a", payload="x").quantity == 2
    assert desk.answer("publish", topic="a", payload="y").quantity == 2
    assert desk.answer("receive", client="office").quantity == 2

    def told(count: int) -> float:
        crowd = Desk(Brokers(), sessions=100)
        for number in range(count):
            crowd("connect", client=str(number))
            crowd("subscribe", client=str(number), filter="a/+/c")
        return cpu_seconds(lambda: [crowd("publish", topic="a/b/c", payload="x") for _ in range(20)])

    assert told(90) > 4 * told(3)


def test_tenants_brokers_are_apart(desk: Desk) -> None:
    brokers = Brokers()
    mine, theirs = Desk(brokers, "1"), Desk(brokers, "2")
    for each in (mine, theirs):
        each("connect", client="a")
        each("subscribe", client="a", filter="#")
    mine("publish", topic="secret", payload="x", retain=True)
    assert theirs.got("a") == []
    theirs("connect", client="b")
    assert theirs("subscribe", client="b", filter="#")["retained"] == 0
    brokers.forget("1")
    with pytest.raises(NotThere, match="session"):
        mine.got("a")


@pytest.mark.parametrize(
    ("call", "params", "named"),
    [
        ("connect", {}, "client"),
        ("subscribe", {"client": "pump", "filter": "a/#/b"}, "filter"),
        ("subscribe", {"client": "pump", "filter": "a", "qos": 3}, "qos"),
        ("publish", {"topic": "a/+"}, "topic"),
        ("publish", {"topic": "a", "payload": 5}, "payload"),
        ("publish", {"topic": "a", "qos": 2}, "id"),
        ("receive", {"client": "pump", "most": 0}, "most"),
        ("acknowledge", {"client": "pump", "ids": ["x"]}, "ids"),
    ],
)
def test_bad_words_to_the_broker_are_refused_by_name(desk: Desk, call: str, params: dict[str, Any], named: str) -> None:
    with pytest.raises(BadCall, match=named):
        desk(call, **params)


VIDEO = {"name": "video", "rate_mbps": 30, "weight": 3}
VOICE = {"name": "voice", "rate_mbps": 1, "packet_bytes": 200}
FLOOD = {"name": "flood", "rate_mbps": 300}


def plan(*flows: dict[str, Any], mbps: int = 100, **more: Any) -> Any:
    return value(ask(flows_of, {"flows": list(flows), "seconds": 0.5, **more}, bandwidth_mbps=mbps))["flows"]


def test_flows_below_the_rate_get_through_at_once() -> None:
    told = plan(VIDEO, VOICE)
    assert told["video"]["throughput_mbps"] == pytest.approx(30, rel=0.1)
    assert told["voice"]["throughput_mbps"] == pytest.approx(1, rel=0.3)
    assert told["video"]["dropped"] == told["voice"]["dropped"] == 0
    assert told["video"]["p99_delay_ms"] < 1


def test_a_flood_harms_itself_and_not_its_neighbours() -> None:
    calm, flooded = plan(VIDEO, VOICE), plan(VIDEO, VOICE, FLOOD)
    assert flooded["flood"]["dropped"] > 1000
    assert flooded["flood"]["throughput_mbps"] == pytest.approx(100 - 31, rel=0.1)
    for name in ("video", "voice"):
        assert flooded[name]["dropped"] == 0
        assert flooded[name]["throughput_mbps"] == pytest.approx(calm[name]["throughput_mbps"], rel=0.02)
        assert flooded[name]["p99_delay_ms"] < 2


def test_backlogged_flows_share_by_weight() -> None:
    told = plan({**FLOOD, "name": "a", "weight": 3}, {**FLOOD, "name": "b", "weight": 1, "packet_bytes": 300})
    assert told["a"]["throughput_mbps"] / told["b"]["throughput_mbps"] == pytest.approx(3, rel=0.1)
    assert told["a"]["throughput_mbps"] + told["b"]["throughput_mbps"] == pytest.approx(100, rel=0.02)


def test_more_bandwidth_less_delay_and_fewer_drops() -> None:
    narrow, wide = plan(VIDEO, FLOOD, mbps=50), plan(VIDEO, FLOOD, mbps=400)
    assert wide["flood"]["mean_delay_ms"] < narrow["flood"]["mean_delay_ms"] / 10
    assert wide["flood"]["dropped"] == 0 < narrow["flood"]["dropped"]
    assert plan(VIDEO) == plan(VIDEO)
    assert plan(VIDEO, seed=1) != plan(VIDEO, seed=2)


def test_a_plans_quantity_and_cost_are_its_packets() -> None:
    few, many = ({"flows": [{**FLOOD, "rate_mbps": rate}], "seconds": 0.5} for rate in (5, 300))
    small, large = ask(flows_of, few, bandwidth_mbps=400), ask(flows_of, many, bandwidth_mbps=400)
    assert (small.quantity, large.quantity) == (1, -(-large.info["packets"] // 1000))
    assert large.quantity > 10
    dear = cpu_seconds(lambda: ask(flows_of, many, bandwidth_mbps=400))
    assert dear > 10 * cpu_seconds(lambda: ask(flows_of, few, bandwidth_mbps=400))


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({}, "flows"),
        ({"flows": [VIDEO, VIDEO]}, "twice"),
        ({"flows": [{"rate_mbps": 0}]}, "rate_mbps"),
        ({"flows": [{"packet_bytes": 10}]}, "packet_bytes"),
        ({"flows": [{"rate_mbps": 10_000, "packet_bytes": 40}], "seconds": 1}, "packets"),
    ],
)
def test_bad_plans_are_refused_by_name(params: dict[str, Any], named: str) -> None:
    with pytest.raises(BadCall, match=named):
        ask(flows_of, params)


def test_a_slice_without_bandwidth_carries_nothing() -> None:
    for call in (flows_of, Slice().carry):
        with pytest.raises(OverGrant, match="bandwidth_mbps"):
            ask(call, {"flows": [VIDEO]}, bandwidth_mbps=0)


class Wrist:
    """A clock that only sleeping moves: real time is the one thing replaced here."""

    def __init__(self) -> None:
        self.now = 1000.0

    def read(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize("mbps", [10, 100, 1000])
def test_bytes_take_the_time_of_the_granted_rate_and_arrive_whole(mbps: int) -> None:
    wrist = Wrist()
    own = Slice(wrist.read, wrist.sleep)
    body = bytes(range(256)) * 64
    answer = own.carry(Request(grant={"bandwidth_mbps": mbps}, tenant="1", body=body))
    assert answer.body == body
    assert answer.quantity == 16
    assert answer.headers["S4M-Flipped-Bits"] == "0"
    rate = mbps * 1e6 / 8 / LINK_SCALE
    assert float(answer.headers["S4M-Link-Seconds"]) == pytest.approx(len(body) / rate)
    assert wrist.now == pytest.approx(1000 + (len(body) - BUCKET_BYTES) / rate)


def test_the_bucket_fills_while_nobody_sends_and_no_further() -> None:
    pipe, rate = Pipe(filled=0.0), 1000.0
    assert pipe.send(BUCKET_BYTES, rate, 0.0)[0] == 0.0
    assert pipe.send(1000, rate, 0.0)[0] == 1.0
    assert pipe.send(1000, rate, 2.0)[0] == 2.0
    assert pipe.send(BUCKET_BYTES + 1000, rate, 1000.0)[0] == 1001.0


def test_a_tenant_waits_behind_itself_alone() -> None:
    waits: list[float] = []
    own = Slice(lambda: 1000.0, waits.append)
    body = bytes(BUCKET_BYTES + 10_000)
    for tenant in ("1", "1", "2"):
        own.carry(Request(grant={"bandwidth_mbps": 100}, tenant=tenant, body=body))
    seconds = 10_000 * 8 * LINK_SCALE / 1e8
    assert waits == pytest.approx([seconds, seconds + len(body) * 8 * LINK_SCALE / 1e8, seconds])
    own.forget("1")
    own.carry(Request(grant={"bandwidth_mbps": 100}, tenant="1", body=body))
    assert waits[-1] == pytest.approx(seconds)
    with pytest.raises(OverGrant, match=str(MAX_SECONDS)):
        own.carry(Request(grant={"bandwidth_mbps": 1}, tenant="1", body=bytes(1 << 20)))


def test_a_slice_knows_no_radio() -> None:
    with pytest.raises(BadCall, match="snr_db"):
        Slice().configure({"tenant": "1", "snr_db": 10})


USERS = [
    {"name": "a", "mbps": 120, "snr_db": 20},
    {"name": "b", "mbps": 60, "snr_db": 10},
    {"name": "c", "mbps": 5, "snr_db": 25},
]


def frame(mhz: int = 100, **params: Any) -> Any:
    return value(ask(divide, {"users": USERS, **params}, spectrum_mhz=mhz))


def blocks_of(user: dict[str, Any]) -> list[tuple[int, int]]:
    return [(channel, slot) for channel, first, last in user["blocks"] for slot in range(first, last + 1)]


@pytest.mark.parametrize("mode", ["both", "time", "frequency"])
@pytest.mark.parametrize("mhz", [20, 60, 100])
def test_no_block_has_two_users_and_all_lie_within_the_grant(mode: str, mhz: int) -> None:
    told = frame(mhz, mode=mode)
    given = [block for user in told["users"].values() for block in blocks_of(user)]
    assert len(given) == len(set(given))
    assert all(0 <= channel < mhz // 5 and 0 <= slot < 10 for channel, slot in given)
    answer = ask(divide, {"users": USERS, "mode": mode}, spectrum_mhz=mhz)
    assert answer.info["given"] == len(given)
    assert answer.quantity == -(-len(given) // 100)


def test_time_division_parts_slots_and_frequency_division_channels() -> None:
    slots = [{slot for _, slot in blocks_of(user)} for user in frame(mode="time")["users"].values()]
    channels = [{channel for channel, _ in blocks_of(user)} for user in frame(mode="frequency")["users"].values()]
    for parts in (slots, channels):
        assert all(not a & b for n, a in enumerate(parts) for b in parts[n + 1 :])
    assert all(len(blocks_of(user)) % 20 == 0 for user in frame(mode="time")["users"].values())


def test_more_spectrum_satisfies_more_and_the_poorest_is_served_first() -> None:
    scarce, plenty = frame(20)["users"], frame(100)["users"]
    assert all(user["satisfied"] == 1 for user in plenty.values())
    parts = [scarce[name]["satisfied"] for name in "ab"]
    assert max(parts) < 0.7
    assert parts[0] == pytest.approx(parts[1], rel=0.1)
    heavy = frame(20, users=[{**USERS[0], "weight": 3}, USERS[1], USERS[2]])["users"]
    assert heavy["a"]["satisfied"] / heavy["b"]["satisfied"] == pytest.approx(3, rel=0.2)


def test_a_better_channel_needs_fewer_blocks_and_each_user_gets_its_own_best() -> None:
    near, far = (frame(users=[{"mbps": 100, "snr_db": snr}])["users"]["user-1"] for snr in (30, 5))
    assert len(blocks_of(near)) < len(blocks_of(far)) / 2
    assert frame(seed=1) != frame(seed=2)
    assert frame(seed=1) == frame(seed=1)


def test_cost_follows_spectrum_and_slots() -> None:
    crowd = {"users": [{"name": str(n), "mbps": 1e6} for n in range(8)], "channel_mhz": 1, "slots": 20}
    dear = cpu_seconds(lambda: ask(divide, crowd, spectrum_mhz=400))
    assert dear > 4 * cpu_seconds(lambda: ask(divide, crowd, spectrum_mhz=40))
    assert ask(divide, crowd, spectrum_mhz=400).quantity == 80


@pytest.mark.parametrize(
    ("params", "named", "error"),
    [
        ({}, "users", BadCall),
        ({"users": [{"name": "a"}, {"name": "a"}]}, "twice", BadCall),
        ({"users": USERS, "mode": "code"}, "mode", BadCall),
        ({"users": USERS, "slots": 0}, "slots", BadCall),
        ({"users": [{"snr_db": "loud"}]}, "snr_db", BadCall),
        ({"users": USERS, "channel_mhz": 50}, "spectrum_mhz", OverGrant),
    ],
)
def test_bad_divisions_are_refused_by_name(params: dict[str, Any], named: str, error: type[Exception]) -> None:
    with pytest.raises(error, match=named):
        ask(divide, params, spectrum_mhz=40)
