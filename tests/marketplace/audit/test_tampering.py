"""Every way to falsify logs, receipts, tables, events or a whole node is found and named; the honest is left alone."""

from __future__ import annotations

import json

import pytest

from ledger.devnet import Devnet
from marketplace.audit import logs
from marketplace.audit.service import Auditor, Evidence
from scripts.honest.play import play
from scripts.tamper.case import Case
from scripts.tamper.suite import CASES, REFERENCE, Bench, honest_findings, second_findings
from scripts.tamper.text import jsonl


def test_there_are_many_ways_and_each_has_a_name_of_its_own() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 40
    assert {case.kind for case in CASES} >= {"log", "receipts", "tables", "events"}
    assert all(case.what for case in CASES)


def test_the_reference_tells_of_every_way() -> None:
    """`python -m scripts.tamper.suite --write` writes its table."""
    written = REFERENCE.read_text()
    assert [case.name for case in CASES if f"| {case.kind} | {case.what} | `{case.finding}`" not in written] == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}: {case.name}")
def test_the_audit_names_it(ready: Bench, case: Case) -> None:
    assert case.finding in ready.findings(case)


def test_what_is_honest_is_left_alone(ready: Bench) -> None:
    assert honest_findings(ready) == set()


def test_the_second_checker_finds_all_that_touches_money_or_proofs(ready: Bench) -> None:
    mine = [case for case in CASES if case.second]
    found = second_findings(ready, mine)
    assert len(mine) >= 40
    assert {case.name for case in mine if not found[case.name]} == set()


def test_the_second_checker_finds_nothing_in_what_is_honest(ready: Bench) -> None:
    def same(_ground: object) -> str:
        return jsonl(ready.ground.logs)

    honest = Case("honest", "log", "nothing", "", same)
    assert second_findings(ready, [honest]) == {"honest": frozenset()}


@pytest.fixture(scope="module")
def stage() -> Devnet:
    """A node for many markets, each with contracts of its own."""
    with Devnet.start() as running:
        yield running  # type: ignore[misc]


@pytest.mark.parametrize("seed", [*range(6), *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(6, 20))])
def test_no_false_alarm_on_an_honest_market(stage: Devnet, seed: int) -> None:
    """Buyers, plans, shares, discounts, renewals, caps, releases and assets are drawn by the seed."""
    with play(stage, seed) as market:
        auditor = Auditor(market.chain, market.deployment, market.contracts, market.terms_of)
        text = "\n".join(json.dumps(line) for sold in market.sold for line in market.lines(sold))
        report = auditor.audit(logs.parse(text), 2, complete=True, thorough=True, evidence=Evidence())
    assert report.findings == []
    assert (report.subscriptions_checked, report.vouchers_checked, report.signatures_opaque) == (4, 4, 0)
    assert report.signatures_checked >= 20
