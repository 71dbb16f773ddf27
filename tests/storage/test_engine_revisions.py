"""Homes of earlier releases come to the newest revision with their rows, and everything guards those rows as if new."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from orchestrator.migrations import schema_with
from orchestrator.resources import ResourceVector
from orchestrator.resources.payments import statement
from orchestrator.resources.pool import ALLOCATIONS, Allocation, OverAllocated, allocate, free_instance, nodes, withdraw
from orchestrator.resources.reservations import find, reserve
from orchestrator.resources.supplied import POOL_HISTORY, SupplyOffer, history, take_offer
from orchestrator.store import METADATA, Store, open_store
from storage import Schema, database_url, is_postgresql
from storage.errors import SchemaTorn

ENGINE = schema_with(METADATA)
OF_0001 = """
INSERT INTO nodes (node_id, kind, latency_ms) VALUES ('site-1', 'site', 2.5), ('site-2', 'site', 1), ('r-1', 'model', 0)
INSERT INTO supplies (supplier, node_id, computing_mcores) VALUES ('house', 'site-1', 300), ('cloud', 'site-1', 100)
INSERT INTO supplies (supplier, node_id, rendering_k) VALUES ('r-1', 'r-1', 50)
INSERT INTO msis VALUES ('m', 's', 'ar_vr', 0, 'running', 1, 0.9, 5, 0, 0)
INSERT INTO model_instances (instance_id, model, node_id, state, isolation, cluster, msi_id, supply, scale, max_shares,
 created_at, changed_at) VALUES ('r-1', 'renderer', 'site-1', 'running', 0, 'ar_vr', 'm', true, 1, 2, 0, 0)
INSERT INTO allocations (allocation_id, node_id, instance_id, computing_mcores) VALUES ('r-1', 'site-1', 'r-1', 200)
INSERT INTO allocations (allocation_id, node_id, instance_id, subscription_id, rendering_k)
 VALUES ('r-1/7', 'r-1', 'r-1', '7', 20)
