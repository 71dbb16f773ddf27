"""`s4m doctor`: what is wrong with a set-up, and how to mend it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from s4m.command import Session, common

if TYPE_CHECKING:
    from s4m.checks.findings import Finding

PORTS = 4
"""`s4m up` takes so many in a row."""
PROGRAMS = ("marketplace", "orchestrator", "gateway")


@click.command()
@click.option(
    "--port-base", type=click.IntRange(0, 65_532), default=8700, show_default=True, help="As you would give `s4m up`."
)
@common
def doctor(session: Session, port_base: int) -> None:
    """Look at machine, home and network; say what is wrong and how to mend it. Changes nothing.

    Exit code 0 where all is well or only a warning is left, 7 where something does not work.
    """
    from s4m.checks.findings import State
    from s4m.errors import ChecksFailed

    found = [*_machine(session), *_files(session), *_network(session, port_base)]
    session.show([one.told() for one in found], "state", "check", "what", "remedy")
    broken = [one.check for one in found if one.state is State.BAD]
    if broken:
        raise ChecksFailed(f"{len(broken)} of {len(found)} checks failed: {', '.join(broken)}.")


def _machine(session: Session) -> list[Finding]:
    from s4m.checks import machine

    return [
        machine.python(),
        machine.node_js(),
        machine.anvil(own_node=bool(session.settings.rpc_url)),
        machine.sandbox(),
        machine.seccomp(),
        machine.disk(session.home),
    ]


def _files(session: Session) -> list[Finding]:
    from s4m.checks import files

    found = [files.home(session.home), files.key_files(session.home), files.recordings(session.settings.data)]
    return [*found, *_stores(session)]


def _stores(session: Session) -> list[Finding]:
    """Both stores: SQLite files by their revision, PostgreSQL by an answer."""
    from marketplace.database import SCHEMA
    from orchestrator.migrations import schema_with
    from orchestrator.store import METADATA
    from s4m.checks import files, services
    from storage import is_postgresql

    settings, folder = session.settings, session.home / "db"
    stores = (
        (schema_with(METADATA), folder / "engine.db", settings.database, "S4M_DATABASE"),
        (SCHEMA, folder / "market.db", settings.marketplace_database, "S4M_MARKETPLACE_DATABASE"),
    )
    return [
        services.postgresql(setting, variable)
        if is_postgresql(setting)
        else files.revision(schema.name, file, schema.revisions)
        for schema, file, setting, variable in stores
    ]


def _network(session: Session, port_base: int) -> list[Finding]:
    from s4m.checks import services

    urls = {name: _url(session, name) for name in ("chain", *PROGRAMS)}
    wanted = range(port_base, port_base + PORTS) if port_base else ()
    return [
        services.ports(wanted, running=bool(urls["marketplace"])),
        services.node(urls["chain"]),
        services.deployed(session.home, urls["chain"]),
        services.clock(urls["chain"]),
        *services.programs({name: urls[name] for name in PROGRAMS}),
    ]


def _url(session: Session, name: str) -> str:
    """Empty where none is set and none runs."""
    from s4m.connect import url
    from s4m.errors import NothingRunning

    try:
        return url(session, name)
    except NothingRunning:
        return ""
