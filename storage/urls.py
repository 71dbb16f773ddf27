"""A database setting as a URL with its driver, and the one statement that both databases share a dialect's form of."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as upsert

from storage.errors import UnknownDatabase

__all__ = ["database_url", "is_postgresql", "shown", "upsert"]
# `upsert(table).on_conflict_do_…()`: PostgreSQL's form; SQLite has the same clause and compiles it as it stands

DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg", "sqlite": "sqlite"}


def database_url(setting: str) -> str:
    """The setting with the driver that this house brings (psycopg 3); UnknownDatabase where it is neither."""
    scheme, separator, rest = setting.partition("://")
    driver = DRIVERS.get(scheme.partition("+")[0])
    if not separator or driver is None:
        raise UnknownDatabase(
            f"{scheme if separator else 'The value'} names no database that this program can use. "
            "Write postgresql://user@host/name, or sqlite:////absolute/path.db, or leave it out."
        )
    return f"{driver}://{rest}"


def is_postgresql(url: str) -> bool:
    """Whether this URL (or setting) means PostgreSQL."""
    return url.startswith("postgres")


def shown(url: str) -> str:
    """The URL for people and logs: without its password."""
    return sa.make_url(url).render_as_string(hide_password=True)
