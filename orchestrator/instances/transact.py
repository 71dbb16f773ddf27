"""Changes of rows as transactions of the durable engine's datasource: exactly once inside a workflow."""

from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa
from dbos import DBOS, SQLAlchemyDatasource
from dbos._datasource import DatasourceOptions, IsolationLevel

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

    return datasource.run_tx_step(options(datasource, change.__name__), work)


def transact_again(
    datasource: SQLAlchemyDatasource,
    change: Callable[Concatenate[sa.Connection, P], R],
    *args: P.args,
    **kwargs: P.kwargs,
) -> R:
    """Run `change(rows, …)` as one transaction and no step, for a change that does no more when it comes again.

    At least once: the engine keeps nothing of it, so after a crash whoever asked asks again. On PostgreSQL it is READ
    COMMITTED, the server's default.
    """
    with datasource.engine.begin() as rows:
        return change(rows, *args, **kwargs)


def transact_on_one_view(
    datasource: SQLAlchemyDatasource,
    change: Callable[Concatenate[sa.Connection, P], R],
    *args: P.args,
    **kwargs: P.kwargs,
) -> R:
    """As `transact`, for a change that takes no turn but decides on several reads: all of them see one moment."""

    def work() -> R:
        return change(datasource.sql_session().connection(), *args, **kwargs)

    return datasource.run_tx_step(options(datasource, change.__name__, "REPEATABLE READ"), work)


def options(
    datasource: SQLAlchemyDatasource, name: str, isolation: IsolationLevel = "READ COMMITTED"
) -> DatasourceOptions:
    """How the engine runs a transaction of this name. SQLite has one writer at a time: its only level is enough.

    PostgreSQL: READ COMMITTED, since whoever decides takes a turn or locks a row first and must then see what the one
    before it left; in a stricter level the waiting one would fail instead, and be repeated.
    """
    return {
        "name": name,
        "isolation_level": isolation if datasource.engine.dialect.name != "sqlite" else "SERIALIZABLE",
    }


def durable(name: str, work: Callable[P, R]) -> Callable[P, R]:
    """Register `work` (a method, too) with the engine as the workflow `name`, recovered however often it must be."""

    def workflow(*args: P.args, **kwargs: P.kwargs) -> R:
        return work(*args, **kwargs)

    return DBOS.workflow(name=name, max_recovery_attempts=None)(workflow)


def step(name: str, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run `work` as a plain durable step: at least once, so it must be idempotent; its result is kept."""
    return DBOS.run_step({"name": name}, work, *args, **kwargs)


def read(engine: sa.Engine, look: Callable[Concatenate[sa.Connection, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Look at rows outside any workflow; on PostgreSQL all that is read is of one moment."""
    with engine.connect() as rows:
        if rows.dialect.name == "postgresql":
            rows.execution_options(isolation_level="REPEATABLE READ")
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
