"""What answers over the network: ports, the node and its chain, its clock, the programs of the house, PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import httpx

from ledger.chain import Chain
from ledger.deployment import Deployment, deployment_path
from ledger.errors import LedgerError
from s4m.checks.findings import Finding, bad, ok, warn
from s4m.processes import is_free

SLOW_S, MOST_SKEW_S = 1.0, 60
"""A node that needs longer for one answer holds up every command; orders are good for minutes, so clocks must agree."""


def ports(wanted: Iterable[int], running: bool) -> Finding:
    """Those that `s4m up` takes; the house's own use of them is no fault."""
    taken = [port for port in wanted if not is_free(port)]
    if not taken:
        return ok("ports", "the ports of `s4m up` are free")
    shown = ", ".join(map(str, taken))
    if running:
        return ok("ports", f"the house of this home runs ({shown} in use)")
    return bad("ports", f"Another program holds {shown}.", "End it, or start the house elsewhere: s4m up --port-base 0")


def node(url: str) -> Finding:
    """That it answers, and how quickly."""
    if not url:
        return warn("node", "No chain runs for this home.", "Run `s4m up`, or name a node by S4M_RPC_URL.")
    begun = time.monotonic()
    try:
        chain = Chain.connect(url)
    except LedgerError as error:
        return bad("node", error.message, error.remedy)
    try:
        waited = time.monotonic() - begun
    finally:
        chain.close()
    if waited > SLOW_S:
        what = f"The node at {chain.url} needed {waited:.1f} s for two answers."
        return warn("node", what, "Use a nearer node, or see what keeps it busy.")
    return ok("node", f"chain {chain.chain_id} at {chain.url}")


def deployed(home: Path, url: str) -> Finding:
    """That the contracts of this home are on this very chain."""
    if not url:
        return warn("contracts", "Not looked at: no node.", "Run `s4m up`, or name a node by S4M_RPC_URL.")
    try:
        chain = Chain.connect(url)
    except LedgerError as error:
        return warn("contracts", "Not looked at: the node does not answer.", error.remedy)
    try:
        if not deployment_path(home, chain.chain_id).exists():
            remedy = "Run `s4m deploy`, or copy the deployment file of those who did into deployments/."
            return warn("contracts", f"Nothing is deployed on chain {chain.chain_id} from this home.", remedy)
        deployment = Deployment.load(home, chain.chain_id)
        deployment.check(chain)
        return ok("contracts", f"market {deployment.market}")
    except LedgerError as error:
        return bad("contracts", error.message, error.remedy)
    finally:
        chain.close()


def clock(url: str, now: float | None = None) -> Finding:
    """This machine's clock against the newest block's: orders and tokens carry times. `now`: UTC seconds."""
    if not url:
        return warn("clock", "Not looked at: no node.", "Run `s4m up`, or name a node by S4M_RPC_URL.")
    try:
        chain = Chain.connect(url)
        newest = chain.latest().timestamp
        chain.close()
    except LedgerError as error:
        return warn("clock", "Not looked at: the node does not answer.", error.remedy)
    ahead = (time.time() if now is None else now) - newest
    if ahead < -MOST_SKEW_S:
        remedy = "Set this machine's clock (`timedatectl set-ntp true`); a devnet's own may have been moved."
        return bad("clock", f"The newest block is {-ahead:.0f} s in the future.", remedy)
    if ahead > MOST_SKEW_S:
        remedy = "Set this machine's clock (`timedatectl set-ntp true`), or see why the node makes no blocks."
        return bad("clock", f"The newest block is {ahead:.0f} s old.", remedy)
    return ok("clock", f"within {abs(ahead):.0f} s of the newest block")


def programs(urls: Mapping[str, str]) -> list[Finding]:
    """Marketplace, orchestrator and gateway, as far as they are named."""
    return [_program(name, url) for name, url in urls.items()]


def _program(name: str, url: str) -> Finding:
    if not url:
        return warn(name, f"No {name} runs for this home.", "Run `s4m up`.")
    path = "/api/v1/health" if name == "marketplace" else "/health"
    remedy = f"Read logs/{name}.log in the home; start the house again (`s4m up`)."
    try:
        answer = httpx.get(url.rstrip("/") + path, timeout=5.0)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return bad(name, f"{url} does not answer ({type(error).__name__}).", remedy)
    if answer.status_code != 200:
        return bad(name, f"{url}{path} answers {answer.status_code}.", remedy)
    try:
        listener = answer.json().get("listener", {})
    except (ValueError, AttributeError):
        return bad(name, f"{url}{path} is no health of {name}.", remedy)
    if trouble := listener.get("trouble"):
        return warn(name, f"It hears no purchases: {trouble}", "It looks again by itself; see that the node is whole.")
    return ok(name, url)


def postgresql(setting: str, variable: str) -> Finding:
    """A PostgreSQL that a setting names: reachable, and new enough. `variable` is the setting's name."""
    import sqlalchemy as sa

    from storage import DatabaseUnusable, database_url

    check = f"database {variable}"
    remedy = f"Correct {variable}, or start the server; docs/how-to/run-on-postgresql.md says what it needs."
    try:
        engine = sa.create_engine(database_url(setting), connect_args={"connect_timeout": 5})
        with engine.connect() as rows:
            version = rows.scalar(sa.text("SHOW server_version"))
    except DatabaseUnusable as error:
        return bad(check, str(error), remedy)
    except sa.exc.SQLAlchemyError as error:
        why = str(error.__cause__ or error).strip().splitlines()[0]
        return bad(check, f"PostgreSQL cannot be used: {why}.", remedy)
    engine.dispose()
    return ok(check, f"PostgreSQL {version}")
