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


def step(name: str, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run `work` as a plain durable step: at least once, so it must be idempotent; its result is kept."""
    return DBOS.run_step({"name": name}, work, *args, **kwargs)


def read(
    datasource: SQLAlchemyDatasource,
    look: Callable[Concatenate[sa.Connection, P], R],
    *args: P.args,
    **kwargs: P.kwargs,
) -> R:
    """Look at rows outside any workflow."""
    with datasource.engine.connect() as rows:
        return look(rows, *args, **kwargs)
