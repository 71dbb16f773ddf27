"""The stores falsified: rows of market.db, from which pages are served, and of the gateway's usage.db.

Functions for market.db get a connection and the ground and change rows; those for usage.db a SQLite connection.
"""

from __future__ import annotations

import json
import sqlite3

from sqlalchemy import Connection, Update, delete, insert, select, update

from marketplace.database import assets, plans, settlements, subscriptions
from scripts.tamper.case import Cases, Ground

TABLES = Cases("tables")
USAGE = Cases("usage tables")


@TABLES.case("table_differs", second=False)
def used_raised_in_table(connection: Connection, ground: Ground) -> None:
    """market.db says that more was used."""
    connection.execute(_mark(ground).values(used="999999"))


@TABLES.case("table_differs", second=False)
def money_returned_in_table(connection: Connection, ground: Ground) -> None:
    """market.db says that money was given back."""
    connection.execute(_mark(ground).values(returned="123456"))


@TABLES.case("table_differs", second=False)
def buyer_replaced_in_table(connection: Connection, ground: Ground) -> None:
    """market.db gives the subscription to somebody else."""
    connection.execute(_mark(ground).values(buyer="0x" + "11" * 20))


@TABLES.case("table_row_missing", second=False)
def subscription_deleted_from_table(connection: Connection, ground: Ground) -> None:
    """market.db no longer has a subscription."""
    key = subscriptions.c.subscription_id == str(ground.mark.subscription_id)
    connection.execute(delete(subscriptions).where(key))


@TABLES.case("table_row_unknown", second=False)
def subscription_invented_in_table(connection: Connection, ground: Ground) -> None:
    """market.db has a subscription that nobody bought."""
    key = subscriptions.c.subscription_id == str(ground.mark.subscription_id)
    row = dict(connection.execute(select(subscriptions).where(key)).mappings().one())
    connection.execute(insert(subscriptions).values(row | {"subscription_id": str(ground.mark.subscription_id + 900)}))


@TABLES.case("table_differs", second=False)
def settlement_raised_in_table(connection: Connection, ground: Ground) -> None:
    """market.db says that a voucher moved more money."""
    key = settlements.c.subscription_id == str(ground.mark.subscription_id)
    connection.execute(update(settlements).where(key).values(amount="1"))


@TABLES.case("table_differs", second=False)
def price_lowered_in_table(connection: Connection, ground: Ground) -> None:
    """market.db shows a lower price than the plan has."""
    connection.execute(update(plans).where(plans.c.plan_id == str(ground.mark.plan)).values(unit_price="1"))


@TABLES.case("table_differs", second=False)
def asset_given_away_in_table(connection: Connection, ground: Ground) -> None:
    """market.db shows another owner of an asset."""
    connection.execute(update(assets).where(assets.c.asset_id == "1").values(owner=ground.mark.buyer.address))


def _mark(ground: Ground) -> Update:
    return update(subscriptions).where(subscriptions.c.subscription_id == str(ground.mark.subscription_id))


@USAGE.case("root_differs")
def request_replaced_in_usage_db(connection: sqlite3.Connection) -> None:
    """A record in usage.db is said to be of another request."""
    _rewrite(connection, requestHash="0x" + "44" * 32)


@USAGE.case("total_differs")
def units_raised_in_usage_db(connection: sqlite3.Connection) -> None:
    """A record in usage.db bills more."""
    _rewrite(connection, units="77")


@USAGE.case("sequence_broken")
def record_deleted_from_usage_db(connection: sqlite3.Connection) -> None:
    """A record is deleted from usage.db."""
    connection.execute("DELETE FROM records WHERE seq = 3")


def _rewrite(connection: sqlite3.Connection, **fields: str) -> None:
    (text,) = connection.execute("SELECT record FROM records WHERE seq = 3").fetchone()
    connection.execute("UPDATE records SET record = ? WHERE seq = 3", (json.dumps(json.loads(text) | fields),))
