"""What MMF tells on its own reaches MSMF once: over an outage, over a restart, and beside what MSMF refuses."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dbos import DBOS
from function_house import House, Loop, build, tear_down
from memory_runtime import MemoryRuntime
from starlette.responses import Response
from structlog.testing import capture_logs

from orchestrator.in_process import AsgiApp
from orchestrator.models.manifests import manifests

NOW = 1_800_000_000
PARTS = ["infrastructure-3879e01e57", "platform-f9868a9cd7"]
SUPPLIED = [f"{part}:{NOW}:supplied/0" for part in PARTS]
MADE = "reservation:69c8968658cb7933890a3da7e53bd7d094f9b049d1d87adc002beba692106df2/0"
ENDED = MADE.replace("/", ":ended/")
"""Keys by which MSMF keeps these. With others, a house of an older version would be told all of it anew."""


class Way:
    """The network to MSMF: it may be cut, or spoil something of what it carries."""

    def __init__(self, *, cut: bool = False, spoilt: bytes = b"") -> None:
        self.cut = cut
        self.spoilt = spoilt
        self._msmf: AsgiApp

    def to(self, msmf: AsgiApp) -> AsgiApp:
        self._msmf = msmf
        return self

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def spoil() -> Mapping[str, Any]:
            message = await receive()
            body = message.get("body", b"")
            return {**message, "body": body.replace(self.spoilt, b"7") if self.spoilt else body}

        await (Response(status_code=503)(scope, receive, send) if self.cut else self._msmf(scope, spoil, send))


@contextmanager
def house_on(home: Path, loop: Loop, way: Way, runtime: MemoryRuntime, database: str = "") -> Iterator[House]:
    house = build(
        home, loop.loop, manifests(), supplied=False, database=database, runtime=runtime, clock=lambda: NOW,
        way_to_msmf=way.to,
    )  # fmt: skip
    try:
        yield house
    finally:
        tear_down(house, loop, keep_instances=True)


def reserve(house: House, name: str) -> None:
    wanted = {
        "reservation": name, "node": "site-1", "cluster": "ar_vr", "amounts": {"bandwidth_mbps": 1}, "until": NOW + 60,
    }  # fmt: skip
    house.mmf.post("/reservations", wanted, f"reserve:{name}")


def keys(house: House) -> list[str]:
    return sorted(row["key"] for row in house.rows("SELECT key FROM notices"))


def wait_until_pending(count: int) -> None:
    """Until the engine has so many calls of MSMF on its hands."""
    until = time.monotonic() + 20
    while len(DBOS.list_workflows(name="mmf.tell", status=["PENDING", "ENQUEUED"])) != count:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_what_a_look_finds_while_msmf_is_away_is_told_once_it_answers_again(
    tmp_path: Path, loop: Loop, database: str
) -> None:
    way = Way(cut=True)
    with house_on(tmp_path, loop, way, MemoryRuntime(tmp_path), database) as house:
        house.keeper()
        wait_until_pending(1)
        reserve(house, "forecast")
        house.keeper()
        wait_until_pending(2)
        house.mmf.delete("/reservations/forecast", "end:forecast")
        house.keeper()
        wait_until_pending(3)
        assert keys(house) == []
        way.cut = False
        wait_until_pending(0)
        house.keeper()
        house.apps[1].state.door.close()  # once all is sent
        assert keys(house) == [*SUPPLIED, MADE, ENDED]


def test_what_msmf_did_not_take_before_a_restart_is_told_once_after_it(tmp_path: Path, loop: Loop) -> None:
    runtime = MemoryRuntime(tmp_path)
    with house_on(tmp_path, loop, Way(cut=True), runtime) as before:
        before.keeper()
        wait_until_pending(1)
        reserve(before, "forecast")
        before.keeper()
        wait_until_pending(2)
    with house_on(tmp_path, loop, Way(), runtime) as after:
        after.keeper()
        wait_until_pending(0)
        after.apps[1].state.door.close()
        assert keys(after) == [*SUPPLIED, MADE]


def test_a_notice_that_msmf_refuses_is_logged_and_stops_neither_the_look_nor_the_others(
    tmp_path: Path, loop: Loop
) -> None:
    with house_on(tmp_path, loop, Way(spoilt=f'"{PARTS[0]}"'.encode()), MemoryRuntime(tmp_path)) as house:
        with capture_logs() as logs:
            assert sorted(house.keeper()) == PARTS
            reserve(house, "forecast")
            assert house.keeper() == []
            house.apps[1].state.door.close()  # once all is sent
        assert keys(house) == [SUPPLIED[1], MADE]
        [refused] = [one for one in logs if one["event"] == "notice.refused"]
        assert (refused["key"], refused["log_level"]) == (SUPPLIED[0], "error")
        assert "422" in refused["cause"]
