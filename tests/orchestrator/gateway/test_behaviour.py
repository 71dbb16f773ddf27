"""What the gateway keeps of users: sealed on disk, erased when its time is over or its user demands it."""

import json
import shutil
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.exceptions import InvalidTag
from gateway_house import NEVER, Bought, GatewayHouse

from ledger.keys import WalletKey
from ledger.usage_log import UsageLog, UsageRecord
from ledger.values import SubscriptionId, Units, to_hex
from marketplace.errors import ProblemAnswer
from marketplace.wallet.erasure import demand_erasure, erasure_demand
from marketplace.wallet.use import UsageSession, UseRefused
from orchestrator.gateway.errors import BehaviourKeyUnfit, LogBroken
from orchestrator.gateway.retention import Retention
from orchestrator.gateway.sealing import DAY_MS, behaviour_key, pseudonym, unseal
from orchestrator.gateway.store import Kept, UsageStore

KEY = bytes(range(32))
ME, OTHER = 7, 8
ATTENTION = 3.14159
REQUEST_ID = "looked-at-the-parasol"
BODY = b"a picture of a parasol"
TODAY = 20_000
INFO = {
    "attention": {"41": ATTENTION},
    "tiles": [{"object": 41, "x": 0, "y": 0, "w": 96, "h": 960}],
    "rate_bps": 4e8,
    "bep": 0.0,
}
TRACES = (str(ATTENTION).encode(), b"parasol", b"tiles", b"attention")
"""None of these may stand in a file."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[UsageStore]:
    opened = UsageStore(tmp_path / "usage.db", KEY)
    yield opened
    opened.close()


def used(subscription: int, seq: int, day: int, request_id: str = REQUEST_ID) -> Kept:
    end = day * DAY_MS + seq
    record = UsageRecord(
        SubscriptionId(subscription), seq, 0, 20, Units(20), Units(20 * (seq + 1)), end, end, 500, bytes([seq]) * 32
    )
    return Kept(record, 20, INFO, request_id, "image/jpeg", "", BODY)


def on_disk(folder: Path) -> bytes:
    """The database as its files hold it, with the write-ahead log."""
    return b"".join(path.read_bytes() for path in sorted(folder.glob("usage.db*")))


def by_request(store: UsageStore, subscription: int, request_id: str) -> Kept | None:
    """The use that had this request id, by a request that nobody made before."""
    return store.known(subscription, request_id, b"")[0]


def test_behaviour_is_sealed_in_every_file_and_read_back(store: UsageStore, tmp_path: Path) -> None:
    kept = used(ME, 0, TODAY)
    store.put_routes([(ME, json.dumps({"objects": [{"object": 41, "attention": ATTENTION}]}))])
    store.add(kept)
    assert not [trace for trace in TRACES if trace in on_disk(tmp_path)]
    assert by_request(store, ME, REQUEST_ID) == kept
    assert by_request(store, OTHER, REQUEST_ID) is None
    assert store.measured(ME)[0].objects == ((41, ATTENTION, 20.0),)
    assert json.loads(store.routes()[0])["objects"][0]["attention"] == ATTENTION


def test_erased_behaviour_is_gone_from_the_files_and_from_older_copies(store: UsageStore, tmp_path: Path) -> None:
    store.add(used(ME, 0, TODAY))
    store.add(used(OTHER, 0, TODAY))
    before = tmp_path / "before"
    before.mkdir()
    for path in tmp_path.glob("usage.db*"):
        shutil.copy(path, before)
    with sqlite3.connect(before / "usage.db") as copy:
        sealed = copy.execute("SELECT facts FROM records WHERE subscription = ?", (str(ME),)).fetchone()[0]
    copy.close()
    assert sealed in on_disk(tmp_path)
    assert store.erase(ME) == 1
    assert sealed not in on_disk(tmp_path)
    assert by_request(store, ME, REQUEST_ID) is None
    assert store.measured(ME) == {}
    for key in (KEY, *store._keys.living(ME).values(), *store._keys.living(OTHER).values()):
        with pytest.raises(InvalidTag):  # the older copy's row has no key any more
            unseal(key, f"{ME}/0/facts", sealed)
    assert by_request(store, OTHER, REQUEST_ID) == used(OTHER, 0, TODAY)
    assert store.records(ME) == [used(ME, 0, TODAY).record]
    assert (store.known(ME, "another", bytes(32))[1], store.known(OTHER, "another", bytes(32))[1]) == (0, None)


def test_use_after_an_erasure_is_kept_under_a_new_key(store: UsageStore) -> None:
    store.add(used(ME, 0, TODAY))
    old = store._keys.living(ME)[TODAY]
    store.erase(ME)
    store.add(used(ME, 1, TODAY))
    assert by_request(store, ME, REQUEST_ID) == used(ME, 1, TODAY)
    assert pseudonym(store._keys.living(ME)[TODAY], REQUEST_ID) != pseudonym(old, REQUEST_ID)


def test_behaviour_is_erased_after_its_days_and_money_stays(store: UsageStore) -> None:
    store.put_routes([(ME, "{}")])
    for seq, day in enumerate((TODAY - 31, TODAY - 30, TODAY)):
        store.add(used(ME, seq, day, f"use-{seq}"))
    root = UsageLog.of(store.records(ME)).usage_root()
    retention = Retention(store, 30)
    assert retention.look(TODAY * DAY_MS) == 1
    assert retention.look(TODAY * DAY_MS) == 0
    assert [by_request(store, ME, f"use-{seq}") is None for seq in range(3)] == [True, False, False]
    assert sorted(store.measured(ME)) == [1, 2]
    assert UsageLog.of(store.records(ME)).usage_root() == root
    assert store.routes() == ["{}"]  # a service that runs keeps its route, however long


def test_route_withdrawn_takes_its_key_along(store: UsageStore) -> None:
    store.put_routes([(ME, "{}")])
    assert len(store._keys.living(ME)) == 1
    store.delete_route(ME)
    assert store._keys.living(ME) == {}


def test_failed_commit_leaves_no_key_in_memory_that_the_file_lacks(store: UsageStore) -> None:
    store.add(used(ME, 0, TODAY))
    with pytest.raises(sqlite3.IntegrityError):
        store.add(used(ME, 0, TODAY + 1))  # the same sequence number; its day's new key is taken back with it
    store.add(used(ME, 1, TODAY + 1))
    store._keys.drop_known()
    assert by_request(store, ME, REQUEST_ID) is not None


def test_reopened_with_another_key_refused_by_name(store: UsageStore, tmp_path: Path) -> None:
    store.add(used(ME, 0, TODAY))
    with pytest.raises(BehaviourKeyUnfit, match="backup"):
        UsageStore(tmp_path / "usage.db", bytes(32))
    again = UsageStore(tmp_path / "usage.db", KEY)
    assert by_request(again, ME, REQUEST_ID) == used(ME, 0, TODAY)
    again.close()


def test_database_of_before_sealing_refused_and_untouched(tmp_path: Path) -> None:
    path = tmp_path / "usage.db"
    with sqlite3.connect(path) as old:
        old.execute("CREATE TABLE records (subscription TEXT, seq INTEGER, record TEXT, gross INTEGER, info TEXT)")
        old.execute("INSERT INTO records VALUES ('7', 0, '{}', 0, '{}')")
    old.close()
    with pytest.raises(LogBroken, match="earlier version"):
        UsageStore(path, KEY)
    with sqlite3.connect(path) as old:
        assert old.execute("SELECT count(*) FROM records").fetchone() == (1,)
    old.close()


def test_behaviour_key_is_made_once_and_only_its_owners(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "behaviour.key"
    key = behaviour_key(path)
    assert (len(key), path.stat().st_mode & 0o777) == (32, 0o600)
    assert behaviour_key(path) == key
    path.chmod(0o640)
    with pytest.raises(BehaviourKeyUnfit, match="chmod"):
        behaviour_key(path)
    path.chmod(0o600)
    path.write_bytes(b"short")
    with pytest.raises(BehaviourKeyUnfit, match="5 bytes"):
        behaviour_key(path)


# through the real gateway


async def test_demanded_erasure_leaves_money_and_proofs_and_a_clear_answer(house: GatewayHouse) -> None:
    objects = [{"object": number, "attention": 2.71828} for number in range(3)]
    bought = await house.served(objects=objects)
    agreement = replace(house.agreement(bought), attention=dict.fromkeys(range(3), 2.71828))
    session = await UsageSession.open(house.url, agreement, bought.session, habit=NEVER)
    asked = {"view": {"x": 161.803}, "budget_k": 40}
    await session.use("frame", asked, request_id="mine")
    await session.use("frame", asked, request_id="mine")  # a repeat is known
    await session.sign()
    log = await buyers_log(session)
    assert [item["attention"] for item in log[1]["measured"]["objects"]] == [2.71828, 2.71828]
    database = house.home / "db"
    assert not [trace for trace in (b"2.71828", b"161.803", b"attention") if trace in on_disk(database)]
    answer = demand_erasure(house.url, house.contracts.market_domain, bought.id, bought.session)
    assert answer == {"subscriptionId": str(bought.id), "recordsErased": 1, "requestKept": True}
    assert not [trace for trace in (b"2.71828", b"161.803") if trace in on_disk(database)]
    after = await buyers_log(session)
    assert "measured" not in after[1]
    assert (after[0]["voucher"], after[1]["record"]) == (log[0]["voucher"], log[1]["record"])
    record = UsageRecord.from_json(after[1]["record"])
    assert after[0]["voucher"]["usageRoot"] == to_hex(UsageLog.of([record]).usage_root())
    with pytest.raises(UseRefused) as caught:
        await session.use("frame", asked, request_id="mine")
    assert (caught.value.http_status, caught.value.server_code) == (410, "erased")
    assert (await session.use("frame", asked, request_id="next")).record.seq == 1
    await session.close()


async def buyers_log(session: Any) -> list[dict[str, Any]]:
    answer = await session._http.get(f"/usage/{session._agreement.subscription_id}/log", auth=session._auth)
    return [json.loads(line) for line in answer.text.splitlines()]


async def test_erasure_demanded_by_the_buyer_after_the_end(house: GatewayHouse) -> None:
    bought = await house.served()
    session = await house.session(bought)
    await session.use("frame", {"budget_k": 20})
    await session.close()
    house.sender_of(bought.buyer).send(house.contracts.market.request_release(bought.id))
    async with house.component("orchestrator") as client:
        assert (await client.delete(f"/routes/{bought.id}")).status_code == 200
    answer = demand_erasure(house.url, house.contracts.market_domain, bought.id, bought.buyer)
    assert (answer["recordsErased"], answer["requestKept"]) == (1, False)


@pytest.mark.parametrize("spoilt", ["signer", "subscription", "expired"])
async def test_erasure_not_the_users_word_refused_and_nothing_erased(house: GatewayHouse, spoilt: str) -> None:
    bought, other = await house.served(), await house.served()
    session = await house.session(bought)
    await session.use("frame", {"budget_k": 20})
    body = spoilt_demand(house, bought, other, spoilt)
    answer = httpx.post(f"{house.url}/usage/{bought.id}/erasure", json=body, trust_env=False)  # noqa: ASYNC210
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_erasure")
    assert "measured" in (await buyers_log(session))[1]
    await session.close()


def spoilt_demand(house: GatewayHouse, bought: Bought, other: Bought, spoilt: str) -> dict[str, Any]:
    domain = house.contracts.market_domain
    if spoilt == "subscription":
        return erasure_demand(domain, other.id, other.session)
    body = erasure_demand(domain, bought.id, WalletKey.create() if spoilt == "signer" else bought.session)
    return {**body, "expires": int(time.time()) - 1} if spoilt == "expired" else body


async def test_refused_erasure_reaches_the_buyer_by_name(house: GatewayHouse) -> None:
    bought = await house.served()
    with pytest.raises(ProblemAnswer) as caught:
        demand_erasure(house.url, house.contracts.market_domain, bought.id, WalletKey.create())
    assert caught.value.server_code == "bad_erasure"
