"""Runs every falsification against the audit: `python -m scripts.tamper.suite` prints the table, exits 1 on a miss.

With `--write` the table goes to docs/reference/audit.md too. It starts a node of its own and needs no house.
"""

from __future__ import annotations

import argparse
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
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
from scripts.tamper.second import SecondChecker
from scripts.tamper.tables import TABLES, USAGE
from scripts.tamper.text import jsonl

PROOFS = 8
"""Records of each log that are proven on-chain."""
REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "audit.md"
MARK = "<!-- written by scripts/tamper/suite.py --write -->"
CASES: list[Case] = [*LOG.all, *RECEIPTS.all, *TABLES.all, *USAGE.all, *EVENTS.all, *NODE.all]


@dataclass
class Bench:
    """One honest ground and a folder for its stores and what is made of them."""

    ground: Ground
    folder: Path

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

    def text_of(self, case: Case) -> str | None:
        """The logs as this case shows them; None where it does not change logs."""
        if case.kind == "usage tables":
            return self.ground.with_log(self._lines_of(self._changed_usage_db(case)))
        return str(case.change(self.ground)) if case.kind in ("log", "receipts") else None

    def _log(self, case: Case) -> Report:
        return self.audit(self.text_of(case))

    def _event(self, case: Case) -> Report:
        return self._lied(case, None)

    def _node(self, case: Case) -> Report:
        return self._lied(case, Evidence())

    def _lied(self, case: Case, evidence: Evidence | None) -> Report:
        with LyingNode(self.ground.market.devnet.rpc_url, case.change(self.ground)) as node:
            return self.audit(url=node.url, evidence=evidence)

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

    def _changed_usage_db(self, case: Case) -> Path:
        path = self.folder / f"{case.name}-usage.db"
        shutil.copy(self.usage_db, path)
        with closing(sqlite3.connect(path)) as connection, connection:
            case.change(connection)
        return path

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
    "log": Bench._log, "receipts": Bench._log, "tables": Bench._table, "usage tables": Bench._log,
    "events": Bench._event, "node": Bench._node,
}  # fmt: skip


@contextmanager
def bench(seed: int = 7) -> Iterator[Bench]:
    """An honest market on a node of its own."""
    with Devnet.start() as devnet, play(devnet, seed) as market, tempfile.TemporaryDirectory() as folder:
        yield Bench(Ground.of(market), Path(folder))


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


@dataclass(frozen=True)
class Outcome:
    """What both checkers found in one case; `second` is None where the case is not the second checker's concern."""

    case: Case
    audit: frozenset[str]
    second: frozenset[str] | None

    @property
    def found(self) -> bool:
        return self.case.finding in self.audit and (self.second is None or bool(self.second))


def second_findings(ready: Bench, cases: Sequence[Case]) -> dict[str, frozenset[str]]:
    """Case → what the second checker finds: all changed logs in one run, each lying node in a run of its own."""
    checker = SecondChecker(ready.ground.market.deployment.market, ready.folder)
    texts = {case.name: text for case in cases if (text := ready.text_of(case)) is not None}
    found = checker.of_logs(ready.ground.market.devnet.rpc_url, texts)
    honest = jsonl(ready.ground.logs)

    def of_lie(case: Case) -> frozenset[str]:
        with LyingNode(ready.ground.market.devnet.rpc_url, case.change(ready.ground)) as node:
            return checker.of_logs(node.url, {case.name: honest})[case.name]

    lies = [case for case in cases if case.name not in texts]
    with ThreadPoolExecutor(2) as pool:
        return found | dict(zip((case.name for case in lies), pool.map(of_lie, lies), strict=True))


def outcomes(ready: Bench) -> list[Outcome]:
    """Every case by both checkers."""
    second = second_findings(ready, [case for case in CASES if case.second])
    return [Outcome(case, frozenset(ready.findings(case)), second.get(case.name)) for case in CASES]


def table(results: Sequence[Outcome]) -> str:
    """Both checkers side by side, in Markdown."""
    rows = ["| what | changed | the audit names | second checker |", "|---|---|---|---|"]
    for each in results:
        second = "not its concern" if each.second is None else _codes(each.second) or "**missed**"
        named = f"`{each.case.finding}`" if each.case.finding in each.audit else "**missed**"
        also = _codes(each.audit - {each.case.finding})
        rows.append(f"| {each.case.kind} | {each.case.what} | {named}{'; ' + also if also else ''} | {second} |")
    return "\n".join(rows) + "\n"


def _codes(codes: Collection[str]) -> str:
    return ", ".join(f"`{code}`" for code in sorted(codes))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--write", action="store_true", help=f"put the table into {REFERENCE}")
    given = parser.parse_args()
    with bench(given.seed) as ready:
        false_alarms, results = honest_findings(ready), outcomes(ready)
    print(table(results))
    found = sum(each.found for each in results)
    print(f"{found} of {len(results)} found; false alarms on what is honest: {sorted(false_alarms) or 'none'}")
    if given.write:
        head = REFERENCE.read_text().split(MARK)[0]
        REFERENCE.write_text(f"{head}{MARK}\n\n{table(results)}")
    return 0 if found == len(results) and not false_alarms else 1


if __name__ == "__main__":
    raise SystemExit(main())
