"""Every kind of notice is documented and really told; a stream of them resumes without loss."""

import ast
import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from function_house import House, Loop, build, tear_down
from memory_runtime import MemoryRuntime

from marketplace.notice_kinds import STANDING, WORDS
from orchestrator.errors import PeerRefused
from orchestrator.models.manifests import manifests, parse_manifest
from orchestrator.models.programs import InstalledModels, Programs, content_hash
from orchestrator.notices import Board, NoticeKind, event, events, resume_from
from orchestrator.requirements import Notice
from orchestrator.runtime.port import RunState

ROOT = Path(__file__).parents[3]
RENDER = "rendering-server"


def documented() -> set[str]:
    table = (ROOT / "docs" / "reference" / "notices.md").read_text()
    return set(re.findall(r"^\| `([a-z.]+)` \|", table, re.MULTILINE))


def kinds_in_code() -> set[str]:
    """Every kind named where a notice is made: by the enumeration, or as text."""
    found: set[str] = set()
    for path in (ROOT / "orchestrator").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "NoticeKind":
                found.add(NoticeKind[node.attr].value)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Notice":
                kinds = [word.value for word in node.keywords if word.arg == "kind"]
                found |= {str(kind.value) for kind in kinds if isinstance(kind, ast.Constant)}
    return found


def test_every_kind_in_the_code_has_its_line_in_the_table() -> None:
    assert kinds_in_code() == {kind.value for kind in NoticeKind} == documented()


def heard(house: House) -> list[dict[str, Any]]:
    notices: list[dict[str, Any]] = house.msmf.get("/notices")["notices"]
    return notices


def wait_for_kinds(house: House, kinds: set[str]) -> None:
    """Notices are told after the answer."""
    until = time.monotonic() + 20
    while not kinds <= {notice["kind"] for notice in heard(house)}:
        assert time.monotonic() < until, kinds - {notice["kind"] for notice in heard(house)}
        time.sleep(0.05)


TOLD_ELSEWHERE = {
    NoticeKind.MODEL_ENDED,  # test_failures
    NoticeKind.SHARE_MIGRATED,  # test_supply, test_repacking
    NoticeKind.POOL_WITHDRAWN,  # test_supply
    NoticeKind.RESERVATION_MADE,  # test_reserving
    NoticeKind.RESERVATION_ENDED,  # test_reserving
    NoticeKind.MODEL_PUBLISHED,
}
"""Kinds that need another house: tested there, by what causes them."""


def test_every_kind_is_told_of_whom_it_concerns(house_on_each_database: House) -> None:
    house = house_on_each_database
    first = house.instantiate(1, RENDER, qoe={"latency_ms": 5})
    house.instantiate(2, RENDER, qoe={"latency_ms": 5})
    house.update(1, 1, RENDER, users=10, qoe={"latency_ms": 5})
    house.update(2, 1, RENDER, qoe={"latency_ms": 1})
    with pytest.raises(PeerRefused):
        house.update(2, 2, RENDER, qoe={"latency_ms": 0.01})
    with pytest.raises(PeerRefused):
        house.instantiate(3, RENDER, qoe={"latency_ms": 0.01})
    name = first["models"][0]["instance"]
    pid = next(one.pid for one in house.runtime.observe() if one.instance_id == name and one.state is RunState.RUNNING)
    process = psutil.Process(pid)
    process.kill()
    psutil.wait_procs([process], timeout=5)
    assert house.keeper() == [name]
    house.release(2)
    house.release(1)
    wait_for_kinds(house, {kind.value for kind in NoticeKind} - TOLD_ELSEWHERE)
    concerned = {kind: {n["subscriptionId"] for n in heard(house) if n["kind"] == kind} for kind in NoticeKind}
    assert concerned[NoticeKind.MODEL_RESTARTED] == {"1", "2"}
    assert concerned[NoticeKind.SHARE_MOVED] == concerned[NoticeKind.UPDATE_REFUSED] == {"2"}
    assert concerned[NoticeKind.UPDATE_ACCEPTED] == {"1", "2"}
    assert concerned[NoticeKind.SHARE_REFUSED] == {"3"}
    assert concerned[NoticeKind.GRANT_CHANGED] == {"1", "2"}
    assert concerned[NoticeKind.POOL_SUPPLIED] == {""}
    stopped = {one["subject"]: one["subscriptionId"] for one in heard(house) if one["kind"] == "model.stopped"}
    assert stopped[name] == "1"
    numbers = [notice["number"] for notice in heard(house)]
    assert numbers == sorted(set(numbers))


def test_a_repeated_call_tells_nothing_anew(house_on_each_database: House) -> None:
    house = house_on_each_database
    house.instantiate(1, "monitoring")
    house.update(1, 1, "monitoring", users=2)
    wait_for_kinds(house, {"update.accepted"})
    house.update(1, 1, "monitoring", users=2)
    house.keeper()
    time.sleep(0.3)
    assert [notice["kind"] for notice in heard(house)].count("update.accepted") == 1


