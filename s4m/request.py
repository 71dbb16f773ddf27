"""`s4m request show|update|parse`: what a subscription asks for, changing it while it runs, and asking in words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

import click

from s4m.command import Session, common, whole_number
from s4m.completion import SUBSCRIPTIONS
from s4m.errors import BadInput

QOE_OPTIONS = {
    "rate": "rate_mbps",
    "latency": "latency_ms",
    "reliability": "reliability",
    "immersion_floor": "immersion_floor",
}
"""Option → member of the document's `qoe`."""
NAMED_APART = ("schema", "service", "scenario")


@click.group()
def request() -> None:
    """What a subscription asks for: show it, change it while it runs; make a request document of words."""


@request.command()
@click.argument("subscription_id", shell_complete=SUBSCRIPTIONS)
@common
def show(session: Session, subscription_id: str) -> None:
    """The request document as this home keeps it."""
    from s4m.connect import wallets

    session.show(wallets(session).request(whole_number(subscription_id, "SUBSCRIPTION_ID")))


@request.command()
@click.argument("subscription_id", shell_complete=SUBSCRIPTIONS)
@click.argument("document", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--users", type=int, help="How many users it is for.")
@click.option("--rate", type=int, help="Mb/s of each user.")
@click.option("--latency", type=float, help="Most latency of the planned path, ms.")
@click.option("--reliability", type=float, help="Part of the time in which it works, at most 1.")
@click.option("--immersion-floor", type=float, help="Least Meta-Immersion.")
@common
def update(session: Session, subscription_id: str, document: Path | None, **changes: float | None) -> None:
    """Change a running request: by a whole new DOCUMENT (s4m/request/2 or 1), or single values by the options.

    Isolation and service stay as bought. Signed with the session key; nothing is spent. If the change cannot be had,
    the service runs on as it was.
    """
    from s4m.connect import market, wallets

    identifier = whole_number(subscription_id, "SUBSCRIPTION_ID")
    store = wallets(session)
    wanted = _wanted(store.request(identifier), document, changes)
    with market(session) as client, client.own(identifier, store.session(identifier)) as own:
        accepted = own.update_request(wanted)
    store.keep_request(identifier, wanted)
    decision = accepted["decision"]
    session.show(
        {
            "subscriptionId": str(identifier),
            "revision": accepted["revision"],
            "state": accepted["state"],
            "msi": decision["msi"],
            "models": {one["role"]: f"{one['verdict']} {one['instance']}" for one in decision["models"]["placements"]},
            "gap": decision["models"]["gap"],
        }
    )


@request.command()
@click.argument("file", type=click.File(encoding="utf-8"), default="-")
@click.option("--market", "asks_market", is_flag=True, help="Ask the marketplace: hash and plans come with it.")
@common
def parse(session: Session, file: TextIO, *, asks_market: bool) -> None:
    """Make request documents (s4m/request/2) of requests in words: one a line of FILE, or of the standard input.

    With --json one JSON document a line: what was understood, how surely, why, and what to ask back. Needs no house,
    but for --market.
    """
    try:
        lines = file.read().splitlines()
    except UnicodeDecodeError as error:
        raise BadInput(f"{file.name} is no UTF-8 text: {error}.", "Give a text file, one request a line.") from error
    understood = _by_market(session, lines) if asks_market else _here(lines)
    if session.as_json:
        for one in understood:
            click.echo(json.dumps(one, ensure_ascii=False))
    else:
        session.show([_row(one) for one in understood])


def _here(lines: Sequence[str]) -> list[dict[str, Any]]:
    return [_understood(number, line) for number, line in enumerate(lines, 1)]


def _by_market(session: Session, lines: Sequence[str]) -> list[dict[str, Any]]:
    from s4m.connect import market

    with market(session) as client:
        return [dict(client.request_document(line)) for line in lines]


def _understood(number: int, line: str) -> dict[str, Any]:
    from orchestrator.intent.errors import TextTooLong
    from orchestrator.intent.understanding import understand

    try:
        return understand(line).to_json()
    except TextTooLong as error:
        raise BadInput(f"Line {number}: {error}", "Shorten it, or give one request a line.") from error


def _row(one: dict[str, Any]) -> dict[str, Any]:
    """What was understood, for people."""
    asked = {name: value for name, value in (one["document"] or {}).items() if name not in NAMED_APART}
    return {
        "request": one["text"],
        "service": one["service"],
        "sure": f"{one['confidence']:.0%}",
        "asked": {**asked, **one["wishes"]},
        "because of": one["why"][0]["words"] if one["why"] else None,
        "question": one["question"],
    }


def _wanted(kept: dict[str, Any], path: Path | None, changes: dict[str, float | None]) -> dict[str, Any]:
    """The new document: the one given, or the kept one, with the options' values."""
    given = {name: value for name, value in changes.items() if value is not None}
    if path is None and not given:
        raise BadInput("Nothing is to be changed.", "Give a document, or an option such as --users.")
    if path is not None:
        try:
            kept = dict(json.loads(path.read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise BadInput(f"{path} is no JSON object: {error}.", "Give an s4m/request/2 document.") from error
    qoe = {QOE_OPTIONS[name]: value for name, value in given.items() if name in QOE_OPTIONS}
    users = {"users": given["users"]} if "users" in given else {}
    return {**kept, **users, **({"qoe": {**kept.get("qoe", {}), **qoe}} if qoe else {})}
