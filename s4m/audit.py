"""`s4m audit`: proves records and money against the chain, with this home's own code and node."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from s4m.command import Session, common

if TYPE_CHECKING:
    import httpx

    from marketplace.audit.logs import SubscriptionLog
    from marketplace.audit.report import Report
    from marketplace.audit.tables import MarketTables
    from marketplace.wallet.client import MarketClient


@click.command()
@click.option(
    "--log", "logs", multiple=True, type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Usage log (JSONL); may be given several times. Else the operator fetches all from the gateway.",
)  # fmt: skip
@click.option("--proofs", default="16", show_default=True, help="Records proven on-chain per log, or `all`.")
@click.option(
    "--terms", multiple=True, type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Terms document, offline; may be given several times.",
)  # fmt: skip
@click.option("--money-only", is_flag=True, help="Only the market's money; no records.")
@click.option("--rpc", help="Node to ask, in place of this home's.")
@click.option(
    "--deployment", "deployed", type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Deployment file, in place of this home's.",
)  # fmt: skip
@click.option("--evidence", is_flag=True, help="Recompute the node's blocks, from header to logs.")
@click.option("--head-hash", help="Audit up to the block of this hash, known from elsewhere; with --evidence.")
@click.option(
    "--report", "reports", multiple=True, type=click.Path(path_type=Path, dir_okay=False),
    help="Also write the report there: .json, .csv or .pdf; may be given several times.",
)  # fmt: skip
@common
def audit(
    session: Session, logs: tuple[Path, ...], proofs: str, terms: tuple[Path, ...], money_only: bool,
    rpc: str | None, deployed: Path | None, evidence: bool, head_hash: str | None, reports: tuple[Path, ...],
) -> None:  # fmt: skip
    """Check usage logs and the whole market's money; exit code 7 where something does not add up."""
    from marketplace.audit import papers
    from marketplace.audit.service import ALL_PROOFS, Auditor, Evidence
    from s4m.command import whole_number
    from s4m.connect import on_chain

    count = ALL_PROOFS if proofs == "all" else whole_number(proofs, "--proofs")
    wanted = Evidence(_block_hash(head_hash)) if evidence or head_hash else None
    for path in reports:
        papers.check_name(path)
    everything = not (money_only or logs)
    with on_chain(session, rpc, deployed) as ground:
        auditor = Auditor(ground.chain, ground.deployment, ground.contracts, _terms_source(session, terms))
        tables = _tables(session) if everything and not (rpc or deployed) else None
        parsed = [] if money_only else _parsed(session, logs)
        report = auditor.audit(parsed, count, complete=everything, thorough=True, evidence=wanted, tables=tables)
    for path in reports:
        papers.write(report, path)
    _show(session, report)


def _block_hash(text: str | None) -> str | None:
    import re

    from s4m.errors import BadInput

    if text is not None and not re.fullmatch("0x[0-9a-f]{64}", text):
        raise BadInput(f"--head-hash {text[:80]!r} is no block hash.", "Give 0x and 64 lower-case hexadecimal digits.")
    return text


def _show(session: Session, report: Report) -> None:
    """The report, then the exit code that it deserves."""
    from s4m.errors import AuditFailed, Exit

    document = report.to_json()
    if session.as_json:
        session.show(document)
        if not report.ok:
            raise click.exceptions.Exit(Exit.FINDINGS)
        return
    session.show({name: value for name, value in document.items() if name != "findings"})
    if not report.ok:
        session.show(document["findings"], "code", "subscriptionId", "detail")
        raise AuditFailed(
            f"{len(report.findings)} finding(s): {', '.join(sorted({each.code for each in report.findings}))}."
        )


def _tables(session: Session) -> MarketTables | None:
    """The marketplace's own tables, where this home has them."""
    from sqlalchemy.engine import make_url

    from marketplace.audit.tables import read_tables
    from marketplace.database import open_database
    from marketplace.settings import MarketplaceSettings

    database = MarketplaceSettings(home=session.home).database
    file = make_url(database).database or ""
    if database.startswith("sqlite") and not Path(file).exists():
        return None
    engine = open_database(database)
    try:
        return read_tables(engine)
    finally:
        engine.dispose()


def _parsed(session: Session, files: tuple[Path, ...]) -> list[SubscriptionLog]:
    from marketplace.audit import logs

    if files:
        return [log for path in files for log in logs.read(path)]
    return [log for text in fetch_logs(session) for log in logs.parse(text)]


def fetch_logs(session: Session) -> list[str]:
    """Every activated subscription's log, as the gateway shows it to the operator.

    A log that the gateway does not have is left out: where use of it was settled, the audit finds it missing.
    """
    import httpx

    from marketplace.errors import GatewayDown
    from s4m.connect import component, market

    client: MarketClient
    with market(session) as client:
        known = [row["subscriptionId"] for row in client.subscriptions() if row["since"]]
    with component(session, "gateway") as gateway:
        try:
            answers = [gateway.get(f"/logs/{name}") for name in known]
        except httpx.TransportError as error:
            raise GatewayDown(f"{type(error).__name__}: {error}.", remedy="Start the house (`s4m up`).") from error
    return [_log_in(answer) for answer in answers if answer.status_code != 404]


def _log_in(answer: httpx.Response) -> str:
    from marketplace.errors import ProblemAnswer

    if answer.is_error:
        raise ProblemAnswer(answer.status_code, dict(answer.json()))
    return answer.text


def _terms_source(session: Session, paths: tuple[Path, ...]) -> Any:
    """Terms by hash: from files, from the installed manifests, else from the marketplace where it runs."""
    import json

    from ledger.errors import LedgerError
    from marketplace.documents import hash_of
    from marketplace.errors import MarketplaceError
    from s4m import reference
    from s4m.connect import market
    from s4m.errors import NothingRunning

    known = {bytes.fromhex(digest): json.loads(body) for digest, body in reference.documents()}
    known |= {hash_of(document): document for document in map(_document, paths)}

    def find(digest: bytes) -> dict[str, Any] | None:
        if digest not in known:
            try:
                with market(session) as client:
                    known[digest] = client.document(digest.hex())
            except (MarketplaceError, LedgerError, NothingRunning):
                return None
        return dict(known[digest])

    return find


def _document(path: Path) -> dict[str, Any]:
    import json

    from s4m.errors import BadInput

    try:
        return dict(json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        raise BadInput(f"{path} is no JSON object: {error}.", "Give the plan's s4m/terms/1 document.") from error
