"""Triggers that keep a parent row's figures equal to the sums over its children, on SQLite and PostgreSQL.

Used by the tables of the pool and of the instances when they are created.
"""

from collections.abc import Mapping

import sqlalchemy as sa


def keep_sums(child: sa.Table, parent: sa.Table, key: str, sums: Mapping[str, str]) -> None:
    """After `child` is created: every insert, update and delete there moves `parent`'s columns, in one statement each.

    `key` names the column that both tables share and that a child never changes; `sums` maps a column of the parent to
    what a child adds to it: one of the child's columns, or a whole number to count the children.
    """
    for event, row, terms in (("INSERT", "NEW", ("+ NEW",)), ("DELETE", "OLD", ("- OLD",)), ("UPDATE", "NEW", _MOVED)):
        sets = ", ".join(f"{column} = {column} {_sum(terms, part)}" for column, part in sums.items())
        body = f"UPDATE {parent.name} SET {sets} WHERE {key} = {row}.{key};"  # noqa: S608 (our own tables)
        name = f"{child.name}_{event.lower()}_moves_{parent.name}"
        for dialect, statement in _statements(name, event, child.name, body):
            trigger = sa.DDL(statement)  # type: ignore[no-untyped-call]
            sa.event.listen(child, "after_create", trigger.execute_if(dialect=dialect))


_MOVED = ("- OLD", "+ NEW")


def _sum(terms: tuple[str, ...], part: str) -> str:
    return " ".join(f"{term[0]} {part}" if part.isdigit() else f"{term}.{part}" for term in terms)


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
