"""Triggers that keep a parent row's figures equal to the sums over its children, on SQLite and PostgreSQL.

Used by the tables of the pool and of the instances when they are created.
"""

from collections.abc import Mapping

import sqlalchemy as sa

Parent = tuple[sa.Table, str, Mapping[str, str]]
"""A table, the column that it shares with the child, and what a child adds to which of its columns."""


def keep_sums(child: sa.Table, parent: sa.Table, key: str, sums: Mapping[str, str], *then: Parent) -> None:
    """After `child` is created: every insert, update and delete there moves `parent`'s columns, in one statement each.

    `key` names the column that both tables share and that a child never changes; `sums` maps a column of the parent to
    what a child adds to it: one of the child's columns, a whole number to count the children, or an expression in
    which `{row}` stands for the child. Further parents are moved after the first, in this order.
    """
    for event, row, terms in (("INSERT", "NEW", ("+ NEW",)), ("DELETE", "OLD", ("- OLD",)), ("UPDATE", "NEW", _MOVED)):
        body = " ".join(_update(row, terms, *one) for one in ((parent, key, sums), *then))
        name = f"{child.name}_{event.lower()}_moves_{parent.name}"
        for dialect, statement in _statements(name, event, child.name, body):
            trigger = sa.DDL(statement)  # type: ignore[no-untyped-call]
            sa.event.listen(child, "after_create", trigger.execute_if(dialect=dialect))


_MOVED = ("- OLD", "+ NEW")


def _update(row: str, terms: tuple[str, ...], parent: sa.Table, key: str, sums: Mapping[str, str]) -> str:
    sets = ", ".join(f"{column} = {column} {_sum(terms, part)}" for column, part in sums.items())
    return f"UPDATE {parent.name} SET {sets} WHERE {key} = {row}.{key};"  # noqa: S608 (our own tables)


def _sum(terms: tuple[str, ...], part: str) -> str:
    return " ".join(f"{term[0]} {_part(term[2:], part)}" for term in terms)


def _part(row: str, part: str) -> str:
    if part.isdigit():
        return part
    return part.format(row=row) if "{row}" in part else f"{row}.{part}"


def _statements(name: str, event: str, child: str, body: str) -> list[tuple[str, str]]:
    return [
        ("sqlite", f"CREATE TRIGGER {name} AFTER {event} ON {child} FOR EACH ROW BEGIN {body} END"),
        (
            "postgresql",
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NULL; END $$",
        ),
        (
            "postgresql",
            f"CREATE TRIGGER {name} AFTER {event} ON {child} FOR EACH ROW EXECUTE FUNCTION {name}()",
        ),
    ]


def record_changes(child: sa.Table, history: sa.Table, kind: str, subject: str, subscription: str, only: str) -> None:
    """After `child` is created: every change of amounts appends a row to `history`, what it added (negative: took).

    `subject` and `subscription` are expressions in which `{row}` stands for the child, `only` a condition on it. The
    columns that both tables have and that hold amounts carry the same names. Times are the database's own clock, UTC
    milliseconds.
    """
    amounts = [column.name for column in history.c if column.info.get("amount")]
    for event, row, sign in (
        ("INSERT", "NEW", ("NEW",)),
        ("DELETE", "OLD", ("", "OLD")),
        ("UPDATE", "NEW", ("NEW", "OLD")),
    ):
        values = [_difference(sign, name) for name in amounts]
        columns = ", ".join(["at_ms", "kind", "node_id", "subject", "subscription_id", *amounts])
        fixed = f"'{kind}', {row}.node_id, {subject.format(row=row)}, {subscription.format(row=row)}"
        for dialect, clock in CLOCKS.items():
            body = (
                f"INSERT INTO {history.name} ({columns}) SELECT {clock}, {fixed}, {', '.join(values)} "
                f"WHERE {only.format(row=row)} AND ({' OR '.join(f'{value} <> 0' for value in values)});"
            )
            name = f"{child.name}_{event.lower()}_is_recorded"
            for statement in (one for spoken, one in _statements(name, event, child.name, body) if spoken == dialect):
                trigger = sa.DDL(statement)  # type: ignore[no-untyped-call]
                sa.event.listen(history, "after_create", trigger.execute_if(dialect=dialect))


CLOCKS = {
    "sqlite": "CAST((julianday('now') - 2440587.5) * 86400000.0 AS INTEGER)",
    "postgresql": "(EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::bigint",
}
"""Dialect → now, UTC milliseconds."""


def _difference(sign: tuple[str, ...], name: str) -> str:
    plus = f"{sign[0]}.{name}" if sign[0] else "0"
    return f"{plus} - {sign[1]}.{name}" if len(sign) > 1 else plus


def append_only(table: sa.Table) -> None:
    """After `table` is created: its rows can neither be changed nor deleted."""
    for event in ("UPDATE", "DELETE"):
        name, why = f"{table.name}_never_{event.lower()}", f"{table.name} is append-only"
        statements = [
            (
                "sqlite",
                f"CREATE TRIGGER {name} BEFORE {event} ON {table.name} FOR EACH ROW BEGIN "
                f"SELECT RAISE(ABORT, '{why}'); END",
            ),
            (
                "postgresql",
                f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                f"RAISE EXCEPTION '{why}' USING ERRCODE = 'integrity_constraint_violation'; END $$",
            ),
            (
                "postgresql",
                f"CREATE TRIGGER {name} BEFORE {event} ON {table.name} FOR EACH ROW EXECUTE FUNCTION {name}()",
            ),
        ]
        for dialect, statement in statements:
            trigger = sa.DDL(statement)  # type: ignore[no-untyped-call]
            sa.event.listen(table, "after_create", trigger.execute_if(dialect=dialect))
