"""Both stores on both databases: made at once or by revisions they are the same; old homes adopted, newer refused."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from marketplace.database import SCHEMA as MARKET
from marketplace.database import cursor, open_database, orders
from marketplace.errors import StoreUnusable as MarketUnusable
from orchestrator.errors import StoreUnusable
from orchestrator.migrations import schema_with
from orchestrator.store import METADATA, open_store
from scripts.add_revision import add_revision
from storage import Schema, SchemaTooNew, database_url

ENGINE = schema_with(METADATA)
NEWEST = MARKET.revisions[-1]
AFTER = f"{int(NEWEST) + 1:04}"
STORES = pytest.mark.parametrize("schema", [ENGINE, MARKET], ids=["engine", "market"])
REMEDY = (
    "The tables in the code and those that the revisions make differ: add a revision with "
    '`.venv/bin/python scripts/add_revision.py {name} "what it does"`'
)


@pytest.fixture
def empty(database: str) -> Iterator[sa.Engine]:
    if database.startswith("sqlite"):
        Path(database.removeprefix("sqlite:///")).parent.mkdir()
    engine = sa.create_engine(database_url(database))
    yield engine
    engine.dispose()


def drop_all(engine: sa.Engine) -> None:
    with engine.begin() as rows:
        if engine.dialect.name == "postgresql":
            rows.execute(sa.text("DROP SCHEMA public CASCADE"))
            rows.execute(sa.text("CREATE SCHEMA public"))
            return
        for kind, name in [(found.kind, found.name) for found in rows.execute(MASTER) if found.kind == "trigger"]:
            rows.execute(sa.text(f"DROP {kind} {name}"))
        rows.execute(sa.text("PRAGMA foreign_keys=OFF"))
        for name in sa.inspect(rows).get_table_names():
            rows.execute(sa.text(f'DROP TABLE "{name}"'))


MASTER = sa.text("SELECT type AS kind, name, tbl_name AS of, sql FROM sqlite_master WHERE sql IS NOT NULL")
PG_TRIGGERS = sa.text(
    "SELECT tgname AS name, pg_get_triggerdef(t.oid) AS sql, pg_get_functiondef(tgfoid) AS body FROM pg_trigger t "
    "WHERE NOT tgisinternal"
)


def picture(engine: sa.Engine) -> dict[str, Any]:
    """Everything that can differ: columns, keys, constraints, indexes, triggers, and the rows it begins with."""
    look = sa.inspect(engine)
    tables = {
        name: {
            "columns": [
                (one["name"], str(one["type"]), one["nullable"], str(one["default"])) for one in look.get_columns(name)
            ],
            "primary key": look.get_pk_constraint(name)["constrained_columns"],
            "foreign keys": _plain(look.get_foreign_keys(name), "constrained_columns", "referred_table"),
            "unique": _plain(look.get_unique_constraints(name), "column_names"),
            "checks": _plain(look.get_check_constraints(name), "name", "sqltext"),
            "indexes": _plain(look.get_indexes(name), "name", "column_names", "unique"),
        }
        for name in look.get_table_names()
    }
    with engine.connect() as rows:
        if engine.dialect.name == "sqlite":
            triggers = [(one.name, one.sql) for one in rows.execute(MASTER) if one.kind == "trigger"]
        else:
            triggers = [(one.name, one.sql + one.body) for one in rows.execute(PG_TRIGGERS)]
        turns = sorted(rows.scalars(sa.text("SELECT name FROM turns"))) if "turns" in tables else []
    return {**tables, "triggers": {name: re.sub(r"\s+", " ", sql) for name, sql in triggers}, "turns": turns}


def _plain(found: Any, *parts: str) -> list[tuple[str, ...]]:
    return sorted(tuple(str(one[part]) for part in parts) for one in found)


@STORES
def test_revisions_make_what_the_code_declares(empty: sa.Engine, schema: Schema) -> None:
    schema.bring_up_to_date(empty)
    declared = picture(empty)
    drop_all(empty)
    with empty.begin() as rows:
        schema.migrate(rows)
    made = picture(empty)
    assert set(declared) == {*schema.tables, schema.version_table, "triggers", "turns"}
    assert made == declared, REMEDY.format(name=schema.name)
    if schema is ENGINE:
        assert len(declared["triggers"]) == 20
        assert declared["turns"] == ["ar_vr", "digital_twin", "pool"]


@STORES
def test_revisions_follow_each_other_and_opening_again_changes_nothing(empty: sa.Engine, schema: Schema) -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(schema.folder))
    config.set_main_option("path_separator", "os")
    script = ScriptDirectory.from_config(config)
    assert [revision.revision for revision in script.walk_revisions()][::-1] == schema.revisions
    schema.bring_up_to_date(empty)
    before = picture(empty)
    schema.bring_up_to_date(empty)
    assert picture(empty) == before


@STORES
def test_a_store_of_a_newer_program_is_refused_and_left_alone(empty: sa.Engine, schema: Schema) -> None:
    schema.bring_up_to_date(empty)
    with empty.begin() as rows:
        rows.execute(sa.text(f"UPDATE {schema.version_table} SET version_num='9999'"))  # noqa: S608
    before = picture(empty)
    with pytest.raises(SchemaTooNew, match=r"revision 9999.*newer program.*Start that one"):
        schema.bring_up_to_date(empty)
    assert picture(empty) == before


NEXT = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "{after}", "{newest}"


def upgrade() -> None:
    with op.batch_alter_table("orders") as orders:
        orders.add_column(sa.Column("colour", sa.Text(), nullable=False, server_default="red"))
"""


