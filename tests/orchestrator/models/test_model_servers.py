"""Cloud and edge servers, edge and fog computing, storage: what they keep is a tenant's own, and within its grant."""

import random
import statistics
import threading
from base64 import b64encode
from functools import partial
from typing import Any

import numpy as np
import pytest
from model_calls import ask, cpu_seconds, value

from orchestrator.models.cloud_server import STEPS_PER_MCORE, CloudServer
from orchestrator.models.edge_computing import run_query
from orchestrator.models.edge_server import IDLE_S, SPEED_MS, EdgeServer
from orchestrator.models.errors import BadCall, NotThere, OverGrant
from orchestrator.models.fog_computing import NODES, SIDE, TILE_BYTES, Fogs, home_of, terrain
from orchestrator.models.serving import THREAD_STACK_BYTES
from orchestrator.models.storage import Storage

FIB = {
    "main": {"params": ["n"], "body": ["fib", ["$", "n"]]},
    "fib": {
        "params": ["n"],
        "body": [
            "if",
            ["<", ["$", "n"], 2],
            ["$", "n"],
            ["+", ["fib", ["-", ["$", "n"], 1]], ["fib", ["-", ["$", "n"], 2]]],
        ],
    },
}
SQUARES = ["fold", "total", 0, "i", ["range", ["$", "n"]], ["+", ["$", "total"], ["*", ["$", "i"], ["$", "i"]]]]


def evaluate(body: Any, params: tuple[str, ...] = (), args: tuple[Any, ...] = (), mcores: int = 100) -> Any:
    server = CloudServer()
    ask(server.deploy, {"name": "f", "functions": {"main": {"params": list(params), "body": body}}})
    return value(ask(server.invoke, {"name": "f", "args": list(args)}, computing_mcores=mcores))["result"]


@pytest.mark.parametrize(
    ("body", "result"),
    [
        (5, 5),
        ("text", "text"),
        (["+", 1, 2], 3),
        (["+", "a", "b"], "ab"),
        (["//", 7, 2], 3),
        (["**", 2, 10], 1024.0),
        (["let", "x", 4, ["*", ["$", "x"], ["$", "x"]]], 16),
        (["map", "x", ["range", 4], ["*", 2, ["$", "x"]]], [0, 2, 4, 6]),
        (["filter", "x", ["range", 6], ["=", 0, ["%", ["$", "x"], 2]]], [0, 2, 4]),
        (["at", ["list", 7, 8], 1], 8),
        (["len", ["concat", ["list", 1], ["list", 2, 3]]], 3),
        (["and", False, ["/", 1, 0]], False),
        (["or", 1, ["/", 1, 0]], 1),
        (["if", ["not", True], ["/", 1, 0], "fine"], "fine"),
        (["max", 1, ["min", 5, 3]], 3),
    ],
)
def test_expressions_have_their_values(body: Any, result: Any) -> None:
    assert evaluate(body) == result


def test_functions_call_each_other_and_input_decides() -> None:
    server = CloudServer()
    ask(server.deploy, {"name": "fib", "functions": FIB})
    told = [value(ask(server.invoke, {"name": "fib", "args": [n]}))["result"] for n in (1, 10, 15)]
    assert told == [1, 55, 610]
    assert evaluate(SQUARES, ("n",), (100,)) == 328_350