def test_an_own_program_that_is_published_is_told_once_and_after_a_restart_not_again(
    tmp_path: Path, loop: Loop
) -> None:
    source, programs = ROOT / "examples" / "word-count", Programs(tmp_path / "programs")
    house = build(tmp_path, loop.loop, InstalledModels(manifests(), programs), runtime=MemoryRuntime(tmp_path))
    document = json.loads((source / "manifest.json").read_text())
    manifest = parse_manifest({**document, "program": content_hash(source / "program")})
    programs.put(manifest, source / "program")
    for keeper in (house.keeper, house.keeper, house.keeper_anew()):
        keeper()
        house.told("model.published", 1)
    house.apps[1].state.door.close()  # once all is sent
    told = [one for one in heard(house) if one["kind"] == "model.published"]
    assert [(one["subject"], one["subscriptionId"]) for one in told] == [(manifest.name, "")]
    assert told[0]["detail"]["specHash"] == manifest.spec_hash.hex()
    tear_down(house, loop)


class Told:
    """MSMF's page, asked from a test's loop, and what a test tells it."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.count = 0

    async def page(self, after: int, subscription_id: str | None) -> list[dict[str, Any]]:
        of_it = {} if subscription_id is None else {"subscriptionId": subscription_id}
        answer = await asyncio.to_thread(self._house.msmf.get, "/notices", {"since": str(after), **of_it})
        return list(answer["notices"])

    async def tell(self, subscription_id: str = "1") -> None:
        self.count += 1
        notice = Notice(kind="share.joined", subject=f"msi-{self.count}", subscription_id=subscription_id)
        await asyncio.to_thread(
            self._house.msmf.post, "/notices", {"notices": [notice.to_json()]}, f"told:{self.count}"
        )


async def take(stream: AsyncIterator[bytes], count: int) -> list[int]:
    """The ids of the next events, comments left out."""
    found: list[int] = []
    while len(found) < count:
        chunk = await asyncio.wait_for(anext(stream), 10)
        if chunk.startswith(b"id: "):
            found.append(int(chunk.split(b"\n")[0].removeprefix(b"id: ")))
    return found


async def test_a_stream_gives_what_is_there_and_what_comes_to_whom_it_concerns(house: House) -> None:
    told = Told(house)
    board = Board(told.page)
    before = len(await told.page(0, None))
    await told.tell("1")
    await told.tell("2")
    mine, everything = events(board, told.page, 0, "1"), events(board, told.page, before, None)
    assert len(await take(mine, 1)) == 1
    assert len(await take(everything, 2)) == 2
    await told.tell("2")
    await told.tell("1")
    newest = (await told.page(0, None))[-1]["number"]
    assert await take(mine, 1) == [newest]
    assert (await take(everything, 2))[-1] == newest
    await mine.aclose()  # type: ignore[attr-defined]
    await everything.aclose()  # type: ignore[attr-defined]
    assert board.readers == 0


async def test_a_stream_that_was_cut_goes_on_without_loss_or_doubling(house: House) -> None:
    """More than a page is told while the reader is away; it is cut several times on the way."""
    told = Told(house)
    board = Board(told.page)
    start = max((notice["number"] for notice in await told.page(0, None)), default=0)
    with house.store.writer.begin() as rows:
        rows.exec_driver_sql(
            "INSERT INTO notices (key, kind, subject, subscription_id, detail, at) "
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500) "
            "SELECT 'many:' || i, 'share.joined', 'msi', '1', '{}', i FROM n"
        )
    seen: list[int] = []
    for count in (7, 1_000, 1, 1_492):
        stream = events(board, told.page, resume_from(str(seen[-1]) if seen else None, start), "1")
        seen += await take(stream, count)
        await stream.aclose()  # type: ignore[attr-defined]
    assert seen == list(range(start + 1, start + 2_501))


async def test_a_silent_stream_sends_a_comment(house: House) -> None:
    told = Told(house)
    stream = events(Board(told.page), told.page, 10_000, None, heartbeat_s=0.05)
    chunks = [await asyncio.wait_for(anext(stream), 5) for _ in range(3)]
    assert chunks == [b": notices\n\n", b": heartbeat\n\n", b": heartbeat\n\n"]
    await stream.aclose()  # type: ignore[attr-defined]


def test_the_newest_and_some_kinds_alone_are_read(house: House) -> None:
    house.instantiate(1, "monitoring")
    wait_for_kinds(house, {"msi.running", "model.running"})
    everything = heard(house)
    newest = house.msmf.get("/notices", {"newest": "2"})["notices"]
    assert newest == everything[-2:]
    only = house.msmf.get("/notices", {"kinds": "msi.running,share.joined", "subscriptionId": "1"})["notices"]
    assert [one["kind"] for one in only] == ["msi.running"]


def test_the_marketplaces_kinds_are_of_these_and_all_have_words() -> None:
    assert set(STANDING) < {kind.value for kind in NoticeKind}
    assert set(STANDING) == set(WORDS)


def test_an_event_is_one_block_with_its_number() -> None:
    notice = {"number": 7, "kind": "share.joined", "subject": "a\nb", "detail": {}}
    lines = event(notice).decode().split("\n")
    assert lines[:2] == ["id: 7", "event: share.joined"]
    assert lines[3:] == ["", ""]
    assert resume_from("7", 3) == 7
    assert resume_from("x", 3) == resume_from(None, 3) == 3
