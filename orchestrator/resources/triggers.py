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