def next_release(tmp_path: Path, revision: str) -> Schema:
    """The marketplace's schema as a later program has it."""
    folder = tmp_path / "migrations"
    shutil.copytree(MARKET.folder, folder)
    (folder / "versions" / f"{AFTER}_colour.py").write_text(revision.format(after=AFTER, newest=NEWEST))
    return Schema(MARKET.name, MARKET.metadata, folder)


def with_an_order(engine: sa.Engine) -> None:
    MARKET.bring_up_to_date(engine)
    with engine.begin() as rows:
        rows.execute(sa.insert(orders).values(order_id="1", quote_id="2", buyer="3", state="bought"))


def test_a_store_that_is_behind_is_migrated_and_keeps_its_rows(empty: sa.Engine, tmp_path: Path) -> None:
    with_an_order(empty)
    later = next_release(tmp_path, NEXT)
    later.bring_up_to_date(empty)
    with empty.connect() as rows:
        assert rows.execute(sa.text("SELECT order_id, colour FROM orders")).all() == [("1", "red")]
        assert rows.scalar(sa.text("SELECT version_num FROM market_revision")) == AFTER
    with pytest.raises(SchemaTooNew):
        MARKET.bring_up_to_date(empty)


def test_a_market_of_the_first_release_keeps_its_orders_and_is_folded_anew(empty: sa.Engine) -> None:
    with empty.begin() as rows:
        MARKET.migrate(rows, "0001")
        rows.execute(sa.insert(orders).values(order_id="1", quote_id="2", buyer="3", state="bought"))
        rows.execute(sa.insert(cursor).values(name="head", block_number=7, block_hash="0x07"))
    MARKET.bring_up_to_date(empty)
    with empty.connect() as rows:
        assert rows.execute(sa.select(orders.c.order_id)).all() == [("1",)]
        assert rows.execute(sa.select(cursor)).all() == []


def test_a_revision_that_fails_leaves_the_store_as_it_was(empty: sa.Engine, tmp_path: Path) -> None:
    with_an_order(empty)
    before = picture(empty)
    with pytest.raises(ZeroDivisionError):
        next_release(tmp_path, NEXT + "    1 / 0\n").bring_up_to_date(empty)
    assert picture(empty) == before
    MARKET.bring_up_to_date(empty)


def test_a_new_table_gets_its_revision_by_the_script(empty: sa.Engine, tmp_path: Path) -> None:
    more = sa.MetaData()
    sa.Table("wishes", more, sa.Column("wish", sa.Text, primary_key=True), sa.Column("at", sa.BigInteger, index=True))
    folder = tmp_path / "migrations"
    shutil.copytree(MARKET.folder, folder)
    later = Schema(MARKET.name, (*MARKET.metadata, more), folder)
    written = add_revision(later, "Wishes of buyers")
    assert written.name == f"{AFTER}_wishes_of_buyers.py"
    assert later.revisions == [*MARKET.revisions, AFTER]
    MARKET.bring_up_to_date(empty)
    later.bring_up_to_date(empty)
    migrated = picture(empty)
    drop_all(empty)
    later.bring_up_to_date(empty)
    assert picture(empty) == migrated
    assert "wishes" in migrated


