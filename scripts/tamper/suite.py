"""Runs every falsification against the audit: `python -m scripts.tamper.suite` prints the table, exits 1 on a miss.

With `--write` the table goes to docs/reference/audit.md too. It starts a node of its own and needs no house.
"""

from __future__ import annotations

import argparse
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ledger.chain import Chain
from ledger.contracts import Contracts
from ledger.devnet import Devnet
from marketplace.audit import logs
from marketplace.audit.report import Report
from marketplace.audit.service import Auditor, Evidence
from marketplace.audit.tables import read_tables
from marketplace.database import open_database
from marketplace.projection import Projection
from orchestrator.gateway.store import Kept, UsageStore
from scripts.honest.play import play
from scripts.tamper import receipts
from scripts.tamper.case import Case, Ground
from scripts.tamper.events import EVENTS, NODE
from scripts.tamper.liar import LyingNode
from scripts.tamper.logs import LOG
from scripts.tamper.receipts import RECEIPTS
from scripts.tamper.tables import TABLES, USAGE
from scripts.tamper.text import jsonl

PROOFS = 8
CASES: list[Case] = [*LOG.all, *RECEIPTS.all, *TABLES.all, *USAGE.all, *EVENTS.all, *NODE.all]


@dataclass
class Bench:
    """One honest ground with all that is falsified: logs, receipts, both stores, and a node that can lie."""

    ground: Ground
    folder: Path
    node: LyingNode

    def auditor(self, url: str | None = None) -> tuple[Auditor, Chain]:
        market = self.ground.market
        chain = Chain.connect(url or market.devnet.rpc_url)
        return Auditor(chain, market.deployment, Contracts(chain, market.deployment), market.terms_of), chain

    def audit(self, text: str | None = None, url: str | None = None, **options: object) -> Report:
        """A complete, thorough audit of these logs (the honest ones by default)."""
        auditor, chain = self.auditor(url)
        with closing(chain):
            parsed = logs.parse(jsonl(self.ground.logs) if text is None else text)
            return auditor.audit(parsed, PROOFS, complete=True, thorough=True, **options)  # type: ignore[arg-type]

    def findings(self, case: Case) -> set[str]:
        """The codes that the audit finds where this case was played."""
        report = _PLAYED[case.kind](self, case)
        return {finding.code for finding in report.findings}

    def _log(self, case: Case) -> Report:
        return self.audit(case.change(self.ground))

    def _event(self, case: Case) -> Report:
        return self._lied(case, None)

    def _node(self, case: Case) -> Report:
        return self._lied(case, Evidence())

    def _lied(self, case: Case, evidence: Evidence | None) -> Report:
        self.node.lie = case.change(self.ground)
        return self.audit(url=self.node.url, evidence=evidence)

    def _table(self, case: Case) -> Report:
        """On a copy of the folded market.db."""
        path = self.folder / f"{case.name}.db"
        shutil.copy(self.market_db, path)
        engine = open_database(f"sqlite:///{path}")
        try:
            with engine.begin() as connection:
                case.change(connection, self.ground)
            return self.audit(tables=read_tables(engine))
        finally:
            engine.dispose()

    def _usage(self, case: Case) -> Report:
        """On a copy of usage.db: the mark's log is what the store gives afterwards."""
        path = self.folder / f"{case.name}-usage.db"
        shutil.copy(self.usage_db, path)
        with closing(sqlite3.connect(path)) as connection, connection:
            case.change(connection)
        return self.audit(self.ground.with_log(self._lines_of(path)))

    @property
    def market_db(self) -> Path:
        """The market's tables as the projection folds them, made once."""
        path = self.folder / "market.db"
        if not path.exists():
            engine = open_database(f"sqlite:///{path}")
            Projection(engine, self.ground.market.chain, self.ground.market.deployment, 0).refresh()
            with engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            engine.dispose()
        return path

    @property
    def usage_db(self) -> Path:
        """The gateway's store with the mark's records, made once."""
        path = self.folder / "usage.db"
        if not path.exists():
            with closing(UsageStore(path, bytes(32))) as store:
                for record in self.ground.mark.records:
                    store.add(Kept(record, record.units, {}, str(record.seq), "text/plain", "", None))
        return path

    def _lines_of(self, path: Path) -> list[dict[str, object]]:
        with closing(UsageStore(path, bytes(32))) as store:
            records = store.records(int(self.ground.mark.subscription_id))
        return [self.ground.copy()[0], *({"record": record.to_json()} for record in records)]


_PLAYED: dict[str, Callable[[Bench, Case], Report]] = {
    "log": Bench._log, "receipts": Bench._log, "tables": Bench._table, "usage tables": Bench._usage,
    "events": Bench._event, "node": Bench._node,
}  # fmt: skip


@contextmanager
def bench(seed: int = 7) -> Iterator[Bench]:
    """An honest market on a node of its own, with a lying node in front."""
    with (
        Devnet.start() as devnet,
        play(devnet, seed) as market,
        LyingNode(devnet.rpc_url) as node,
        tempfile.TemporaryDirectory() as folder,
    ):
        yield Bench(Ground.of(market), Path(folder), node)


def honest_findings(ready: Bench) -> set[str]:
    """What the audit says of everything unchanged: it must be nothing."""
    engine = open_database(f"sqlite:///{ready.market_db}")
    try:
        report = ready.audit(tables=read_tables(engine), evidence=Evidence())
    finally:
        engine.dispose()
    own = ready.audit(jsonl({0: receipts.honest(ready.ground)} | _others(ready.ground)))
    return {finding.code for finding in [*report.findings, *own.findings]}


def _others(ground: Ground) -> dict[int, list[dict[str, object]]]:
    return {found: log for found, log in ground.logs.items() if found != ground.mark.subscription_id}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    with bench(given.seed) as ready:
        print("honest:", honest_findings(ready))
        missed = 0
        for case in CASES:
            found = ready.findings(case)
            missed += case.finding not in found
            print(f"{case.kind:<13}{case.name:<34}{'ok' if case.finding in found else 'MISSED':<8}{sorted(found)}")
    print(f"{len(CASES) - missed} of {len(CASES)} found")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