def test_steps_are_the_quantity_and_the_cost_and_the_grant_bounds_them() -> None:
    server = CloudServer()
    ask(server.deploy, {"name": "sum", "functions": {"main": {"params": ["n"], "body": SQUARES}}})
    few, many = (ask(server.invoke, {"name": "sum", "args": [n]}, computing_mcores=100) for n in (100, 10_000))
    assert many.quantity > 50 * few.quantity
    assert many.quantity == -(-many.info["steps"] // 1000)
    dear = cpu_seconds(lambda: ask(server.invoke, {"name": "sum", "args": [10_000]}, computing_mcores=100))
    assert dear > 20 * cpu_seconds(lambda: ask(server.invoke, {"name": "sum", "args": [100]}, computing_mcores=100))
    with pytest.raises(OverGrant, match=f"{10 * STEPS_PER_MCORE} steps"):
        ask(server.invoke, {"name": "sum", "args": [10_000]}, computing_mcores=10)


@pytest.mark.parametrize(
    "body",
    [
        ["range", 10**9],
        ["fold", "x", ["list", 1], "i", ["range", 60], ["list", ["$", "x"], ["$", "x"]]],
        ["fold", "x", "ab", "i", ["range", 60], ["+", ["$", "x"], ["$", "x"]]],
        ["fold", "x", ["list", 1], "i", ["range", 60], ["concat", ["$", "x"], ["$", "x"]]],
    ],
)
def test_programs_that_would_fill_memory_run_out_of_steps(body: Any) -> None:
    with pytest.raises(OverGrant, match="steps"):
        evaluate(body, mcores=400)


def test_endless_recursion_ends_by_name_on_a_servers_small_stack() -> None:
    found: list[BaseException] = []

    def work() -> None:
        loop = {"main": {"params": [], "body": ["again"]}, "again": {"params": [], "body": ["+", 1, ["again"]]}}
        server = CloudServer()
        ask(server.deploy, {"name": "loop", "functions": loop})
        try:
            ask(server.invoke, {"name": "loop"}, computing_mcores=8000)
        except BadCall as refusal:
            found.append(refusal)

    before = threading.stack_size(THREAD_STACK_BYTES)
    try:
        thread = threading.Thread(target=work)
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join(30)
    assert "deeper" in str(found[0])


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (["$", "y"], "'y'"),
        (["fly", 1], "'fly'"),
        ([[1]], "expression"),
        (["/", 1, 0], "/ of 2"),
        (["sqrt", -1], "sqrt"),
        (["*", "a", 2], r"\* works on numbers"),
        (["let", "x", 1], "let takes 3"),
        (["map", "x", 5, 1], "no list"),
        (["at", ["list", 1], 9], "at of 2"),
        (["=", ["list"], 1], "compares"),
        (["**", 10.0, 400], r"\*\*"),
    ],
)
def test_bad_programs_are_refused_by_name(body: Any, named: str) -> None:
    with pytest.raises(BadCall, match=named):
        evaluate(body)


def test_deployments_are_a_tenants_own_and_within_its_storage() -> None:
    server = CloudServer()
    ask(server.deploy, {"name": "fib", "functions": FIB})
    with pytest.raises(NotThere, match="fib"):
        ask(server.invoke, {"name": "fib", "args": [1]}, tenant="2")
    assert value(ask(server.listing, {}, tenant="2")) == {"programs": {}}
    assert value(ask(server.listing, {})) == {"programs": {"fib": ["fib", "main"]}}
    with pytest.raises(OverGrant, match="storage_mib"):
        ask(server.deploy, {"name": "more", "functions": FIB}, storage_mib=0)
    with pytest.raises(BadCall, match="main"):
        ask(server.deploy, {"name": "none", "functions": {}})
    with pytest.raises(BadCall, match="map"):
        ask(server.deploy, {"name": "none", "functions": {**FIB, "map": {"params": [], "body": 1}}})
    server.forget("1")
    assert value(ask(server.listing, {})) == {"programs": {}}


class Wrist:
    """A clock that the test moves: real time is the one thing replaced here."""

    def __init__(self) -> None:
        self.now = 1000.0

    def read(self) -> float:
        return self.now


class Room:
    """One tenant's calls to an edge server."""

    def __init__(self, tenant: str = "1", server: EdgeServer | None = None) -> None:
        self.wrist = Wrist()
        self.server, self._tenant = server or EdgeServer(self.wrist.read), tenant

    def __call__(self, call: str, user: str, mcores: int = 40, sessions: int = 8, **params: Any) -> Any:
        grant = {"computing_mcores": mcores, "protocol_stack_sessions": sessions}
        return value(ask(getattr(self.server, call), {"room": "pier", "user": user, **params}, self._tenant, **grant))