def test_opening_a_store_that_is_new_or_up_to_date_does_not_load_alembic(tmp_path: Path) -> None:
    """It takes as long to import as the whole rest of opening."""
    program = (
        "import sys; from orchestrator.store import open_store; from marketplace.database import open_database\n"
        "for _ in range(2):\n"
        f"    open_store('sqlite:///{tmp_path}/e.db').close(); open_database('sqlite:///{tmp_path}/m.db').dispose()\n"
        "print('alembic' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout == "False\n"


def test_a_newer_store_stops_both_programs_by_name(database: str) -> None:
    opened = open_store(database)
    with opened.writer.begin() as rows:
        rows.execute(sa.text("UPDATE engine_revision SET version_num='9999'"))
    opened.close()
    with pytest.raises(StoreUnusable, match="newer program"):
        open_store(database)


def test_a_database_of_the_other_store_is_refused(database: str) -> None:
    open_store(database).close()
    with pytest.raises(MarketUnusable, match=r"engine_revision.*needs one of its own"):
        open_database(database)


def test_a_home_of_before_there_were_revisions_is_adopted_with_its_rows(tmp_path: Path) -> None:
    file = tmp_path / "engine.db"
    engine = sa.create_engine(f"sqlite:///{file}")
    with engine.begin() as rows:
        ENGINE.migrate(rows, "0001")  # it makes what such a home has, and a note of itself
        rows.execute(sa.text("DROP TABLE engine_revision"))
        rows.execute(sa.text("INSERT INTO msis VALUES ('m', 's', 'ar_vr', 0, 'running', 1, 0.9, 5, 0, 0)"))
        rows.execute(sa.text("UPDATE turns SET turn=7 WHERE name='pool'"))
    engine.dispose()
    for _ in range(2):
        store = open_store(f"sqlite:///{file}")
        with store.reader.connect() as rows:
            assert rows.scalar(sa.text("SELECT version_num FROM engine_revision")) == ENGINE.revisions[-1]
            assert rows.scalar(sa.text("SELECT msi_id FROM msis")) == "m"
            assert rows.scalar(sa.text("SELECT turn FROM turns WHERE name='pool'")) == 7
        store.close()


def test_a_half_made_home_is_completed(tmp_path: Path) -> None:
    file = tmp_path / "engine.db"
    engine = sa.create_engine(f"sqlite:///{file}")
    METADATA.create_all(engine)  # killed before the other rooms' tables
    engine.dispose()
    whole = sa.create_engine(f"sqlite:///{tmp_path / 'whole.db'}")
    ENGINE.bring_up_to_date(whole)
    store = open_store(f"sqlite:///{file}")
    assert picture(store.reader) == picture(whole)
    store.close()
    whole.dispose()


@pytest.mark.parametrize("setting", ["mysql://u@h/d", "engine.db", "oracle+x://h"])
def test_a_setting_that_is_neither_database_is_refused_with_the_two_forms(setting: str) -> None:
    with pytest.raises(StoreUnusable, match="Write postgresql://user@host/name, or sqlite"):
        open_store(setting)
    with pytest.raises(MarketUnusable, match="Write postgresql://user@host/name, or sqlite"):
        open_database(setting)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2", "postgresql+psycopg"])
def test_every_plain_form_means_psycopg_3(scheme: str) -> None:
    assert database_url(f"{scheme}://u@h:1/d?host=/s") == "postgresql+psycopg://u@h:1/d?host=/s"


def test_a_server_that_is_not_there_is_told_without_the_password() -> None:
    with pytest.raises(
        StoreUnusable, match=r"(?s)postgresql\+psycopg://ada:\*\*\*@.*Check that the server answers"
    ) as told:
        open_store("postgresql://ada:geheim@127.0.0.1:1/none")
    assert "geheim" not in str(told.value)
