"""Changes of rows as transactions of the durable engine's datasource: exactly once inside a workflow."""

from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa
from dbos import DBOS, SQLAlchemyDatasource

P = ParamSpec("P")
R = TypeVar("R")


def transact(
    datasource: SQLAlchemyDatasource,
    change: Callable[Concatenate[sa.Connection, P], R],
    *args: P.args,
    **kwargs: P.kwargs,
) -> R:
    """Run `change(rows, …)` as one transaction; inside a workflow its effect and its result are kept together."""

    def work() -> R:
        return change(datasource.sql_session().connection(), *args, **kwargs)

    return datasource.run_tx_step({"name": change.__name__}, work)


def durable(name: str, work: Callable[P, R]) -> Callable[P, R]:
    """Register `work` (a method, too) with the engine as the workflow `name`, recovered however often it must be."""

    def workflow(*args: P.args, **kwargs: P.kwargs) -> R:
        return work(*args, **kwargs)

    return DBOS.workflow(name=name, max_recovery_attempts=None)(workflow)


def step(name: str, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run `work` as a plain durable step: at least once, so it must be idempotent; its result is kept."""
    return DBOS.run_step({"name": name}, work, *args, **kwargs)


def read(engine: sa.Engine, look: Callable[Concatenate[sa.Connection, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Look at rows outside any workflow."""
    with engine.connect() as rows:
        return look(rows, *args, **kwargs)


def snapshot(
    engine: sa.Engine, look: Callable[Concatenate[sa.Connection, P], R], *args: P.args, **kwargs: P.kwargs
) -> R:
    """Look at rows outside any workflow, all queries of one look seeing the same moment."""
    level = "SERIALIZABLE" if engine.dialect.name == "sqlite" else "REPEATABLE READ"
    with engine.connect().execution_options(isolation_level=level) as rows:
        if engine.dialect.name == "sqlite":
            rows.exec_driver_sql("BEGIN")  # its driver opens none for reads
        return look(rows, *args, **kwargs)
