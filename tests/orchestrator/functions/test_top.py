"""The live view's figures against the rows that they are counted from."""

from typing import Any

import sqlalchemy as sa
from function_house import House

from orchestrator.instances.transact import snapshot
from orchestrator.store import EVENTS, SERVICES, VOUCHERS
from orchestrator.top import own_part, top

NOW = 1_800_000_000_000


def test_clusters_msis_models_and_pool_are_counted(house: House) -> None:
    for subscription, isolation in ((1, 0), (2, 0), (3, 2)):
        house.instantiate(subscription, "monitoring", isolation=isolation)
    house.instantiate(4, "digital-twin")
    house.release(4)
    told = top(house.store, house.vmof, house.mmf)
    assert told["shares"] == {"running": 3, "released": 1}
    assert [(one["cluster"], one["msis"], one["shares"]) for one in told["clusters"]] == [("ar_vr", {"running": 2}, 3)]
    assert [(one["shares"], one["isolation"], one["state"]) for one in told["msis"]] == [
        (2, 0, "running"),
        (1, 2, "running"),
    ]
    monitoring = next(model for model in told["models"] if model["model"] == "monitoring")
    assert (monitoring["instances"], monitoring["shares"], monitoring["states"]) == (2, 3, {"running": 2})
    assert sum(one["shares"] for one in told["instances"] if one["model"] == "monitoring") == 3
    assert told["pool"] == {
        name: value for name, value in house.mmf.get("/pool").items() if name not in ("models", "links")
    }
    assert told["pool"]["used"]["computing_mcores"] > 0
    assert (told["msisLeftOff"], told["instancesLeftOff"]) == (0, 0)


def service(number: int, state: str, **times: int) -> dict[str, Any]:
    return {
        "subscription_id": str(number), "plan_id": "1", "buyer": "b", "signer": "s", "cap": "1",
        "requirements_hash": "h", "block_number": number, "deadline": 0, "chain_status": "active", "state": state,
        "times": times, "outcome": {},
    }  # fmt: skip


def test_queue_rates_and_backlog_at_a_thousand_services(house: House) -> None:
    """Half of them older than a minute; JSON times that have not come count for nothing."""
    active = [
        service(n, "active", final=NOW - 90_000, running=NOW - (30_000 if n % 2 else 90_000)) for n in range(1_000)
    ]
    waiting = [service(2_000 + n, "requested", final=NOW - 1_000 * n) for n in range(1, 5)]
    refused = [
        service(3_000, "refused", final=NOW - 10, refused=NOW - 5),
        service(3_001, "planning", final=NOW - 7_500),
    ]
    bought = [
        {"block_number": n, "log_index": 0, "block_hash": "h", "tx_hash": "t", "name": name, "subscription_id": "1",
         "fields": {}, "seen_ms": NOW - 20_000 * n}
        for n, name in enumerate(["Subscribed", "Subscribed", "Activated", "Subscribed", "Subscribed"])
    ]  # fmt: skip
    vouchers = [
        {"subscription_id": str(n), "number": n, "units": "1", "usage_root": "r", "r": "r", "vs": "v", "result": result}
        for n, result in enumerate(["", "", "settled", "final"])
    ]
    with house.store.writer.begin() as rows:
        rows.execute(sa.insert(SERVICES), active + waiting + refused)
        rows.execute(sa.insert(EVENTS), bought)
        rows.execute(sa.insert(VOUCHERS), vouchers)
    told = snapshot(house.store.reader, own_part, NOW)
    assert told["queue"]["services"] == {"active": 1_000, "requested": 4, "refused": 1, "planning": 1}
    assert told["queue"]["oldestWaitingMs"] == 7_500
    assert told["lastMinute"] == {"purchases": 2, "instantiations": 500, "refusals": 1, "ends": 0}
    assert told["settlement"] == {"vouchersWaiting": 2, "batchesUnderWay": 0, "batchesSent": 0}


def test_an_empty_house_has_an_empty_queue(house: House) -> None:
    told = top(house.store, house.vmof, house.mmf)
    assert told["queue"] == {"services": {}, "oldestWaitingMs": None, "workflowsPending": 0}
    assert (told["clusters"], told["msis"]) == ([], [])
    assert {one["model"] for one in told["instances"]} == {"infrastructure", "platform"}


def test_a_snapshot_sees_one_moment(house: House) -> None:
    """What is written between two queries of one look is not seen by the second."""

    def look(rows: sa.Connection) -> tuple[int, int]:
        count = sa.select(sa.func.count()).select_from(SERVICES)
        before = rows.scalar(count)
        with house.store.writer.begin() as others:
            others.execute(sa.insert(SERVICES), [service(1, "active")])
        return int(before or 0), int(rows.scalar(count) or 0)

    assert snapshot(house.store.reader, look) == (0, 0)
    assert len(house.rows("SELECT * FROM services")) == 1