def test_users_see_who_is_near_and_what_they_show() -> None:
    room = Room()
    for user, x in (("ann", 0), ("ben", 10), ("cem", 80)):
        room("enter", user, x=x, y=0)
    room.wrist.now += 2
    room("act", "ben", x=5, y=0, state={"gesture": "wave"})
    seen = room("view", "ann", radius=50)
    assert seen["users"] == ["ann", "ben", "cem"]
    assert [(one["user"], one["distance_m"], one["state"]) for one in seen["near"]] == [
        ("ben", 5.0, {"gesture": "wave"})
    ]
    assert [one["user"] for one in room("view", "ann", radius=100)["near"]] == ["ben", "cem"]


def test_nobody_is_faster_than_the_world_allows() -> None:
    room = Room()
    room("enter", "ann", x=0, y=0)
    room.wrist.now += 1
    told = room("act", "ann", x=1000, y=0)
    assert not told["reached"]
    assert told["x"] == pytest.approx(SPEED_MS + 0.5)
    room.wrist.now += 1
    assert room("act", "ann", x=told["x"] + 5, y=0)["reached"]


def test_between_acts_others_are_foretold_for_a_while() -> None:
    room = Room()
    for user in ("ann", "ben"):
        room("enter", user, x=0, y=0)
    room.wrist.now += 1
    room("act", "ben", x=4, y=0)
    places = []
    for passed in (0.0, 0.25, 0.25, 5.0):
        room.wrist.now += passed
        places.append(room("view", "ann", radius=50)["near"][0]["x"])
    assert places == pytest.approx([4, 5, 6, 6])


def test_only_what_changed_since_is_told() -> None:
    room = Room()
    for user in ("ann", "ben"):
        room("enter", user)
    tick = room("view", "ann")["tick"]
    assert room("view", "ann", since=tick)["near"] == []
    room("act", "ben", x=1, y=0)
    assert [one["user"] for one in room("view", "ann", since=tick)["near"]] == ["ben"]


def test_granted_computing_bounds_what_one_view_tells_quantity_and_cost() -> None:
    room = Room()
    for number in range(300):
        room("enter", str(number), sessions=1000, x=number / 10)
    few, many = (
        ask(room.server.view, {"room": "pier", "user": "0", "radius": 1000}, computing_mcores=mcores)
        for mcores in (5, 1000)
    )
    assert (few.quantity, many.quantity) == (5, 299)
    assert value(few)["left_out"] == 294
    assert [one["user"] for one in value(few)["near"]] == ["1", "2", "3", "4", "5"]
    lonely = Room()
    for user in ("ann", "ben"):
        lonely("enter", user)
    assert cpu_seconds(lambda: room("view", "0", radius=1000, mcores=1000)) > 5 * cpu_seconds(
        lambda: lonely("view", "ann", radius=1000)
    )


def test_users_are_as_many_as_sessions_and_the_silent_leave() -> None:
    room = Room()
    for user in ("ann", "ben"):
        room("enter", user, sessions=2)
    with pytest.raises(OverGrant, match="protocol_stack_sessions"):
        room("enter", "cem", sessions=2)
    room("enter", "ann", sessions=2)
    room.wrist.now += IDLE_S + 1
    room("enter", "cem", sessions=2)
    assert room("view", "cem")["users"] == ["cem"]
    room("leave", "cem")
    with pytest.raises(NotThere, match="cem"):
        room("view", "cem")


def test_tenants_rooms_of_one_name_are_two() -> None:
    mine = Room()
    theirs = Room("2", mine.server)
    mine("enter", "ann")
    theirs("enter", "eve")
    assert theirs("view", "eve")["users"] == ["eve"]
    mine.server.forget("2")
    with pytest.raises(NotThere):
        theirs("view", "eve")
    assert mine("view", "ann")["users"] == ["ann"]


