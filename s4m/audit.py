"""`s4m audit`: proves records and money against the chain, with this home's own code and node."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from s4m.command import Session, common

if TYPE_CHECKING:
    import httpx

    from marketplace.audit.logs import SubscriptionLog
    from marketplace.wallet.client import MarketClient


@click.command()
@click.option(
    "--log", "logs", multiple=True, type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Usage log (JSONL); may be given several times. Else the operator fetches all from the gateway.",
)  # fmt: skip
@click.option("--proofs", default="16", show_default=True, help="Records proven on-chain per log, or `all`.")
@click.option("--terms", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Terms document, offline.")
@click.option("--money-only", is_flag=True, help="Only the market's money; no records.")
@common
def audit(session: Session, logs: tuple[Path, ...], proofs: str, terms: Path | None, money_only: bool) -> None:
    """Check usage logs and the whole market's money; exit code 7 where something does not add up."""
    from marketplace.audit.service import ALL_PROOFS, Auditor
    from s4m.command import whole_number
    from s4m.connect import on_chain
    from s4m.errors import AuditFailed, Exit

    count = ALL_PROOFS if proofs == "all" else whole_number(proofs, "--proofs")
    with on_chain(session) as ground:
        auditor = Auditor(ground.chain, ground.deployment, ground.contracts, _terms_source(session, terms))
        parsed = [] if money_only else _parsed(session, logs)
        report = auditor.audit(parsed, count, complete=not (money_only or logs))
    session.show(report.to_json())
    if not report.ok and session.as_json:
        raise click.exceptions.Exit(Exit.FINDINGS)
    if not report.ok:
        raise AuditFailed(
            f"{len(report.findings)} finding(s): {', '.join(sorted({each.code for each in report.findings}))}."
        )


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
            raise GatewayDown(f"{type(error).__name__}.", remedy="Start the house (`s4m up`).") from error
    return [_log_in(answer) for answer in answers if answer.status_code != 404]


def _log_in(answer: httpx.Response) -> str:
    from marketplace.errors import ProblemAnswer

    if answer.is_error:
        raise ProblemAnswer(answer.status_code, dict(answer.json()))
    return answer.text


def _terms_source(session: Session, path: Path | None) -> Any:
    """Terms by hash: from a file, from the installed manifests, else from the marketplace where it runs."""
    import json

    from marketplace.documents import hash_of
    from marketplace.errors import MarketplaceError
    from s4m import reference
    from s4m.connect import market
    from s4m.errors import BadInput, NothingRunning

    known = {bytes.fromhex(digest): json.loads(body) for digest, body in reference.documents()}
    if path is not None:
        try:
            given = dict(json.loads(path.read_text()))
        except (ValueError, TypeError) as error:
            raise BadInput(f"{path} is no JSON object: {error}.", "Give the plan's s4m/terms/1 document.") from error
        known[hash_of(given)] = given

    def find(digest: bytes) -> dict[str, Any] | None:
        if digest not in known:
            try:
                with market(session) as client:
                    known[digest] = client.document(digest.hex())
            except (MarketplaceError, NothingRunning):
                return None
        return dict(known[digest])

    return find
