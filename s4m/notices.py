"""`s4m notices`: what happened to a subscription's service, once or as it comes."""

from __future__ import annotations

import json
from typing import Any

import click

from s4m.command import Session, common, whole_number
from s4m.completion import SUBSCRIPTIONS


@click.command()
@click.argument("subscription_id", shell_complete=SUBSCRIPTIONS)
@click.option("--follow", is_flag=True, help="Go on as they come, until Ctrl-C; with --json one object a line.")
@click.option("--since", default=0, show_default=True, help="Only those after this number.")
@common
def notices(session: Session, subscription_id: str, follow: bool, since: int) -> None:
    """What concerns SUBSCRIPTION_ID: share, grants, models, updates (docs/reference/notices.md tells the kinds)."""
    from s4m.connect import market, wallets

    identifier = whole_number(subscription_id, "SUBSCRIPTION_ID")
    key = wallets(session).session(identifier)
    with market(session) as client, client.own(identifier, key) as own:
        if not follow:
            rows = [_row(notice) for notice in own.notices(since)]
            session.show(rows, "number", "at", "kind", "subject", "detail")
            return
        try:
            for notice in own.follow(since):
                _say(session, notice)
        except KeyboardInterrupt:
            return


def _row(notice: dict[str, Any]) -> dict[str, Any]:
    return {name: notice[name] for name in ("number", "at", "kind", "subject", "detail")}


def _say(session: Session, notice: dict[str, Any]) -> None:
    from time import gmtime, strftime

    if session.as_json:
        click.echo(json.dumps(_row(notice)))
        return
    at = strftime("%H:%M:%S", gmtime(notice["at"]))
    detail = ", ".join(f"{name}: {value}" for name, value in notice["detail"].items())
    click.echo(f"{at}  {notice['kind']:<18} {notice['subject']}" + (f"  ({detail})" if detail else ""))