@pytest.mark.parametrize(
    ("call", "params", "named"),
    [
        ("enter", {"x": "left"}, "x is"),
        ("act", {"y": 0}, "x is"),
        ("act", {"x": 0, "y": 0, "state": [1]}, "state"),
        ("act", {"x": 0, "y": 0, "state": {"a": "b" * 2000}}, "state"),
        ("view", {"radius": -1}, "radius"),
        ("view", {"since": 0.5}, "since"),
    ],
)
def test_bad_acts_are_refused_by_name(call: str, params: dict[str, Any], named: str) -> None:
    room = Room()
    room("enter", "ann")
    with pytest.raises(BadCall, match=named):
        room(call, "ann", **params)


CARS = [
    {"street": f"s{n % 4}", "speed": float(30 + (n * 7) % 41), "lorry": n % 5 == 0} for n in range(2000)
]  # fmt: skip


def query(mcores: int = 1000, **params: Any) -> Any:
    return value(ask(run_query, {"records": CARS, **params}, computing_mcores=mcores))


def test_records_are_filtered_grouped_and_reduced() -> None:
    told = query(
        where=[["lorry", "=", True], ["speed", ">=", 40]],
        group_by=["street"],
        reduce={"n": ["count"], "mean": ["mean", "speed"], "most": ["max", "speed"], "p95": ["p95", "speed"]},
    )["groups"]
    for row in told:
        speeds = [c["speed"] for c in CARS if c["lorry"] and c["speed"] >= 40 and c["street"] == row["street"]]
        assert row["n"] == len(speeds)
        assert row["mean"] == pytest.approx(statistics.mean(speeds))
        assert row["most"] == max(speeds)
        assert row["p95"] == sorted(speeds)[int(np.ceil(0.95 * len(speeds))) - 1]
    assert [row["street"] for row in told] == ["s0", "s1", "s2", "s3"]


def test_without_a_reduction_the_records_themselves_come_back() -> None:
    told = query(where=[["street", "in", ["s1"]], ["speed", "<", 32]])
    assert told["records"] == [car for car in CARS if car["street"] == "s1" and car["speed"] < 32]


def test_other_figures() -> None:
    figures = {how: [how, "speed"] for how in ("sum", "min", "std", "distinct", "p50")}
    row = query(reduce=figures)["groups"][0]
    speeds = [float(str(car["speed"])) for car in CARS]
    assert row["sum"] == pytest.approx(sum(speeds))
    assert row["min"] == min(speeds)
    assert row["std"] == pytest.approx(statistics.stdev(speeds))
    assert row["distinct"] == len(set(speeds))
    assert row["p50"] == sorted(speeds)[999]


def test_granted_computing_decides_whether_all_are_looked_at_and_says_what_that_costs() -> None:
    reduce = {"n": ["count"], "mean": ["mean", "speed"]}
    params = {"records": CARS, "reduce": reduce}
    some, all_ = (ask(run_query, params, computing_mcores=mcores) for mcores in (2, 1000))
    assert (some.quantity, all_.quantity) == (2, 20)
    assert value(some)["sampled"]
    assert not value(all_)["sampled"]
    (guess,), (truth,) = value(some)["groups"], value(all_)["groups"]
    assert guess["n"] == truth["n"] == 2000
    assert 0 < abs(guess["mean"] - truth["mean"]) < 4 * guess["mean_error"]
    assert "mean_error" not in truth
    dear = cpu_seconds(lambda: ask(run_query, params, computing_mcores=1000))
    assert dear > 1.5 * cpu_seconds(lambda: ask(run_query, params, computing_mcores=2))


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"records": []}, "records"),
        ({"records": [5]}, "records"),
        ({"where": [["speed", "~", 1]]}, "operator"),
        ({"where": ["speed"]}, "where"),
        ({"where": [["speed", "in", 5]]}, "in needs"),
        ({"reduce": {"x": ["median", "speed"]}}, "reduce"),
        ({"reduce": {"x": ["mean"]}}, "reduce"),
        ({"reduce": {"x": ["mean", "street"]}}, "numbers"),
        ({"records": [{"a": [1]}], "group_by": ["a"], "reduce": {"n": ["count"]}}, "'a' holds"),
        ({"group_by": [1]}, "group_by"),
    ],
)
def test_bad_queries_are_refused_by_name(params: dict[str, Any], named: str) -> None:
    with pytest.raises(BadCall, match=named):
        query(**params)