INSERT INTO uses VALUES ('7', 'rendering', 'm', 'r-1', 'reused', 'o-1')
"""
TABLES = ("nodes", "supplies", "msis", "model_instances", "allocations", "uses")
NEW = {
    "part_of": "",
    "reservation_id": None,
    "warm_until": 0,
    "least_scale": 1,
    "deaths": 0,
    "up_s": 0,
    "down_s": 0,
    "down_since": 0,
    "composition": "",
    "closed": "",
} | {f"reserved_{name}": 0 for name in ResourceVector().all_amounts()}  # what the newer columns hold in rows of before


def computing(amount: int) -> ResourceVector:
    return ResourceVector(computing_mcores=amount)


def contents(engine: sa.Engine) -> dict[str, list[dict[str, object]]]:
    """All rows of the old tables, the columns of 0001 only; the newer ones are held against NEW."""
    found = {}
    with engine.connect() as rows:
        for table in TABLES:
            query = sa.text(f"SELECT * FROM {table} ORDER BY 1, 2")  # noqa: S608
            found[table] = [dict(row) for row in rows.execute(query).mappings()]
    assert all(row[name] == NEW[name] for found_in in found.values() for row in found_in for name in NEW.keys() & row)
    return {
        table: [{name: value for name, value in row.items() if name not in NEW} for row in held]
        for table, held in found.items()
    }


def make_old_home(database: str) -> dict[str, list[dict[str, object]]]:
    """A store of revision 0001 with rows; answers them."""
    if not is_postgresql(database):
        Path(database.removeprefix("sqlite:///")).parent.mkdir(exist_ok=True)
    engine = sa.create_engine(database_url(database))
    with engine.begin() as rows:
        ENGINE.migrate(rows, "0001")
        for statement_ in OF_0001.strip().replace("\n ", " ").splitlines():
            rows.execute(sa.text(statement_))
    before = contents(engine)
    engine.dispose()
    return before


@pytest.fixture
def upgraded(database: str) -> Iterator[Store]:
    make_old_home(database)
    store = open_store(database)
    yield store
    store.close()


def test_an_old_home_keeps_its_rows(database: str) -> None:
    before = make_old_home(database)
    assert [row["used_computing_mcores"] for row in before["nodes"]] == [0, 200, 0]
    for _ in range(2):
        store = open_store(database)
        assert contents(store.reader) == before
        with store.reader.connect() as rows:
            assert rows.scalar(sa.text("SELECT version_num FROM engine_revision")) == ENGINE.revisions[-1]
        store.close()


def test_the_sums_of_an_old_home_go_on_and_its_bounds_hold(upgraded: Store) -> None:
    held = [Allocation("a", "site-1", "i", computing(150))]
    with upgraded.writer.begin() as rows:
        allocate(rows, held)
        assert nodes(rows, "site")[0].used == computing(350)
    with pytest.raises(OverAllocated), upgraded.writer.begin() as rows:
        allocate(rows, [Allocation("b", "site-1", "i", computing(51))])
    with pytest.raises(OverAllocated), upgraded.writer.begin() as rows:
        withdraw(rows, "house")
    with pytest.raises(OverAllocated), upgraded.writer.begin() as rows:
        allocate(rows, [Allocation("c", "nowhere", "i", computing(1))])
    with upgraded.writer.begin() as rows:
        free_instance(rows, "i")
        withdraw(rows, "cloud")
        assert (nodes(rows, "site")[0].used, nodes(rows, "site")[0].capacity) == (computing(200), computing(300))


def test_instances_of_an_old_home_count_their_shares(upgraded: Store) -> None:
    with upgraded.writer.begin() as rows:
        rows.execute(sa.text("INSERT INTO uses VALUES ('8', 'rendering', 'm', 'r-1', 'reused', 'o-2')"))
        assert rows.scalar(sa.text("SELECT shares FROM model_instances")) == 2
    with pytest.raises(sa.exc.IntegrityError, match="shares_within_bound"), upgraded.writer.begin() as rows:
        rows.execute(sa.text("INSERT INTO uses VALUES ('9', 'rendering', 'm', 'r-1', 'reused', 'o-3')"))
    with pytest.raises(sa.exc.IntegrityError, match=r"(?i)foreign key"), upgraded.writer.begin() as rows:
        rows.execute(sa.text("DELETE FROM nodes WHERE node_id = 'site-1'"))


def test_room_of_an_old_home_can_be_reserved_and_drawn(upgraded: Store) -> None:
    with upgraded.writer.begin() as rows:
        reserve(rows, "r", "site-1", "ar_vr", computing(200), 2000, 1000)
    with pytest.raises(OverAllocated), upgraded.writer.begin() as rows:
        allocate(rows, [Allocation("a", "site-1", "i", computing(1))], "digital_twin", 1000)
    with upgraded.writer.begin() as rows:
        allocate(rows, [Allocation("a", "site-1", "i", computing(150))], "ar_vr", 1000)
        site, kept = nodes(rows, "site")[0], find(rows, "r")
        assert (site.used, site.reserved) == (computing(350), computing(50))
        assert kept is not None
        assert kept.drawn == computing(150)
    drawn = ALLOCATIONS.c.reservation_id == "r"
    for torn in ({"reservation_id": "none"}, {"computing_mcores": 201}):
        with pytest.raises(sa.exc.IntegrityError), upgraded.writer.begin() as rows:
            rows.execute(sa.update(ALLOCATIONS).where(drawn).values(**torn))


def test_the_history_begins_with_what_stands_so_a_new_offer_gets_its_part_of_it(upgraded: Store) -> None:
    with upgraded.writer.begin() as rows:
        begun = history(rows, "site-1")
        assert [(one.kind, one.subject, one.amounts) for one in begun] == [
            ("supply", "cloud", computing(100)),
            ("supply", "house", computing(300)),
            ("allocation", "r-1", computing(200)),
        ]
        assert all(abs(one.at_ms - time.time() * 1000) < 600_000 for one in begun)
        assert rows.scalar(sa.select(sa.func.count()).select_from(POOL_HISTORY)) == 3  # a model's node is no site
        offer = SupplyOffer(
            "1", "9", "edge", "0xa", "site-1", computing(100), {"computing_mcores": 36}, 10**6, 10**12, "n"
        )
        take_offer(rows, offer, computing(100), 1000)
        offered = history(rows, "site-1")[-1]
        told = statement(rows, offer, offered.at_ms + 5000)
        assert told["usedSeconds"] == {"computing_mcores": 200}  # 200 in use × 100 of 500 × 5 s
        assert told["earned"] == "2"
        free_instance(rows, "r-1")
        ended = history(rows, "site-1")[-1]
        assert (ended.kind, ended.subject, ended.amounts) == ("allocation", "r-1", ResourceVector() - computing(200))
    for change in ("UPDATE pool_history SET at_ms = 0", "DELETE FROM pool_history"):
        with pytest.raises(sa.exc.IntegrityError, match="append-only"), upgraded.writer.begin() as rows:
            rows.execute(sa.text(change))


OLD_SHARE = """
INSERT INTO shares (subscription_id, msi_id, state, reused, requirements, models, "grant", created_at, changed_at)
 VALUES ('7', 'm', 'running', false, '{"roles": {"view": "renderer", "link": "terahertz-link"}}', '[]', '{}', 0, 0)
"""


def test_an_msi_of_an_old_home_tells_what_it_is_made_of_so_others_join_it_still(database: str) -> None:
    make_old_home(database)
    engine = sa.create_engine(database_url(database))
    with engine.begin() as rows:
        rows.execute(sa.text(OLD_SHARE.replace(": ", "\\: ")))
    engine.dispose()
    store = open_store(database)
    with store.reader.connect() as rows:
        assert rows.scalar(sa.text("SELECT composition FROM msis")) == "link=terahertz-link,view=renderer"
    store.close()


TEARING = """
from alembic import op

revision, down_revision = "9999", "{before}"


def upgrade() -> None:
    op.execute("DELETE FROM model_instances")
"""


def test_a_revision_that_would_tear_rows_apart_is_undone(database: str, tmp_path: Path) -> None:
    before = make_old_home(database)
    open_store(database).close()
    folder = tmp_path / "migrations"
    shutil.copytree(ENGINE.folder, folder)
    (folder / "versions" / "9999_tearing.py").write_text(TEARING.format(before=ENGINE.revisions[-1]))
    later = Schema(ENGINE.name, ENGINE.metadata, folder)
    store = open_store(database)
    told = "rows of uses without theirs of model_instances.*start the program of before|violates foreign key"
    with pytest.raises((SchemaTorn, sa.exc.IntegrityError), match=told):
        later.bring_up_to_date(store.writer)
    assert contents(store.reader) == before
    with pytest.raises(sa.exc.IntegrityError, match=r"(?i)foreign key"), store.writer.begin() as rows:
        rows.execute(sa.text("DELETE FROM nodes"))  # the connection checks again
    store.close()
