"""Brings a store's tables to the newest revision when it is opened; a store that has it costs one query.

A fresh store is made from the metadata and stamped; one that is behind, or of a time before there were revisions, is
migrated by alembic, which is imported then only. Everything happens in one transaction: a crash leaves the store as it
was. Revisions are files `NNNN_why.py`, one after the other; tests hold them against the metadata.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from storage.errors import SchemaForeign, SchemaTooNew, SchemaTorn

LOCK = 7_305_115_103
"""PostgreSQL's advisory lock of whoever brings a store up to date: several workers may start at once."""


@dataclass(frozen=True)
class Schema:
    """A store's tables and revisions. `name` is `engine` or `market`; `folder` holds env.py and versions/."""

    name: str
    metadata: Sequence[sa.MetaData]
    folder: Path
    seed: Callable[[sa.Connection], None] = lambda _: None
    """rows that a fresh store begins with"""

    @property
    def version_table(self) -> str:
        """Where alembic keeps this store's revision."""
        return f"{self.name}_revision"

    @property
    def revisions(self) -> list[str]:
        """All that this program knows, oldest first."""
        return sorted(file.name.partition("_")[0] for file in (self.folder / "versions").glob("[0-9]*.py"))

    @property
    def tables(self) -> list[str]:
        """The names of all tables."""
        return [table.name for metadata in self.metadata for table in metadata.sorted_tables]

    def bring_up_to_date(self, engine: sa.Engine) -> None:
        """Make, adopt or migrate; SchemaTooNew, SchemaForeign, SchemaTorn where it must not be touched."""
        with engine.connect() as rows, _references_unchecked(rows), rows.begin():
            _alone(rows)
            self._bring_up_to_date(rows)

    def _bring_up_to_date(self, rows: sa.Connection) -> None:
        there = set(sa.inspect(rows).get_table_names())
        known = self.revisions
        if self.version_table not in there:
            _require_own(self, there)
            if there.isdisjoint(self.tables):
                self._create(rows, known[-1])
            else:
                self.migrate(rows)
            return
        stored = str(rows.scalar(sa.text(f"SELECT version_num FROM {self.version_table}")))  # noqa: S608 (our own name)
        if stored not in known:
            raise SchemaTooNew(
                f"The {self.name} store has revision {stored}, this program knows up to {known[-1]}: a newer program "
                "wrote it. Start that one, or restore the copy from before the upgrade."
            )
        if stored != known[-1]:
            self.migrate(rows)

    def _create(self, rows: sa.Connection, newest: str) -> None:
        for metadata in self.metadata:
            metadata.create_all(rows, checkfirst=False)
        self.seed(rows)
        version = sa.Column("version_num", sa.String(32), primary_key=True, nullable=False)
        table = sa.Table(self.version_table, sa.MetaData(), version)
        table.create(rows)
        rows.execute(sa.insert(table).values(version_num=newest))

    def migrate(self, rows: sa.Connection, to: str = "head") -> None:
        """Run the revisions that are missing, within the caller's transaction."""
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(self.folder))
        config.set_main_option("path_separator", "os")
        config.attributes.update({"connection": rows, "schema": self})
        command.upgrade(config, to)
        self._require_whole(rows)

    def _require_whole(self, rows: sa.Connection) -> None:
        if rows.dialect.name != "sqlite":
            return
        for child, _row, parent, _key in rows.exec_driver_sql("PRAGMA foreign_key_check").all():
            if child in self.tables:
                raise SchemaTorn(
                    f"Bringing the {self.name} store up to date would leave rows of {child} without theirs of "
                    f"{parent}. Nothing was changed: start the program of before, and report this."
                )


@contextmanager
def _references_unchecked(rows: sa.Connection) -> Iterator[None]:
    """SQLite changes a table by making it anew, also while others refer to it; `migrate` checks at its end instead.

    Within a transaction the setting cannot be changed, and SQLAlchemy would begin one.
    """
    if rows.dialect.name != "sqlite":
        yield
        return
    driver: Any = rows.connection.driver_connection
    (checked,) = driver.execute("PRAGMA foreign_keys").fetchone()
    driver.execute("PRAGMA foreign_keys=OFF")
    try:
        yield
    finally:
        driver.execute(f"PRAGMA foreign_keys={checked}")  # safe: sql — what SQLite itself just said


def _alone(rows: sa.Connection) -> None:
    """From here on nobody else brings this store up to date, and a failure undoes table changes too."""
    if rows.dialect.name == "postgresql":
        rows.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
    elif not getattr(rows.connection.driver_connection, "in_transaction", False):
        rows.exec_driver_sql("BEGIN IMMEDIATE")  # Python's driver begins by itself only before a change of rows


def _require_own(schema: Schema, there: Iterable[str]) -> None:
    others = [name for name in there if name.endswith("_revision")]
    if others:
        raise SchemaForeign(
            f"This database holds another store ({', '.join(sorted(others))}): the {schema.name} store needs one of "
            "its own. Create a second database and name it in the setting."
        )


def run_migrations() -> None:
    """What each store's env.py does: run in the connection and transaction of `Schema.migrate`."""
    from alembic import context

    config = context.config
    schema: Schema = config.attributes["schema"]
    context.configure(
        connection=config.attributes["connection"],
        target_metadata=list(schema.metadata),
        version_table=schema.version_table,
        render_as_batch=True,
        compare_server_default=True,
        include_name=lambda name, kind, _parents: kind != "table" or name in schema.tables,
    )
    context.run_migrations()