def test_terrain_joins_up_repeats_and_differs_by_world() -> None:
    def tile(x: int, world: str = "w") -> Any:
        return np.frombuffer(terrain((world, 3, x, 2)), "<i2").reshape(SIDE, SIDE)

    assert (tile(2)[:, -1] == tile(3)[:, 0]).all()
    assert (tile(2) == tile(2)).all()
    assert (tile(2) != tile(2, "other")).any()
    assert np.ptp(tile(2)) > 100
    coarse = np.frombuffer(terrain(("w", 2, 1, 1)), "<i2").reshape(SIDE, SIDE)
    assert abs(int(coarse[0, 0]) - int(tile(2)[0, 0])) < 100


def walk(storage_mib: int) -> list[Any]:
    """Many walkers on an uneven map."""
    fogs, chance = Fogs(), random.Random(1)
    places = [(int(chance.paretovariate(0.35)) % 300, chance.randrange(NODES)) for _ in range(1500)]
    return [
        ask(fogs.tile, {"level": 9, "x": x, "y": x % 5, "node": node}, storage_mib=storage_mib) for x, node in places
    ]


def test_more_storage_more_hits_and_less_computing() -> None:
    walks: dict[int, list[Any]] = {}
    seconds = [cpu_seconds(partial(lambda mib: walks.update({mib: walk(mib)}), mib), times=1) for mib in (1, 8)]
    assert walks[8][-1].info["hit_ratio"] > walks[1][-1].info["hit_ratio"] + 0.05
    assert {answer.quantity for answer in walks[8]} == {-(-TILE_BYTES // 1024)}
    assert [answer.body for answer in walks[1]] == [answer.body for answer in walks[8]]
    assert seconds[1] < seconds[0]


def test_nodes_help_each_other_and_keep_what_is_asked_for_again() -> None:
    fogs = Fogs()
    key = ("beach", 6, 3, 4)
    home = home_of(key)
    others = [node for node in range(NODES) if node != home]

    def fetch(node: int) -> Any:
        return ask(fogs.tile, {"x": 3, "y": 4, "node": node}, storage_mib=4).info["from"]

    assert fetch(others[0]) == "origin"
    assert fetch(others[1]) == "neighbour"
    assert fetch(others[1]) == "local"
    assert fetch(home) == "local"


def test_a_tenants_fog_is_its_own() -> None:
    fogs = Fogs()
    params = {"x": 3, "y": 4}
    assert ask(fogs.tile, params).info["from"] == "origin"
    assert ask(fogs.tile, params).info["from"] == "local"
    assert ask(fogs.tile, params, tenant="2").info["from"] == "origin"
    fogs.forget("1")
    assert ask(fogs.tile, params).info["from"] == "origin"


@pytest.mark.parametrize(
    ("params", "grant", "named", "error"),
    [
        ({"level": 13}, 4, "level", BadCall),
        ({"level": 2, "x": 4}, 4, "x is", BadCall),
        ({"node": NODES}, 4, "node", BadCall),
        ({"world": ""}, 4, "world", BadCall),
        ({}, 0, "storage_mib", OverGrant),
    ],
)
def test_bad_tiles_are_refused_by_name(params: dict[str, Any], grant: int, named: str, error: type[Exception]) -> None:
    with pytest.raises(error, match=named):
        ask(Fogs().tile, params, storage_mib=grant)


def put(storage: Storage, key: str, body: bytes, tenant: str = "1", storage_mib: int = 1, **more: Any) -> Any:
    params = {"key": key, "data": b64encode(body).decode(), **more}
    return value(ask(storage.put, params, tenant, storage_mib=storage_mib))


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def test_objects_come_back_whole_with_their_versions() -> None:
    storage = Storage()
    assert put(storage, "plan", b"first", content_type="text/plain")["number"] == 1
    assert put(storage, "plan", b"second")["number"] == 2
    newest, first = ask(storage.get, {"key": "plan"}), ask(storage.get, {"key": "plan", "version": 1})
    assert (newest.body, first.body) == (b"second", b"first")
    assert first.content_type == "text/plain"
    with pytest.raises(BadCall, match="if_version"):
        put(storage, "plan", b"third", if_version=1)
    assert put(storage, "plan", b"third", if_version=2)["number"] == 3


def test_keys_are_listed_in_order_by_prefix_and_page() -> None:
    storage = Storage()
    for key in ("b/2", "a/1", "b/1", "b/3"):
        put(storage, key, key.encode())
    told = value(ask(storage.listing, {"prefix": "b/", "limit": 2}))
    assert ([row["key"] for row in told["objects"]], told["more"]) == (["b/1", "b/2"], True)
    rest = value(ask(storage.listing, {"prefix": "b/", "after": "b/2"}))
    assert ([row["key"] for row in rest["objects"]], rest["more"]) == (["b/3"], False)


def test_storage_granted_is_storage_had_and_nothing_is_ever_dropped() -> None:
    storage = Storage()
    for number in range(20):
        put(storage, str(number), noise(50_000, number))
    with pytest.raises(OverGrant, match="delete some"):
        put(storage, "20", noise(50_000, 20))
    assert all(ask(storage.get, {"key": str(n)}).body == noise(50_000, n) for n in range(20))
    put(storage, "more", noise(50_000, 99), storage_mib=2)
    assert value(ask(storage.delete, {"key": "3"}))["deleted"] == 1
    with pytest.raises(NotThere):
        ask(storage.get, {"key": "3"})
    held = value(ask(storage.delete, {"key": "more"}))["held_bytes"]
    put(storage, "fits", noise(50_000, 3))
    assert held < 20 * 51_000


def test_like_contents_are_kept_once_and_plain_ones_small() -> None:
    storage = Storage()
    first = put(storage, "a", noise(100_000))["held_bytes"]
    assert put(storage, "b", noise(100_000))["held_bytes"] - first < 1000
    assert ask(storage.delete, {"key": "a"}) is not None
    assert ask(storage.get, {"key": "b"}).body == noise(100_000)
    empty = Storage()
    assert put(empty, "zeros", bytes(500_000))["held_bytes"] < 2000
    assert ask(empty.get, {"key": "zeros"}).body == bytes(500_000)


def test_quantity_and_cost_follow_the_size() -> None:
    storage = Storage()
    small, large = b64encode(noise(1000)).decode(), b64encode(noise(500_000)).decode()
    few, many = (ask(storage.put, {"key": "k", "data": data}, storage_mib=9) for data in (small, large))
    assert (few.quantity, many.quantity) == (1, 489)
    assert ask(storage.get, {"key": "k"}).quantity == 489

    def fresh(data: str) -> float:
        return cpu_seconds(lambda: ask(Storage().put, {"key": "k", "data": data}, storage_mib=9))

    assert fresh(large) > 10 * fresh(small)


def test_old_versions_go_one_by_one_and_many_push_out_the_oldest() -> None:
    storage = Storage()
    for number in range(40):
        put(storage, "log", str(number).encode())
    with pytest.raises(NotThere, match="no version 1"):
        ask(storage.get, {"key": "log", "version": 1})
    assert value(ask(storage.listing, {}))["objects"][0]["versions"] == 32
    ask(storage.delete, {"key": "log", "version": 40})
    assert ask(storage.get, {"key": "log"}).body == b"38"


def test_a_tenants_objects_are_its_own() -> None:
    storage = Storage()
    put(storage, "secret", b"mine")
    with pytest.raises(NotThere):
        ask(storage.get, {"key": "secret"}, tenant="2")
    assert value(ask(storage.listing, {}, tenant="2"))["objects"] == []
    storage.forget("1")
    assert value(ask(storage.listing, {}))["objects"] == []


@pytest.mark.parametrize(
    ("params", "named"), [({}, "key"), ({"key": "k", "data": "%%"}, "base64"), ({"key": "k", "data": 5}, "data")]
)
def test_bad_objects_are_refused_by_name(params: dict[str, Any], named: str) -> None:
    with pytest.raises(BadCall, match=named):
        ask(Storage().put, params)
