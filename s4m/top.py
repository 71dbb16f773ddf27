"""`s4m top`: the whole orchestrator on one page, live once a second, or once."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import click

from s4m.command import Session, common, console

if TYPE_CHECKING:
    import httpx
    from rich.console import Group, RenderableType
    from rich.table import Table

REFRESH_S = 1.0
BAR = 20
"""Width of a bar, characters."""
ROWS, FEWEST_ROWS = 12, 1
"""MSIs and models on the page, in a low terminal; --json has all that the view holds."""


@click.command()
@click.option("--once", is_flag=True, help="Print once and leave; so it is too where there is no terminal.")
@common
def top(session: Session, once: bool) -> None:
    """Pool, clusters, MSIs, models, queue, rates and settlement backlog. Leave with q or Ctrl-C."""
    from s4m.connect import component

    with component(session, "orchestrator") as client:
        if session.as_json:
            session.show(_look(client))
        elif once or not (sys.stdout.isatty() and sys.stdin.isatty()):
            _print(_look(client))
        else:
            _live(client)


def _look(client: httpx.Client) -> dict[str, Any]:
    from marketplace.client.connection import problem_in
    from marketplace.errors import OrchestratorDown, ProblemAnswer

    try:
        answer = client.get("/top")
    except client_errors() as error:
        raise OrchestratorDown(
            f"{type(error).__name__}: {error}.", remedy="Is `s4m up` running with this --home?"
        ) from error
    if answer.is_error:
        raise ProblemAnswer(answer.status_code, problem_in(answer))
    return dict(answer.json())


def client_errors() -> type[Exception]:
    """What a dead orchestrator raises."""
    import httpx

    return httpx.TransportError


def _print(told: dict[str, Any]) -> None:
    console(120).print(page(told))


def _live(client: httpx.Client) -> None:
    """Until q or Ctrl-C; an orchestrator that is away is said on the page, and looked for again."""
    from rich.live import Live
    from rich.text import Text

    from marketplace.errors import MarketplaceError

    def look() -> RenderableType:
        try:
            told = _look(client)
        except MarketplaceError as error:  # it starts, or starts again: the next look may find it
            return Text(str(error), style="red")
        return page(told, rows_for(live.console.height, told))

    with suppress(KeyboardInterrupt), _keys() as left, Live(console=console(), screen=True, auto_refresh=False) as live:
        live.update(look(), refresh=True)
        while not left(REFRESH_S):
            live.update(look(), refresh=True)


@contextmanager
def _keys() -> Iterator[Any]:
    """A function that waits so long and says whether to leave; keys are read as they are pressed meanwhile."""
    import os
    import select
    import termios
    import tty

    before = termios.tcgetattr(sys.stdin)

    def left(seconds: float) -> bool:
        ready = select.select([sys.stdin], [], [], seconds)[0]
        return bool(ready) and os.read(sys.stdin.fileno(), 1) in (b"q", b"Q", b"")

    try:
        tty.setcbreak(sys.stdin)
        yield left
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def rows_for(height: int, told: dict[str, Any]) -> int:
    """How many MSIs and models fit below what is always shown."""
    resources = sum(len(site["capacity"]) for site in told["pool"]["sites"])
    beside = max(len(told["queue"]["services"]) + 2, len(told["clusters"]))
    titles = 2 + 2 * 4 + 2  # the head, four tables' titles and names, two last lines
    repacks = 2 + len(told["repacks"]) if told["repacks"] else 0
    return max(FEWEST_ROWS, min(ROWS, (height - titles - resources - beside - repacks) // 2))


def page(told: dict[str, Any], rows: int = ROWS) -> Group:
    """The page, top to bottom."""
    from rich.columns import Columns
    from rich.console import Group

    tables = [_msis(told, rows), _models(told, rows), *([_repacks(told["repacks"])] if told["repacks"] else [])]
    return Group(_head(told), _pool(told["pool"]), Columns([_queue(told), _clusters(told)], padding=(0, 4)), *tables)


def _head(told: dict[str, Any]) -> RenderableType:
    from time import gmtime, strftime

    from rich.text import Text

    minute, settlement = told["lastMinute"], told["settlement"]
    at = strftime("%H:%M:%S", gmtime(told["atMs"] / 1000))
    return Text.assemble(
        ("slicing4meta", "bold"), f"  {at} UTC   last minute: {minute['purchases']} purchases, "
        f"{minute['instantiations']} instantiations, {minute['refusals']} refusals, {minute['ends']} ends   "
        f"settlement: {settlement['vouchersWaiting']} vouchers wait, {settlement['batchesUnderWay']} batches under way",
    )  # fmt: skip


def _pool(pool: dict[str, Any]) -> Table:
    """One row a resource of each site that has some."""
    table = _table("Pool", "site", "resource", "used", "capacity", "")
    for site in pool["sites"]:
        for resource, capacity in site["capacity"].items():
            used = site["used"].get(resource, 0)
            table.add_row(site["node"], resource, f"{used:,}", f"{capacity:,}", bar(used, capacity))
    return table


def bar(used: int, capacity: int) -> str:
    """A bar of fixed width; green, yellow from 70 %, red from 90 %."""
    part = min(used / capacity, 1.0) if capacity else 0.0
    full = max(round(part * BAR), 1 if used else 0)
    colour = "red" if part >= 0.9 else "yellow" if part >= 0.7 else "green"
    return f"[{colour}]{'█' * full}[/{colour}]{'░' * (BAR - full)} {100 * part:3.0f} %"


def _queue(told: dict[str, Any]) -> Table:
    table = _table("Queue", "services", "")
    for state, count in sorted(told["queue"]["services"].items()):
        table.add_row(state, f"{count:,}")
    oldest = told["queue"]["oldestWaitingMs"]
    table.add_row("oldest waiting", "-" if oldest is None else f"{oldest / 1000:.1f} s")
    table.add_row("workflows pending", f"{told['queue']['workflowsPending']:,}")
    return table


def _clusters(told: dict[str, Any]) -> Table:
    table = _table("Clusters", "cluster", "MSIs", "shares")
    for cluster in told["clusters"]:
        states = ", ".join(f"{count} {state}" for state, count in sorted(cluster["msis"].items()))
        table.add_row(cluster["cluster"], states, f"{cluster['shares']:,}")
    return table


def _msis(told: dict[str, Any], rows: int) -> Table:
    table = _table("MSIs", "MSI", "service", "degree", "state", "shares", "")
    for one in told["msis"][:rows]:
        seats = f"{one['shares']}/{one['maxShares']}"
        table.add_row(one["msi"], one["service"], str(one["isolation"]), one["state"], seats,
                      bar(one["shares"], one["maxShares"]))  # fmt: skip
    _more(table, len(told["msis"]) + told["msisLeftOff"] - rows)
    return table


def _models(told: dict[str, Any], rows: int) -> Table:
    table = _table("Models", "model", "instances", "state", "scale", "shares", "")
    busiest = sorted(told["models"], key=lambda model: (-model["shares"], model["model"]))
    for model in busiest[:rows]:
        states = ", ".join(f"{count} {state}" for state, count in sorted(model["states"].items()))
        seats = f"{model['shares']}/{model['maxShares']}"
        table.add_row(model["model"], str(model["instances"]), states, f"up to {model['maxScale']}", seats,
                      bar(model["shares"], model["maxShares"]))  # fmt: skip
    _more(table, len(busiest) - rows)
    return table


def _repacks(repacks: list[dict[str, Any]]) -> Table:
    """What was moved last to make room, and what it brought in points."""
    table = _table("Repacks", "repack", "moved", "objective", "bound", "gap", "state")
    for one in repacks:
        moved = ", ".join(f"{move['model']} {move['origin']}→{move['target']}" for move in one["moves"])
        table.add_row(one["repack"], moved or "-", f"{one['objectiveBefore']:,} → {one['objective']:,}",
                      f"{one['bound']:,.0f}", f"{100 * one['gap']:.2f} %", one["cause"] or one["state"])  # fmt: skip
    return table


def _more(table: Table, count: int) -> None:
    if count > 0:
        table.add_row(f"[dim]and {count} more[/dim]")


def _table(title: str, *columns: str) -> Table:
    from rich.table import Table

    return Table(*columns, title=title, box=None, header_style="bold", title_justify="left", title_style="bold cyan")
